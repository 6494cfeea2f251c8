"""What tests of squatters share: the squatter, what it may not have got, and what people must be told of it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.functional.command import Auroractl
from tests.security import squatter
from tests.security.conftest import LocalAccount, eventually

_NAMED_S = 12.0
USERS = ("rdsadmin", "rdsrepladmin", "postgres")


@dataclass
class Squatter:
    """A running squatter and what it has told so far."""

    account: LocalAccount
    addresses: list[str]
    bound: set[str] = field(default_factory=set)
    visits: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        source = Path(squatter.__file__).read_text()
        self._process = self.account.start(self.account.python_program(source, *self.addresses))
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told: dict[str, Any] = json.loads(line)
            if "bound" in told:
                self.bound.add(told["bound"])
            else:
                self.visits.append(told)

    def end(self) -> None:
        """End it, and hear the rest of what it had to tell."""
        self._process.kill()
        self._reader.join()
        self._process.communicate()

    def got(self) -> bytes:
        """Every byte that it got, visit by visit."""
        return b"\n".join(bytes.fromhex(visit["got"]) for visit in self.visits)

    def asked(self) -> set[str]:
        """The ways in which it has asked for a password."""
        return {visit["asked"] for visit in self.visits}


@contextmanager
def sitting_on(account: LocalAccount, *addresses: str) -> Iterator[Squatter]:
    """A squatter that takes addresses as soon as they are free, until the end of the block."""
    found = Squatter(account, list(addresses))
    try:
        yield found
    finally:
        found.end()


def secrets_of(auroractl: Auroractl) -> dict[str, str]:
    """All passwords of a home, by what they are."""
    found = {}
    for path in (auroractl.home.internal_secrets, *auroractl.home.clusters.glob("*/secrets.json")):
        for name, value in json.loads(path.read_text()).items():
            found[f"{path.parent.name}/{name}"] = str(value)
    return found


def forms_of(secret: str) -> Iterator[tuple[str, bytes]]:
    """What of a password would be as good as the password, or can be turned into it."""
    yield "in clear text", secret.encode()
    yield "in Base64", base64.b64encode(secret.encode())
    for user in USERS:
        inner = hashlib.md5(f"{secret}{user}".encode()).hexdigest()
        yield "as MD5", inner.encode()
        yield "as salted MD5", hashlib.md5(inner.encode() + squatter.SALT).hexdigest().encode()


def leaks(secrets: dict[str, str], got: bytes) -> list[str]:
    """What of the secrets is in what somebody got."""
    return [
        f"the password {name} {form}"
        for name, secret in secrets.items()
        for form, content in forms_of(secret)
        if content in got
    ]


def instance_address(view: dict[str, Any]) -> str:
    """Where an instance listens."""
    return f"{view['Endpoint']['Address']}:{view['Endpoint']['Port']}"


def endpoint_addresses(auroractl: Auroractl) -> dict[str, str]:
    """Where the endpoints of the cluster demo listen, by their kind: WRITER, READER, CUSTOM."""
    views = auroractl.ask("describe-endpoints", DBClusterIdentifier="demo")["DBClusterEndpoints"]
    return {view["EndpointType"]: f"{view['Endpoint']}:{view['Port']}" for view in views}


def said(auroractl: Auroractl) -> str:
    """All that `status` says, as text and as JSON."""
    return "".join(
        done.stdout + done.stderr
        for done in (auroractl.run("status", "demo"), auroractl.run("status", "demo", "--output", "json"))
    )


def names(text: str, squatter: Squatter) -> bool:
    """Whether a text names the process that sits on the address, and its user."""
    return re.search(rf"\b{squatter.pid}\b", text) is not None and squatter.account.name in text


def wait_named(auroractl: Auroractl, squatter: Squatter) -> list[str]:
    """Wait until `status` and an event name the squatter; what does not is returned."""

    def told() -> str:
        return "\n".join(row[0] for row in auroractl.rows("select message from event"))

    def unnamed(text: str) -> str | None:
        return None if names(text, squatter) else f"does not name process {squatter.pid} of {squatter.account.name}"

    status = eventually(lambda: unnamed(said(auroractl)), _NAMED_S)
    event = eventually(lambda: unnamed(told()), _NAMED_S)
    return [f"{what} {problem}" for what, problem in (("status", status), ("an event", event)) if problem is not None]


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that does nothing for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
