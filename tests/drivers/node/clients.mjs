// A program that writes with node-postgres and with AWS's driver for Node, as clients.py does with Python's.
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const target = JSON.parse(process.env.DRIVER_TARGET);
const PAUSE_MS = 50;
const INSERT = "insert into driver_ledger values ($1, $2)";
let stopped = false;

const say = (kind, driver, text) => console.log(kind, driver, String(text).split(/\s+/).join(" ").slice(0, 300));

const config = (host = target.host) => ({
  host,
  port: target.port,
  user: target.user,
  password: target.password,
  database: target.database,
  ssl: { ca: readFileSync(target.ca, "utf8"), rejectUnauthorized: true },
});

async function nodePostgres() {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ ...config(), max: 2 });
  pool.on("error", () => {});
  return (number) => pool.query(INSERT, ["node-postgres", number]);
}

async function nodeWrapper() {
  const { AwsPGClient } = await import("aws-advanced-nodejs-wrapper/pg");
  const { FailoverSuccessError } = await import("aws-advanced-nodejs-wrapper");
  let client;
  return async (number) => {
    try {
      if (!client) {
        const plugins = "initialConnection,auroraConnectionTracker,failover2,efm2";
        client = new AwsPGClient({ ...config(), plugins, openConnectionRetryTimeoutMs: 3000 });
        await client.connect();
      }
      await client.query(INSERT, ["node-wrapper", number]);
      if (number === 1) say("dialect", "node-wrapper", client.pluginService.getDialect().constructor.name);
    } catch (error) {
      if (!(error instanceof FailoverSuccessError)) {
        const lost = client;
        client = undefined;
        lost?.end().catch(() => {});
      }
      throw error;
    }
  };
}

const CLIENTS = { "node-postgres": nodePostgres, "node-wrapper": nodeWrapper };

async function write(driver) {
  let insert;
  for (let number = 1; !stopped; number++) {
    try {
      insert ??= await CLIENTS[driver]();
      await insert(number);
      say("ok", driver, number);
    } catch (error) {
      say("error", driver, `${error.constructor.name}: ${error.message}`);
    }
    await pause(PAUSE_MS);
  }
}

async function connectOnce() {
  const { default: pg } = await import("pg");
  for (const host of target.hosts) {
    const client = new pg.Client(config(host));
    try {
      await client.connect();
      const { rows } = await client.query("select pg_catalog.aurora_db_instance_identifier() as name");
      say("ok", "node-postgres", `${host} ${rows[0].name}`);
    } catch (error) {
      say("error", "node-postgres", `${host} ${error.message}`);
    }
    await client.end().catch(() => {});
  }
}

// A socket that breaks between two statements must not end an application.
process.on("uncaughtException", (error) => say("uncaught", "node", error.message));
if (target.hosts.length) {
  await connectOnce();
} else {
  process.stdin.on("end", () => (stopped = true)).resume();
  await Promise.all(target.drivers.filter((driver) => driver in CLIENTS).map(write));
}
process.exit(0);
