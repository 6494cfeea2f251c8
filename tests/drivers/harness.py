"""Programs that write through drivers: how they are run, and what they acknowledged."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict

HERE = Path(__file__).parent
DEADLINE_S = 120.0
PYTHON = ("psycopg", "psycopg-pool", "sqlalchemy", "django", "asyncpg")
WRAPPERS = ("wrapper", "wrapper-failover", "wrapper-read-write")
NODE = ("node-postgres", "node-wrapper")
_PGJDBC = Path("/usr/share/java/postgresql.jar")
"""Where Debian's package libpostgresql-jdbc-java has it."""
_MOUNTED = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" && shift 2 || exit 99; done; shift; exec "$@"'

Command = Callable[..., str]
"""A command of auroractl that must succeed; returns what it printed."""


@dataclass(frozen=True)
class Target:
    """Where programs connect; all of it is in their environment."""

    host: str
    """The name of the writer endpoint."""
    address: str
    """The address of the writer endpoint."""
    port: int
    user: str
    password: str
    database: str
    ca: str
    instance_pattern: str
    instances: tuple[str, ...]
    drivers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """Where to connect once, instead of writing."""
    pgbouncer_port: int = 0

    @classmethod
    def of(cls, command: Command, cluster: str) -> Target:
        """Ask for the names, the address, the password and the authority of a cluster."""
        view = json.loads(command("describe-clusters", cluster, "--output", "json"))["DBClusters"][0]
        uri = conninfo_to_dict(command("uri", cluster, "--sslmode", "verify-full").strip())
        found = json.loads(command("describe-instances", cluster, "--output", "json"))["DBInstances"]
        names = [each["Endpoint"]["Name"] for each in found]
        return cls(
            host=view["EndpointName"],
            address=str(uri["host"]),
            port=int(str(uri["port"])),
            user=str(uri["user"]),
            password=str(uri["password"]),
            database=str(uri["dbname"]),
            ca=str(uri["sslrootcert"]),
            instance_pattern="?." + names[0].partition(".")[2],
            instances=tuple(names),
        )

    def environment(self) -> dict[str, str]:
        """The environment of programs: one JSON document, and its fields one by one for programs without JSON."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
            "DRIVER_TARGET": json.dumps(self.__dict__),
            "DRIVER_USER": self.user,
            "DRIVER_PASSWORD": self.password,
            "DRIVER_DATABASE": self.database,
            "DRIVER_CA": self.ca,
            "DRIVER_INSTANCES": self._with_port(self.instances),
            "DRIVER_HOSTS": self._with_port(self.hosts),
        }

    def _with_port(self, hosts: Sequence[str]) -> str:
        return ",".join(f"{each}:{self.port}" for each in hosts)

    def connect(self) -> psycopg.Connection:
        """Connect through the writer endpoint, as the harness itself does."""
        there = {"host": self.address, "port": self.port, "user": self.user, "password": self.password}
        return psycopg.connect(**there, dbname=self.database, sslmode="disable", autocommit=True, connect_timeout=30)  # type: ignore[arg-type]


@dataclass
class Recorder:
    """What programs said, by driver, with the monotonic time at which it was read."""

    acknowledged: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    other: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """Other lines: their kind and text."""
    noise: list[str] = field(default_factory=list)

    def read(self, lines: IO[str]) -> None:
        """Read lines until a program ends."""
        for line in lines:
            kind, _, rest = line.strip().partition(" ")
            driver, _, text = rest.partition(" ")
            if kind == "ok" and text.isdigit():
                self.acknowledged[driver].append((time.monotonic(), int(text)))
            elif kind == "error":
                self.errors[driver].append((time.monotonic(), text))
            elif kind in {"ok", "dialect", "read", "unread"}:
                self.other[driver].append((kind, text))
            else:
                self.noise.append(line)

    def last_s(self, driver: str) -> float:
        """When a driver last acknowledged."""
        return self.acknowledged[driver][-1][0] if self.acknowledged[driver] else 0.0

    def longest_gap_s(self, driver: str, since_s: float, until_s: float) -> float:
        """The longest time between two acknowledged rows of a driver that overlaps a span."""
        moments = [at_s for at_s, _ in self.acknowledged[driver]]
        gaps = [end - begin for begin, end in itertools.pairwise(moments) if end >= since_s and begin <= until_s]
        return max(gaps, default=float("inf"))

    def errors_between(self, driver: str, since_s: float, until_s: float) -> list[str]:
        """What a driver raised in a span."""
        return [text for at_s, text in self.errors[driver] if since_s <= at_s <= until_s]

    def lost(self, target: Target) -> dict[str, set[int]]:
        """Acknowledged rows that are not there, by driver."""
        with target.connect() as connection:
            rows = set(connection.execute("select driver, number from driver_ledger").fetchall())
        return {
            driver: missing
            for driver, moments in self.acknowledged.items()
            if (missing := {number for _, number in moments if (driver, number) not in rows})
        }


def names_can_be_mounted() -> bool:
    """Return whether programs can have a hosts file of their own here (Linux, root or user namespaces)."""
    return shutil.which("unshare") is not None and not _run_mounted(["true"], {})


def _run_mounted(command: list[str], files: Mapping[str, Path]) -> int:
    return subprocess.run(in_namespace(command, files), check=False, capture_output=True).returncode


def in_namespace(command: list[str], files: Mapping[str, Path]) -> list[str]:
    """Return a command that sees other files at paths like /etc/hosts, without a change of the machine."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mounts = [word for there, file in files.items() for word in (str(file), there)]
    return ["unshare", *user, "--mount", "sh", "-c", _MOUNTED, "sh", *mounts, "--", *command]


