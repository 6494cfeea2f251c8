"""Ten thousand hostile messages at the endpoint and the control socket, while a good client goes on."""

from __future__ import annotations

import itertools
import json
import os
import random
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from auroractl.api.field_types import FLAG, Kind
from auroractl.api.verbs import VERBS
from auroractl.config.paths import Home
from auroractl.core.text.bounded_json import REQUEST_BYTES_MAX
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own, warm_home

__all__ = ["warm_home"]

SEED = int(os.environ.get("AURORACTL_FUZZ_SEED", "16"))
ENDPOINT_CASES = 4500
CONTROL_CASES = 5500
GROWTH_BYTES_MAX = 48 * 1024**2
LATENCY_FLOOR_S = 0.3
"""Below it a good client has nothing to complain of, whatever the baseline."""
LATENCY_FACTOR_MAX = 20
PROTOCOLS = (0x00030000, 0x00030002, 0x00020000, 0x00010000, 0x7FFFFFFF, 0x00040000, 0, 80877105)
SSL, GSS, CANCEL = 80877103, 80877104, 80877102
REHEARSED = sorted(verb.name for verb in VERBS.values() if verb.dry_run)
ACTING = sorted({"peek", *(verb.name for verb in VERBS.values() if verb.changes)})
READING = sorted(VERBS.keys() - set(ACTING) - {"supervisor-stop"})


