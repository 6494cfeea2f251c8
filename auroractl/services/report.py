"""The bundle for whoever helps: logs, state, configuration, views and what doctor found, without secrets."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from auroractl.config.paths import Home, user_config
from auroractl.core.errors import MachineError
from auroractl.core.redaction import redact, replacements
from auroractl.process.files import read_json, unwritable
from auroractl.process.liveness import processes_below

_LOG_BYTES_MAX = 4 * 1024**2
"""Of the end of each log."""


@dataclass
class Report:
    """A bundle that is being put together; what could not be had is noted in `problems`, one sentence each.

    Raises MachineError where the passwords of the home cannot be read: they could not be removed then.
    """

    home: Home
    problems: list[str] = field(default_factory=list)
    entries: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known = replacements(self._secrets())

    def collect(self, documents: Mapping[str, Any]) -> None:
        """Take in `documents` (by name, as JSON) and everything of the home that may help."""
        for name, document in documents.items():
            self._add(f"{name}.json", json.dumps(document, indent=2) + "\n")
        for name, path in self._files():
            with contextlib.suppress(FileNotFoundError):
                self._note(name, lambda path=path, name=name: self._add(name, _end_of(path)))
        self._add("environment.txt", "".join(_environment()))
        self._add("processes.txt", "".join(_processes(self.home.root)))
        if self.home.state.exists():
            self._note("state.db", self._add_state)

    def write(self, target: Path) -> None:
        """Write the bundle as a .tar.gz that only this account can read; an existing file is not touched.

        Raises MachineError.
        """
        if self.problems:
            self._add("problems.txt", "".join(f"{problem}\n" for problem in self.problems))
        folder = target.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
        try:
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                self._pack(file, folder)
        except FileExistsError as error:
            raise MachineError(f"{target} exists already.", "Name another with --file, or remove it") from error
        except OSError as error:
            raise unwritable(target, error) from error

    def _pack(self, file: Any, folder: str) -> None:
        with tarfile.open(fileobj=file, mode="w:gz") as bundle:
            for name, content in sorted(self.entries.items()):
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
                bundle.addfile(entry, io.BytesIO(content))

    def _add(self, name: str, text: str) -> None:
        self.entries[name] = redact(text, self._known).encode()

    def _note(self, name: str, work: Any) -> None:
        try:
            work()
        except FileNotFoundError:
            raise
        except (OSError, sqlite3.Error) as error:
            self.problems.append(f"{name} could not be read: {error}")

    def _add_state(self) -> None:
        from auroractl.state.reading import copy_without  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "state.db"
            copy_without(self.home.state, copy, self._known)
            self.entries["state.db"] = copy.read_bytes()

    def _files(self) -> Iterator[tuple[str, Path]]:
        yield "config/home.toml", self.home.config
        yield "config/user.toml", user_config()
        yield "logs/supervisor.log", self.home.supervisor_log
        for folder in sorted(self.home.clusters.glob("*")):
            paths, name = self.home.cluster(folder.name), folder.name
            yield f"logs/{name}/endpoint.log", paths.endpoint / "endpoint.log"
            yield f"clusters/{name}/routes.json", paths.endpoint / "routes.json"
            for each in sorted(paths.instances.glob("*")):
                instance = paths.instance(each.name)
                yield f"logs/{name}/{each.name}.log", instance.log
                for file in ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf"):
                    yield f"clusters/{name}/{each.name}/{file}", instance.data / file
            for log in sorted(paths.storage.glob("*.log")):
                yield f"logs/{name}/{log.name}", log

    def _secrets(self) -> Iterator[str]:
        """All passwords of the home; the bundle must not be written where one could not be read."""
        files = [self.home.internal_secrets, *self.home.clusters.glob("*/secrets.json")]
        for path in files:
            yield from (str(value) for value in (read_json(path) or {}).values())
        for path in (*self.home.clusters.glob("*/storage/pgpass"), *self.home.clusters.glob("*/instances/*/pgpass")):
            with contextlib.suppress(FileNotFoundError):
                yield from (line.rpartition(":")[2] for line in path.read_text().splitlines())


def _end_of(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LOG_BYTES_MAX))
        text = file.read().decode(errors="replace")
    # A line that was cut could hold half of a secret, which nobody would recognise.
    return text.partition("\n")[2] if size > _LOG_BYTES_MAX else text


def _environment() -> Iterator[str]:
    """What of the environment changes what auroractl does."""
    for name in sorted(os.environ):
        if name.startswith(("AURORACTL_", "LC_", "LANG", "TZ")):
            yield f"{name}={os.environ[name]}\n"


def _processes(root: Path) -> Iterator[str]:
    for pid in processes_below(root):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            yield f"{pid} {process.status()} {process.memory_info().rss} {' '.join(process.cmdline())}\n"