def hosts_file(command: Command, folder: Path) -> Path:
    """Write a copy of the system's hosts file with the names of all clusters."""
    file = folder / "hosts"
    file.write_text(Path("/etc/hosts").read_text() + command("hosts"))
    file.chmod(0o644)
    return file


def resolver_files(server: str, folder: Path) -> dict[str, Path]:
    """Return the files by which the C library asks a DNS server on port 53 and no other."""
    contents = {"/etc/resolv.conf": f"nameserver {server}\n", "/etc/nsswitch.conf": "passwd: files\nhosts: files dns\n"}
    for there, content in contents.items():
        (folder / Path(there).name).write_text(content)
    return {there: folder / Path(there).name for there in contents}


@contextmanager
def running(
    programs: Sequence[list[str]], target: Target, files: Mapping[str, Path], recorder: Recorder
) -> Iterator[None]:
    """Run programs until the block ends, then let them finish what they are at."""
    with ExitStack() as stack:
        started = []
        for program in programs:
            process = stack.enter_context(
                subprocess.Popen(
                    in_namespace(program, files),
                    env=target.environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            readers = (
                threading.Thread(target=recorder.read, args=(process.stdout,), daemon=True),
                threading.Thread(target=recorder.noise.extend, args=(process.stderr,), daemon=True),
            )
            for each in readers:
                each.start()
            started.append((process, readers))
        try:
            yield
        finally:
            for process, _ in started:
                assert process.stdin is not None
                process.stdin.close()
            for process, readers in started:
                try:
                    process.wait(DEADLINE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                for each in readers:
                    each.join(DEADLINE_S)


def python_program() -> list[str]:
    """Return the program with all Python drivers."""
    return [sys.executable, "-W", "ignore", "-m", "tests.drivers.clients"]


def node_program() -> list[str] | None:
    """Return the program with the drivers for Node; None where they are not installed."""
    node = shutil.which("node")
    return (
        [node, str(HERE / "node" / "clients.mjs")]
        if node and (HERE / "node" / "node_modules" / "pg").is_dir()
        else None
    )


def java_program() -> list[str] | None:
    """Return the program with pgjdbc; None where there is no compiler for Java or no pgjdbc."""
    if shutil.which("javac") is None or not _PGJDBC.exists():
        return None
    return ["java", "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", str(_PGJDBC), str(HERE / "java" / "Clients.java")]


def installed(target: Target) -> tuple[list[list[str]], tuple[str, ...]]:
    """Return the programs and drivers that can run here."""
    drivers = [*PYTHON, *WRAPPERS, *(["pgbouncer"] if target.pgbouncer_port else [])]
    programs = [python_program()]
    for program, more in ((node_program(), NODE), (java_program(), ("pgjdbc",))):
        if program is not None:
            programs.append(program)
            drivers += more
    return programs, tuple(drivers)


@contextmanager
def pgbouncer(target: Target, folder: Path) -> Iterator[Target]:
    """Run pgbouncer in front of the writer endpoint, as docs/drivers.md recommends; without it where it is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        yield target
        return
    port = free_port()
    file = folder / "pgbouncer.ini"
    file.touch(0o600)
    file.write_text(
        f"""[databases]
demo = host={target.address} port={target.port} dbname={target.database} user={target.user} password={target.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_tls_sslmode = verify-full
server_tls_ca_file = {target.ca}
server_login_retry = 1
server_check_delay = 0
"""
    )
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    with (folder / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen([program, *account, str(file)], stdout=log, stderr=log)
        try:
            yield replace(target, pgbouncer_port=port)
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def free_port() -> int:
    """Return a port of the loopback address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def connected_once(program: list[str], target: Target, hosts: Sequence[str], files: Mapping[str, Path]) -> Recorder:
    """Let a program connect to each host and return what it said."""
    recorder = Recorder()
    with running([program], replace(target, hosts=tuple(hosts)), files, recorder):
        pass
    return recorder


def make_ledger(target: Target) -> None:
    """Create the table in which drivers write."""
    with target.connect() as connection:
        connection.execute(
            "create table if not exists driver_ledger (driver text, number bigint, primary key (driver, number))"
        )