@pytest.fixture(scope="module")
def target(warm_home: Home) -> Iterator[Auroractl]:
    """A throw-away home with a cluster of one instance."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "0")
        yield command


def _packet(code: int, content: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("!II", 8 + len(content) if length is None else length, code) + content


def _startup(rng: random.Random, user: str = "postgres") -> bytes:
    words = [b"user", user.encode(), b"database", b"postgres", b"replication", b"application_name", b"options"]
    parameters = b"\0".join(rng.choices(words, k=rng.randrange(8))) + b"\0\0"
    return _packet(0x00030000, b"user\0" + user.encode() + b"\0" + parameters)


def _wire(rng: random.Random, user: str) -> list[bytes]:
    """What a hostile client sends, one piece after the other."""
    garbage = rng.randbytes(rng.randrange(1, 3000))
    return rng.choice(
        [
            [garbage],
            [_packet(rng.choice(PROTOCOLS), garbage[:200])],
            [_packet(SSL)] * rng.randrange(1, 4),
            [_packet(SSL), garbage],
            [_packet(GSS), _packet(SSL), _startup(rng)],
            [_packet(SSL) * rng.randrange(2, 3000)],
            [_packet(CANCEL, rng.randbytes(rng.choice([0, 4, 8, 32, 256])))],
            [_packet(CANCEL, rng.randbytes(8)), garbage * 10],
            [_packet(0x00030000, garbage[:50], length=rng.choice([0, 4, 7, 9, 9999, 10_001, 2**31, 2**32 - 1]))],
            [_startup(rng)[: rng.randrange(1, 30)]],
            [bytes([byte]) for byte in _startup(rng)[:20]],
            [_startup(rng, user), garbage],
            [_startup(rng, user), b"p" + struct.pack("!I", 4 + 20) + garbage[:20].ljust(20, b"\0")],
            [_startup(rng, user), b"p" + struct.pack("!I", rng.choice([0, 3, 2**31])) + garbage],
            [b"\x16\x03\x01" + garbage],
            [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
        ]
    )


def _attack_endpoint(rng: random.Random, address: tuple[str, int], user: str, lingering: list[socket.socket]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            for piece in _wire(rng, user):
                connection.sendall(piece)
            how = rng.randrange(10)
            if how == 0:
                connection.settimeout(0.05)
                connection.recv(4096)
            elif how == 1:
                connection.shutdown(socket.SHUT_WR)
            elif how == 2 and len(lingering) < 100:
                lingering.append(connection.dup())
        except (OSError, TimeoutError):
            return


def _after_login(rng: random.Random, uri: str) -> None:
    """Garbage in place of messages from a client that has authenticated."""
    connection = psycopg.connect(uri)
    with socket.socket(fileno=os.dup(connection.fileno())) as raw:
        raw.settimeout(5)
        kinds = rng.choice([b"Q", b"P", b"B", b"X", b"d", b"\0", b"E", b"F"])
        raw.sendall(
            kinds + struct.pack("!I", rng.choice([0, 3, 4, 50, 2**31 - 1])) + rng.randbytes(rng.randrange(5000))
        )
    connection.close()


def _any_value(rng: random.Random, depth: int = 0) -> Any:
    makers: list[Callable[[], Any]] = [
        lambda: None,
        lambda: rng.choice([True, False]),
        lambda: rng.choice([0, 1, -1, 2**31, 2**53, 2**53 + 1, -(2**63), 10**30, rng.randrange(-20, 100)]),
        lambda: rng.choice([0.5, -1e300, 1e308, 3.0]),
        lambda: rng.choice(["", "demo", "no-such", "../../etc", "x" * 300, "a\nb", "'; drop table x", "\x1b[2J", "é漢\U0001f600"]),
        lambda: "".join(chr(rng.randrange(32, 0xD7FF)) for _ in range(rng.randrange(20))),
        lambda: rng.choice(["2026-01-01T00:00:00Z", "2026-01-01", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]),
        lambda: rng.choice(["READER", "ANY", "flip", "writer", "reader", "restore", "db-instance"]),
        lambda: rng.choice(["user", "system", "engine-default"]),
        lambda: [_any_parameter(rng) for _ in range(rng.randrange(4))],
    ]  # fmt: skip
    if depth < 3:
        makers += [
            lambda: [_any_value(rng, depth + 1) for _ in range(rng.randrange(4))],
            lambda: {rng.choice(["a", "Tags", ""]): _any_value(rng, depth + 1) for _ in range(rng.randrange(3))},
        ]
    return rng.choice(makers)()


def _any_parameter(rng: random.Random) -> dict[str, Any]:
    return {
        "ParameterName": rng.choice(["work_mem", "max_connections", "listen_addresses", "", "x" * 5000, "a\nb = c"]),
        "ParameterValue": rng.choice([None, "1", "64MB", "'; drop", "x" * 5000, "a\nport = 1", "\0"]),
        "ApplyMethod": rng.choice([None, "immediate", "pending-reboot"]),
    }


def _value(rng: random.Random, kind: Kind, *, right: bool) -> Any:
    """A value of a kind, or of another."""
    values = (_any_value(rng) for _ in itertools.count())
    return next(value for value in values if value is not None and kind.fits(value) is right)


def _body(rng: random.Random, verb: str) -> dict[str, Any]:
    """Values of the right kind, so that the verb is begun, or some of any kind; now and then a key that is unknown.

    A verb that would act only rehearses, or is refused.
    """
    type_ = VERBS[verb].request
    kinds: dict[str, Kind] = {key: each.metadata["kind"] for key, each in type_.keys().items()}
    kinds |= dict.fromkeys(VERBS[verb].options, FLAG)
    body: dict[str, Any] = dict.fromkeys(kinds)
    right = rng.random() < 0.7
    for name in rng.sample(sorted(kinds), rng.randrange(min(8, len(kinds) + 1))):
        body[name] = _value(rng, kinds[name], right=True) if right else _any_value(rng)
    if right:
        body |= {name: body[name] or _value(rng, kinds[name], right=True) for name in type_.required()}
        if "DBClusterIdentifier" in body:
            body["DBClusterIdentifier"] = rng.choice([None, "demo", "no-such"])
    if verb in REHEARSED:
        body["DryRun"] = True
    elif verb in ACTING:
        wrong = rng.choice(sorted(kinds))
        body[wrong] = _value(rng, kinds[wrong], right=False)
    if rng.random() < 0.1:
        body[str(_any_value(rng))[:40]] = _any_value(rng)
    return body


def _request(verb: str, content: bytes, length: object = None) -> bytes:
    return (
        f"POST /v1/{verb} HTTP/1.0\r\nContent-Length: {len(content) if length is None else length}\r\n\r\n".encode()
        + content
    )


def _json_of_every_shape(rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"", b"null", b"[]", b"{", b'{"a":', b'"\\ud800"', b'{"DBClusterIdentifier": "\\ud800"}', b'{"DBClusterIdentifier": "a\\u0000"}',
            b"[" * rng.randrange(1, 60_000), b'{"a":' * rng.randrange(1, 10_000), b'{"a": NaN}', b'{"Port": 1e999}', b'{"Port": ' + b"9" * 5000 + b"}",
            b'{"a":"' + b"\\" * rng.randrange(5000) + b'"}', b"\xff\xfe{\0}\0", rng.randbytes(500), json.dumps(_any_value(rng)).encode(),
            b'{"DBClusterIdentifier": null, "DBClusterIdentifier": 5}',
        ]
    )  # fmt: skip


def _control_message(rng: random.Random) -> bytes:
    verb = rng.choice(READING) if rng.random() < 0.3 else rng.choice(ACTING)
    kind = rng.randrange(10)
    if kind < 5:
        return _request(verb, json.dumps(_body(rng, verb)).encode()[:REQUEST_BYTES_MAX])
    if kind < 7:
        return _request(rng.choice(READING), _json_of_every_shape(rng))
    return rng.choice(
        [
            rng.randbytes(rng.randrange(1, 2000)),
            _request(verb, b"{}", rng.choice(["-1", "1e3", "", "x", 2**31, 10**30, REQUEST_BYTES_MAX + 1, "2, 2", "0x2"])),
            _request(verb, b"{}", rng.choice([1, 0])),
            f"POST /v1/{verb} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode(),
            f"POST /v1/{verb} HTTP/1.1\r\n\r\n{{}}".encode(),
            f"POST /v1/{verb} HTTP/1.0\r\nX: {'y' * rng.randrange(5000, 60_000)}\r\n\r\n".encode(),
            b"POST /v1/names HTTP/1.0\r\n" + b"A: b\r\n" * rng.randrange(5000),
            rng.choice([b"GET", b"PUT", b"\0"]) + b" /v1/names HTTP/1.0\r\n\r\n",
            f"POST /v1/{rng.choice(['..', 'x' * 3000, '%2e', 'nosuchverb', ''])} HTTP/1.0\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
        ]
    )  # fmt: skip


def _attack_control(rng: random.Random, path: Path, answers: list[bytes]) -> None:
    message = _control_message(rng)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        try:
            connection.sendall(message)
            if rng.random() < 0.1:
                return
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            return
    if b'"ExitCode": 70' in answer or b"Traceback" in answer:
        answers.append(message + b"\n-> " + answer)


class _GoodClient(threading.Thread):
    """Connects, asks and leaves, over and over."""

    def __init__(self, uri: str) -> None:
        super().__init__(daemon=True)
        self._uri = uri
        self._ended = threading.Event()
        self.took_s: list[float] = []
        self.errors: list[str] = []

    def run(self) -> None:
        while not self._ended.is_set():
            began_s = time.monotonic()
            try:
                with psycopg.connect(self._uri, connect_timeout=10) as connection:
                    connection.execute("select 1")
            except psycopg.Error as error:
                self.errors.append(str(error))
            self.took_s.append(time.monotonic() - began_s)
            time.sleep(0.02)

    def end(self) -> float:
        """Stop, and return the latency that nineteen of twenty requests kept."""
        self._ended.set()
        self.join()
        assert not self.errors, self.errors[:3]
        return statistics.quantiles(self.took_s, n=20)[-1]


def _latency_s(uri: str, during_s: float) -> float:
    client = _GoodClient(uri)
    client.start()
    time.sleep(during_s)
    return client.end()


@contextmanager
def _observed(process: psutil.Process) -> Iterator[None]:
    """Afterwards it is the same process, with as many descriptors as before and little more memory."""
    descriptors, memory = process.num_fds(), process.memory_info().rss
    yield
    assert process.is_running()
    wait_until(f"the descriptors of {process.pid}", lambda: process.num_fds() <= descriptors + 3, timeout_s=20)
    assert process.memory_info().rss - memory < GROWTH_BYTES_MAX


def _logs(command: Auroractl) -> str:
    endpoint = command.home.cluster("demo").endpoint / "endpoint.log"
    return command.home.supervisor_log.read_text(errors="replace") + endpoint.read_text(errors="replace")


def _endpoint_process(command: Auroractl) -> psutil.Process:
    return psutil.Process(int((command.home.cluster("demo").endpoint / "pid").read_text()))


def _attack_from_two_sides(seed: int, cases: int, attack: Callable[[random.Random], None]) -> None:
    errors: list[str] = []

    def run(number: int) -> None:
        for case in range(number, cases, 2):
            rng = random.Random(f"{seed}-{case}")
            try:
                attack(rng)
            except Exception as error:  # noqa: BLE001  (told with its seed below)
                errors.append(f"seed {seed}, case {case}: {type(error).__name__}: {error}")
                return

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def test_garbage_at_the_endpoint_harms_nobody(target: Auroractl) -> None:
    uri = target.uri("demo")
    there = target.ask("connection", DBClusterIdentifier="demo", Role="writer", DBInstanceIdentifier=None)
    address, user = (there["Host"], there["Port"]), there["User"]
    lasting = _lasting(target)
    baseline_s = _latency_s(uri, 2.0)
    lingering: list[socket.socket] = []
    with _observed(_endpoint_process(target)):
        good = _GoodClient(uri)
        good.start()
        _attack_from_two_sides(SEED, ENDPOINT_CASES, lambda rng: _attack_endpoint(rng, address, user, lingering))
        _attack_from_two_sides(SEED, 100, lambda rng: _after_login(rng, uri))
        latency_s = good.end()
        for connection in lingering:
            connection.close()
    _check(target, lasting, baseline_s, latency_s)


def test_garbage_at_the_control_socket_harms_nobody(target: Auroractl) -> None:
    uri = target.uri("demo")
    lasting = _lasting(target)
    baseline_s = _latency_s(uri, 2.0)
    bugs: list[bytes] = []
    before = target.cluster("demo")
    with _observed(psutil.Process(target.supervisor_pid())):
        good = _GoodClient(uri)
        good.start()
        _attack_from_two_sides(SEED, CONTROL_CASES, lambda rng: _attack_control(rng, target.home.socket, bugs))
        latency_s = good.end()
    assert not bugs, f"seed {SEED}: {bugs[:3]!r}"
    after = target.cluster("demo")
    assert {**after, "EarliestBacktrackTime": None, "BacktrackReach": None}.keys() == {
        **before,
        "EarliestBacktrackTime": None,
        "BacktrackReach": None,
    }.keys()
    assert after["DBClusterMembers"] == before["DBClusterMembers"]
    _check(target, lasting, baseline_s, latency_s)


def _check(command: Auroractl, lasting: set[int], baseline_s: float, latency_s: float) -> None:
    log = _logs(command)
    assert "Traceback" not in log, f"seed {SEED}: {log[-3000:]}"
    assert "report it as a bug" not in log, f"seed {SEED}: {log[-3000:]}"
    assert _lasting(command) == lasting
    assert latency_s < max(LATENCY_FLOOR_S, LATENCY_FACTOR_MAX * baseline_s), (baseline_s, latency_s)
    command.wait_healthy("demo")


def _lasting(command: Auroractl) -> set[int]:
    """The processes that stay as long as nothing fails; of a server's own the one that goes with every crash of a session."""
    names = ("auroractl.supervisor", "auroractl.endpoints", "bin/pg_receivewal", "postgres: checkpointer")
    named = {int(line.split()[0]) for line in command.processes() if any(name in line for name in names)}
    return named | set(command.postmasters())
