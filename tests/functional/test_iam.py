"""IAM authentication with tokens of boto3 on a real cluster: who gets in, who does not, and what else is tried."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session  # type: ignore[import-untyped]
import psutil
import psycopg
import pytest
from botocore.signers import generate_db_auth_token  # type: ignore[import-untyped]

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own

KEY, SECRET, PASSWORD = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG", "correct horse"
CREDENTIALS = f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
CAP_SYS_PTRACE = 1 << 19
SSL_REQUEST = struct.pack("!II", 8, 80877103)
ROLES = f"""
create role app login password '{PASSWORD}';
create role team;
create role viateam login password '{PASSWORD}';
create role plain login password '{PASSWORD}';
create role "/.*" login password '{PASSWORD}';
create role "we ird,#@+name" login;
create role "quo""te" login;
create role "soft\u00adhyphen" login;
grant rds_iam to app, team, "/.*", "we ird,#@+name", "quo""te", "soft\u00adhyphen", rdsadmin;
grant team to viateam;
"""


@cache
def _client(region: str, key: str, secret: str) -> Any:
    session = botocore.session.get_session()
    return session.create_client("rds", region_name=region, aws_access_key_id=key, aws_secret_access_key=secret)


@dataclass(frozen=True)
class Iam:
    """A cluster with IAM authentication, and a client of it."""

    auroractl: Auroractl
    writer: str
    reader: str
    port: int

    def token(self, user: str = "app", host: str = "", port: int = 0, region: str = "us-east-1", **keys: str) -> str:
        client = _client(region, *({"key": KEY, "secret": SECRET} | keys).values())
        return str(generate_db_auth_token(client, host or self.writer, port or self.port, user, Region=region))

    def connect(self, password: str, user: str = "app", host: str = "", sslmode: str = "require") -> psycopg.Connection:
        return psycopg.connect(
            host=host or self.writer,
            port=self.port,
            user=user,
            password=password,
            dbname="postgres",
            sslmode=sslmode,
            connect_timeout=30,
            autocommit=True,
        )

    def who(self, password: str, user: str = "app", host: str = "") -> tuple[Any, ...]:
        """Who a client is, as the server sees it, and where."""
        with self.connect(password, user, host) as connection:
            row = connection.execute(
                "select session_user, current_user, usename, current_setting('is_superuser'), current_setting('cluster_name')"
                " from pg_stat_activity where pid = pg_backend_pid()"
            ).fetchone()
            assert row is not None
            return tuple(row)

    def refusal(self, password: str, user: str = "app", host: str = "", *, encrypted: bool = True) -> tuple[str, str]:
        """The SQLSTATE and the sentence with which a client that sends passwords in clear text is refused."""
        with self.begun(user, host, encrypted=encrypted) as client:
            said = client.recv(4096)
            if said[:9] == b"R\0\0\0\x08\0\0\0\x03":
                client.sendall(b"p" + struct.pack("!I", 5 + len(password)) + password.encode() + b"\0")
                said = client.recv(4096)
            if said[:1] == b"R" and said[5:9] == b"\0\0\0\x0a":
                return "SCRAM", ""
            assert said[:1] == b"E", said
            fields = {field[:1]: field[1:].decode() for field in said[5:].split(b"\0") if field}
            return fields[b"C"], fields[b"M"]

    def begun(self, user: str = "app", host: str = "", *, encrypted: bool = True) -> socket.socket:
        """A connection on which a startup packet was sent."""
        client = socket.create_connection((host or self.writer, self.port), 30)
        if encrypted:
            client.sendall(SSL_REQUEST)
            assert client.recv(1) == b"S"
            context = ssl.create_default_context(cafile=self.auroractl.home.ca_bundle)
            client = context.wrap_socket(client, server_hostname=host or self.writer)
        packet = b"user\0" + user.encode(errors="surrogateescape") + b"\0database\0postgres\0\0"
        client.sendall(struct.pack("!II", 8 + len(packet), 0x00030000) + packet)
        return client

    def master(self, statements: str) -> None:
        with self.auroractl.connect("demo") as connection:
            for statement in filter(str.strip, statements.split(";")):
                connection.execute(statement.encode())

    def until_in(self, user: str, password: str | None = None) -> None:
        wait_until(f"{user} to get in", lambda: self.who(password or self.token(user), user))

    def until_out(self, user: str, password: str, code: str) -> None:
        wait_until(f"{user} to be refused", lambda: self.refusal(password, user)[0] == code)

    def endpoint_process(self) -> int:
        return int(self.auroractl.cluster("demo")["EndpointProcessId"] or 0)


@pytest.fixture(scope="module")
def iam(warm_home: Home) -> Iterator[Iam]:
    with home_of_its_own(warm_home) as command:
        keys = command.home.root / "credentials"
        keys.touch(mode=0o600)
        keys.write_text(CREDENTIALS)
        command.home.config.write_text(f'api_credentials = "{keys}"\n')
        command("create-cluster", "demo", "--readers", "1", "--enable-iam-database-authentication")
        view = command.cluster("demo")
        assert view["IAMDatabaseAuthenticationEnabled"] is True
        found = Iam(command, view["Endpoint"], view["ReaderEndpoint"], view["Port"])
        found.master(ROLES)
        found.until_in("app")
        yield found


def test_members_get_in_with_a_token_and_are_who_they_are(iam: Iam) -> None:
    app = ("app", "app", "app", "off")
    assert iam.who(iam.token()) == (*app, "demo-instance-1")
    assert iam.who(iam.token(host=iam.reader), host=iam.reader) == (*app, "demo-instance-2")
    second = iam.auroractl("uri", "--instance", "demo-instance-2", "--sslmode", "require").stdout
    there = re.search(r"@([\d.]+):", second)
    assert there is not None
    assert iam.who(iam.token(), host=there[1]) == (*app, "demo-instance-2")
    for user in ("viateam", "we ird,#@+name", 'quo"te', "soft\u00adhyphen"):
        assert iam.who(iam.token(user), user)[0] == user
    with iam.connect(iam.token()) as connection:
        threading.Timer(0.3, connection.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(60)")


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "viateam"},
        {"host": "demo.cluster-abc.us-east-1.rds.amazonaws.com"},
        {"port": 5},
        {"region": "eu-west-1"},
        {"key": "AKIAOTHER"},
        {"secret": "guessed"},
    ],
)
def test_a_wrong_token_is_refused_in_the_words_of_aurora(iam: Iam, wrong: dict[str, Any]) -> None:
    assert iam.refusal(iam.token(**wrong)) == ("28000", 'PAM authentication failed for user "app"')


def test_nothing_but_a_token_over_tls_will_do(iam: Iam) -> None:
    failed = ("28000", 'PAM authentication failed for user "app"')
    for password in (PASSWORD, "", "x" * 60_000, iam.token()[:-1]):
        assert iam.refusal(password or " ") == failed
    old = iam.token().replace("X-Amz-Expires=900", "X-Amz-Expires=0")
    assert iam.refusal(old) == failed
    rejected = 'pg_hba.conf rejects connection for host "127.0.0.1", user "app", database "postgres", no encryption'
    instance = iam.auroractl.writer("demo")["Endpoint"]["Address"]
    for host in (iam.writer, instance):
        for password in (PASSWORD, iam.token()):
            assert iam.refusal(password, host=host, encrypted=False) == ("28000", rejected)


def test_others_log_in_as_ever(iam: Iam) -> None:
    """Also who may grant rds_iam, who has created a member, and whose name pg_hba.conf cannot have."""
    assert iam.who(PASSWORD, "plain")[0] == "plain"
    assert iam.who(PASSWORD, "/.*")[0] == "/.*"
    events = [each["Message"] for each in iam.auroractl.json("describe-events", "demo")["Events"]]
    assert any("keep their passwords" in each and each.endswith(": '/.*'") for each in events)
    iam.auroractl.connect("demo").close()
    assert iam.refusal("", "plain")[0] == "SCRAM"
    for internal in ("rdsadmin", "rdsrepladmin"):
        code, said = iam.refusal(iam.token(internal), internal)
        assert (code, said.partition(" rejects ")[0]) == ("28000", "pg_hba.conf")


def test_who_is_a_member_counts_within_a_second_or_so(iam: Iam) -> None:
    iam.master("revoke rds_iam from app; grant rds_iam to plain")
    iam.until_in("app", PASSWORD)
    assert iam.refusal("")[0] == "SCRAM"
    iam.until_in("plain")
    assert iam.refusal(PASSWORD, "plain")[0] == "28000"
    iam.master("grant rds_iam to app; revoke rds_iam from plain; alter role rds_iam rename to gone")
    iam.until_in("app")
    iam.until_in("plain", PASSWORD)
    assert iam.refusal(PASSWORD)[0] == "28000"


def test_the_master_user_is_no_member_by_a_grant_of_another_role(iam: Iam) -> None:
    """Who may grant `team` could otherwise void the password of the master user and log in as it."""
    iam.master("grant team to current_user, plain")
    iam.until_in("plain")
    iam.auroractl.connect("demo").close()
    assert iam.refusal("", "postgres")[0] == "SCRAM"
    iam.master("revoke team from current_user, plain")
    iam.until_in("plain", PASSWORD)


def test_a_name_in_another_encoding_stops_nothing(iam: Iam) -> None:
    iam.master("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
    with psycopg.connect(iam.auroractl.uri("demo"), dbname="latin", autocommit=True) as connection:
        connection.execute(f"create role \"caf\u00e9\" login password '{PASSWORD}' in role team")
    cafe = b"caf\xe9".decode(errors="surrogateescape")
    iam.until_out(cafe, PASSWORD, "28000")
    iam.master("grant team to plain")
    iam.until_in("plain")
    iam.master("revoke team from plain")
    iam.until_in("plain", PASSWORD)
    with psycopg.connect(iam.auroractl.uri("demo"), dbname="latin", autocommit=True) as connection:
        connection.execute('drop role "caf\u00e9"')
    iam.master("drop database latin")


def test_passwords_of_members_are_void_at_copies_too(iam: Iam) -> None:
    def copy() -> tuple[str, int]:
        files = list(iam.auroractl.home.cluster("demo").moments.glob("*/data/postmaster.pid"))
        assert files
        lines = files[0].read_text().splitlines()
        assert lines[7:]
        assert lines[7].strip() in {"ready", "standby"}
        return lines[5], int(lines[3])

    there = datetime.now(UTC).isoformat()
    with iam.auroractl.start("peek", "demo", "--at", there, "--", "-Atc", "select pg_sleep(600)") as peek:
        try:
            host, port = wait_until("the copy", copy)
            with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
                psycopg.connect(host=host, port=port, user="app", password=PASSWORD, dbname="postgres")
            psycopg.connect(host=host, port=port, user="plain", password=PASSWORD, dbname="postgres").close()
        finally:
            peek.kill()


def test_it_is_switched_off_and_on(iam: Iam) -> None:
    iam.auroractl("modify-cluster", "demo", "--no-enable-iam-database-authentication")
    iam.until_in("app", PASSWORD)
    assert iam.refusal("")[0] == "SCRAM"
    folder = iam.auroractl.home.cluster("demo").instances
    assert not list(folder.glob("*/iam_*"))
    assert not (iam.auroractl.home.cluster("demo").endpoint / "iam.json").exists()
    iam.auroractl("modify-cluster", "demo", "--enable-iam-database-authentication")
    iam.until_in("app")
    for secret in (*folder.glob("*/iam_secret.conf"), iam.auroractl.home.cluster("demo").endpoint / "iam.json"):
        assert secret.stat().st_mode & 0o777 == 0o600
        assert SECRET not in secret.read_text()


def test_no_server_lets_its_clients_back_in_with_a_token(iam: Iam) -> None:
    """Through dblink, at the Unix socket: there a ticket is needed, and clients have none."""
    sockets = iam.auroractl.admin_access(iam.auroractl.writer("demo")).socket_folder
    with iam.auroractl.connect("demo") as connection:
        connection.execute("create extension if not exists dblink")
        for password in (iam.token(), PASSWORD):
            target = f"host={sockets} port={iam.port} user=app dbname=postgres password='{password}'"
            with pytest.raises(psycopg.OperationalError, match="RADIUS authentication failed"):
                connection.execute("select dblink_connect(%s)", [target])
        with pytest.raises(psycopg.Error):
            connection.execute("select dblink_connect(%s)", [target.partition("password")[0]])
        connection.execute("drop extension dblink")


def test_what_hostile_clients_send_in_place_of_a_token(iam: Iam) -> None:
    before, idle = iam.endpoint_process(), []
    for said in (b"", b"p", b"Q\0\0\0\4", b"p\xff\xff\xff\xff" + b"x" * 100, b"p\0\0\0\0", b"p\0\0\0\5\0" * 2):
        client = iam.begun()
        assert client.recv(9) == b"R\0\0\0\x08\0\0\0\x03"
        client.sendall(said)
        if len(said) < 2:
            # Nothing more comes of it until authentication_timeout.
            idle.append(client)
        else:
            assert client.recv(100)[:1] == b"E"
            client.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for nonsense in (b"", b"\1" * 4096, b"\1\0\0\x14" + b"\0" * 16):
            stranger.sendto(nonsense, (iam.writer, iam.port))
    assert iam.who(iam.token())[0] == "app"
    for client in idle:
        client.close()
    assert iam.endpoint_process() == before


def test_it_outlives_the_endpoint_process_and_a_failover(iam: Iam) -> None:
    before = iam.endpoint_process()
    psutil.Process(before).send_signal(signal.SIGKILL)
    wait_until("another endpoint process", lambda: iam.endpoint_process() not in {0, before})
    iam.until_in("app")
    iam.auroractl("failover", "demo")
    iam.until_in("app")
    assert iam.who(iam.token())[-1] == "demo-instance-2"
    assert iam.refusal(PASSWORD)[0] == "28000"
    wait_until("the reader", lambda: iam.who(iam.token(), host=iam.reader)[-1] == "demo-instance-1")
    iam.auroractl.wait_healthy("demo")


def test_no_log_has_a_token_or_a_secret(iam: Iam) -> None:
    home = iam.auroractl.home
    secrets = [path.read_text().strip() for path in home.clusters.glob("*/instances/*/iam_secret.conf")]
    logs = [*home.clusters.rglob("*.log"), home.supervisor_log]
    text = "".join(path.read_text(errors="replace") for path in logs)
    for secret in (SECRET, "X-Amz-Signature", *(each.partition("=")[2] for each in secrets)):
        assert secret
        assert secret not in text


def test_no_other_process_reads_the_memory_of_the_endpoint_process(iam: Iam) -> None:
    process = Path(f"/proc/{iam.endpoint_process()}")
    assert re.search(r"Max core file size +0 +0 ", (process / "limits").read_text())
    status = Path("/proc/self/status").read_text().splitlines()
    capabilities = int(next(line.split()[1] for line in status if line.startswith("CapEff:")), 16)
    if os.geteuid() == 0 and capabilities & CAP_SYS_PTRACE:
        # The kernel gives the files of a process that its own account must not trace to root.
        assert (process / "environ").stat().st_uid == 0
        assert psutil.Process(int(process.name)).uids().real != 0


@pytest.mark.parametrize(("content", "mode"), [(CREDENTIALS, 0o644), ("nonsense", 0o600), ("[default]\n", 0o600)])
def test_access_keys_that_cannot_be_trusted_let_no_one_in(iam: Iam, content: str, mode: int) -> None:
    keys = iam.auroractl.home.root / "credentials"
    keys.write_text(content)
    keys.chmod(mode)
    try:
        done = iam.auroractl.run("modify-cluster", "demo", "--enable-iam-database-authentication")
        assert done.returncode != 0
        assert str(keys) in done.stderr
        assert SECRET not in done.stderr
        iam.until_out("app", iam.token(), "28000")
    finally:
        keys.write_text(CREDENTIALS)
        keys.chmod(0o600)
    iam.until_in("app")
