"""TLS at every kind of endpoint of a real cluster, by libpq and asyncpg, through failovers, rotation and force_ssl."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import psycopg
import pytest

from tests.functional.command import Auroractl, wait_until

KINDS = ("writer", "reader", "custom", "instance")
READER = "demo-instance-3"


@pytest.fixture(scope="module")
def uris(demo: Auroractl) -> dict[str, str]:
    """The URI with full verification of an endpoint of each kind."""
    demo("create-endpoint", "reports", "--cluster", "demo", "--static-members", READER)
    view = demo.json("describe-endpoints", "demo")["DBClusterEndpoints"]
    custom = next(each["Endpoint"] for each in view if each["EndpointType"] == "CUSTOM")
    writer = demo("uri", "demo", "--sslmode", "verify-full").stdout.strip()
    return {
        "writer": writer,
        "reader": demo("uri", "demo", "--reader", "--sslmode", "verify-full").stdout.strip(),
        "custom": re.sub(r"@[\d.]+:", f"@{custom}:", writer),
        "instance": demo("uri", "--instance", READER, "--sslmode", "verify-full").stdout.strip(),
    }


def _mode(uri: str, sslmode: str) -> str:
    return uri.replace("sslmode=verify-full", f"sslmode={sslmode}")


def _asked(uri: str) -> tuple[bool, str]:
    """Whether a connection is encrypted, and the instance that it reaches."""
    with psycopg.connect(uri, connect_timeout=30) as connection:
        row = connection.execute("select pg_catalog.current_setting('cluster_name')").fetchone()
        assert row is not None
        return connection.pgconn.ssl_in_use, str(row[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_mode_at_every_kind_of_endpoint(demo: Auroractl, uris: dict[str, str], kind: str) -> None:
    uri, bundle = uris[kind], demo.home.ca_bundle
    for mode in ("prefer", "require", "verify-ca", "verify-full"):
        encrypted, reached = _asked(_mode(uri, mode))
        assert encrypted, mode
        assert reached == READER or kind in {"writer", "reader"}
    assert not _asked(_mode(uri, "disable"))[0]
    assert _asked(f"{uri}&sslnegotiation=direct")[0]
    assert _asked(f"{uri}&channel_binding=prefer&gssencmode=prefer")[0]

    async def asyncpg_too() -> tuple[int, int]:
        context = ssl.create_default_context(cafile=bundle)
        context.set_alpn_protocols(["postgresql"])
        found = []
        for direct in (False, True):
            plain = uri.partition("?")[0]
            connection = await asyncpg.connect(plain, ssl=context, direct_tls=direct, timeout=30)
            found.append(await connection.fetchval("select 1"))
            await connection.close()
        return found[0], found[1]

    assert asyncio.run(asyncpg_too()) == (1, 1)


def test_what_a_client_cannot_verify_it_refuses_in_its_own_words(demo: Auroractl, uris: dict[str, str]) -> None:
    strange = demo.home.root / "strange.pem"
    strange.write_text(ssl.get_server_certificate(_address(uris["writer"])))
    for uri, sentence in (
        (uris["writer"].replace("ca-bundle.pem", "strange.pem"), "certificate verify failed"),
        (f"{uris['writer']}&channel_binding=require", "channel binding"),
        (
            re.sub(r"@[\d.]+:", "@wrong.example:", uris["writer"]) + f"&hostaddr={_address(uris['writer'])[0]}",
            "wrong.example",
        ),
    ):
        with pytest.raises(psycopg.OperationalError, match=sentence):
            psycopg.connect(uri, connect_timeout=30)


def _address(uri: str) -> tuple[str, int]:
    found = re.search(r"@([\d.]+):(\d+)/", uri)
    assert found is not None
    return found[1], int(found[2])


def test_megabytes_pass_both_ways_unharmed(uris: dict[str, str]) -> None:
    text = "0123456789abcde\n" * 500_000
    with psycopg.connect(uris["writer"]) as connection:
        connection.execute("create temporary table t (line text)")
        with connection.cursor().copy("copy t from stdin") as copy:
            copy.write(text)
        digest = hashlib.sha256()
        with connection.cursor().copy("copy t to stdout") as copy:
            for data in copy:
                digest.update(data)
    assert digest.hexdigest() == hashlib.sha256(text.encode()).hexdigest()


def test_a_statement_is_cancelled_by_a_request_inside_tls(uris: dict[str, str]) -> None:
    with psycopg.connect(uris["writer"], autocommit=True) as connection:
        for cancel in (connection.cancel_safe, connection.cancel):
            threading.Timer(0.3, cancel).start()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("select pg_catalog.pg_sleep(60)")


def test_what_commands_print_and_what_the_files_allow(demo: Auroractl) -> None:
    assert demo.home.ca_key.stat().st_mode & 0o777 == 0o600
    assert demo.home.cluster("demo").certificate.stat().st_mode & 0o777 == 0o600
    assert demo.home.ca_bundle.stat().st_mode & 0o777 == 0o644
    assert "PRIVATE" not in demo.home.ca_bundle.read_text()
    plain = demo("env", "demo").stdout
    assert f"export PGSSLROOTCERT={demo.home.ca_bundle}" in plain
    assert "export PGSSLMODE=disable" in plain
    assert "export PGSSLMODE=verify-full" in demo("env", "demo", "--sslmode", "verify-full").stdout
    assert "sslrootcert" not in demo("uri", "demo", "--sslmode", "require").stdout
    shown = demo.json("ca", "show")
    assert shown["CaBundle"] == str(demo.home.ca_bundle)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(shown["Certificates"][0]["Pem"])).hexdigest()
    assert shown["Certificates"][0]["Thumbprint"].replace(":", "").lower() == digest


def test_names_of_aurora_are_in_the_certificate(demo: Auroractl, uris: dict[str, str]) -> None:
    host, _ = _address(uris["writer"])
    names = _names(demo, uris["writer"])
    (name,) = (each for each in names if each.startswith("demo.cluster-a"))
    assert _asked(re.sub(r"@[\d.]+:", f"@{name}:", uris["writer"]) + f"&hostaddr={host}")[0]


def _names(demo: Auroractl, uri: str) -> list[str]:
    """The DNS names in the certificate of an endpoint."""
    context = ssl.create_default_context(cafile=demo.home.ca_bundle)
    context.set_alpn_protocols(["postgresql"])
    host, port = _address(uri)
    with socket.create_connection((host, port), 30) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        given: Any = tls.getpeercert()
        return [name for kind, name in given["subjectAltName"] if kind == "DNS"]


def test_sessions_are_cut_by_a_failover_and_come_back_verified(demo: Auroractl, uris: dict[str, str]) -> None:
    before = _asked(uris["writer"])[1]
    with psycopg.connect(uris["writer"], autocommit=True) as connection:
        demo("failover", "demo", "--target", "demo-instance-2" if before != "demo-instance-2" else "demo-instance-1")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    after = _asked(uris["writer"])
    assert after[0]
    assert after[1] != before
    demo.wait_healthy("demo")


def test_force_ssl_refuses_plain_clients_with_the_sentence_of_postgresql(demo: Auroractl, uris: dict[str, str]) -> None:
    family = "aurora-postgresql18"
    demo("create-cluster-parameter-group", "forced", "--family", family)
    demo("modify-cluster-parameter-group", "forced", "--parameters", "rds.force_ssl=1")
    demo("modify-cluster", "demo", "--db-cluster-parameter-group-name", "forced")
    try:
        for kind in KINDS:
            uri = _mode(uris[kind], "disable")

            def refused(uri: str = uri) -> bool:
                with pytest.raises(psycopg.OperationalError) as caught:
                    psycopg.connect(uri, connect_timeout=30)
                return 'no pg_hba.conf entry for host "127.0.0.1", user "postgres"' in str(caught.value)

            assert wait_until(f"{kind} to refuse", refused)
            assert _asked(uris[kind])[0]
        # The address of an instance itself is PostgreSQL, which has no TLS: documented.
        assert not _asked(demo.uri("demo", instance=READER))[0]
        done = demo.run("psql", "demo", "--", "-c", "select 1")
        assert done.returncode == 8
        assert "rds.force_ssl is 1" in done.stderr
        assert "export PGSSLMODE=require" in demo("env", "demo").stdout
    finally:
        demo("modify-cluster", "demo", "--db-cluster-parameter-group-name", "default.aurora-postgresql18")
    wait_until("plain clients to be served", lambda: not _asked(_mode(uris["writer"], "disable"))[0])


def test_rotating_the_authority_leaves_sessions_alone_and_new_ones_verify(
    demo: Auroractl, uris: dict[str, str]
) -> None:
    old = Path(demo.home.root / "old-bundle.pem")
    old.write_text(demo.home.ca_bundle.read_text())
    before = demo.json("ca", "show")["Certificates"][0]["Thumbprint"]
    with psycopg.connect(uris["writer"], autocommit=True) as connection:
        assert demo("ca", "rotate", "--dry-run").returncode == 0
        assert demo.json("ca", "show")["Certificates"][0]["Thumbprint"] == before
        made = demo.json("ca", "rotate")["Certificates"]
        assert [each["InUse"] for each in made] == [True, False]
        assert made[1]["Thumbprint"] == before
        assert _asked(uris["writer"])[0]
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            psycopg.connect(uris["writer"].replace("ca-bundle.pem", "old-bundle.pem"))
        assert len(demo.json("ca", "rotate", "--discard-previous")["Certificates"]) == 1
        assert _asked(uris["writer"])[0]
        assert connection.execute("select 1").fetchone() == (1,)
