"""A supervisor that answers as it is told, for commands that need none."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auroractl.api import documents
from auroractl.config.paths import Home
from tests.unit.core.clusters import snapshot, well


class Supervisor:
    """Answers every request with one canned answer, as the real one would put it on the wire."""

    def __init__(self, home: Home, *items: dict[str, Any], version: str = "") -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        lines = "".join(json.dumps(item) + "\n" for item in items)
        header = f"auroractl-version: {version}\r\n" if version else ""
        self._answer = f"HTTP/1.1 200 OK\r\n{header}connection: close\r\n\r\n{lines}".encode()
        home.run.mkdir(parents=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(home.socket))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as request:
                verb = request.readline().split()[1].decode().removeprefix("/v1/")
                length = 0
                while (line := request.readline()).strip():
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append((verb, json.loads(request.read(length))))
                connection.sendall(self._answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An empty home that commands use."""
    with tempfile.TemporaryDirectory(prefix="auroractl-") as folder:
        monkeypatch.setenv("AURORACTL_HOME", folder)
        monkeypatch.setenv("AURORACTL_CONFIG", f"{folder}/none.toml")
        monkeypatch.delenv("AURORACTL_CLUSTER", raising=False)
        yield Home(Path(folder))


NO_CLUSTERS: dict[str, Any] = {
    key: []
    for key in (
        "DBClusters", "DBInstances", "DBClusterEndpoints", "StorageVolumes", "DBClusterParameterGroups",
        "DBParameterGroups",
    )
}  # fmt: skip
"""The answers of the describe verbs where there is nothing."""


def answering(home: Home, result: dict[str, Any], **more: str) -> Supervisor:
    """A supervisor with one result."""
    return Supervisor(home, {"Type": "result", "Result": result}, **more)


def on_terminal(home: Home, result: dict[str, Any], *arguments: str, typed: str = "", **variables: str) -> str:
    """What a command prints to a terminal, on which `typed` is typed, while the supervisor answers with a result."""
    import pty  # noqa: PLC0415

    server = answering(home, result)
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    environment = {name: value for name, value in os.environ.items() if name not in {"CI", "NO_COLOR", "COLUMNS"}}
    subprocess.run(
        [sys.executable, "-P", "-m", "auroractl", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, check=False, env={**environment, "TERM": "xterm", **variables},
    )  # fmt: skip
    os.close(theirs)
    printed = b""
    try:
        while block := os.read(ours, 65536):
            printed += block
    except OSError:
        pass
    os.close(ours)
    server.close()
    return printed.decode()


def status_document() -> dict[str, Any]:
    """What describe-status answers about a healthy cluster."""
    base = snapshot(well(1), well(2), well(3))
    return {
        "DBCluster": documents.cluster_view(base),
        "DBInstances": [documents.instance_view(base, each, "/data") for each in base.instances],
        "DBClusterEndpoints": [documents.endpoint_view(base, each) for each in base.endpoints],
        "Events": [],
        "StorageVolume": {
            "UsedBytes": 22_000_000,
            "AllocatedBytes": 10 * 1024**3,
            "WriteQuorum": {"Held": True, "Available": 6},
            "StorageNodes": [{"AvailabilityZone": f"us-east-1{zone}", "Status": "available"} for zone in "aabbcc"],
        },
        "Operation": None,
    }
