"""A bundle for bug reports: logs, state, configuration, documents and doctor's checks, without secrets and client data."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from auroractl.config.paths import Home, user_config
from auroractl.core.errors import MachineError
from auroractl.core.text.log_redaction import without_data
from auroractl.core.text.redaction import redact, replacements
from auroractl.system.accounts import existing_account
from auroractl.system.file_credentials import as_account
from auroractl.system.files import read_json, unwritable
from auroractl.system.liveness import processes_below
from auroractl.system.log_files import older
from auroractl.system.safe_open import NotOurs, open_regular

_LOG_BYTES_MAX = 4 * 1024**2
"""How much of the end of each log is included."""
_BYTES_MAX = 512 * 1024**2
"""Maximum size of all files together, uncompressed."""
_CLIENTS = {"psql", "pgbench", "pg_dump", "pg_restore"}


@dataclass
class Report:
    """A bundle in the making; `problems` has one sentence for each file that could not be included.

    Only regular files that belong to one of `owners` (uids) are read. Data in logged statements is omitted unless
    `with_statements` is set. Raises MachineError if the passwords of the home cannot be read, because they could not be
    redacted then.
    """

    home: Home
    owners: Collection[int]
    with_statements: bool = False
    problems: list[str] = field(default_factory=list)
    entries: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._account = existing_account("", self.home.database_folders())
        self._known = replacements(self._secrets())

    def collect(self, documents: Mapping[str, Any]) -> None:
        """Add `documents` (by name, as JSON) and all helpful files of the home."""
        for name, document in documents.items():
            self._add(f"{name}.json", json.dumps(document, indent=2) + "\n")
        for name, path in _with_older(self._own_files()):
            self._include(name, path)
        # In folders of the account, a name may be a link to a file that only root can read.
        with as_account(self._account):
            for name, path in _with_older(self._database_files()):
                self._include(name, path)
        self._add("environment.txt", "".join(_environment()))
        self._add("processes.txt", "".join(_processes(self.home.root)))
        if self.home.state.exists():
            self._noting_problems("state.db", self._add_state)

    def write(self, target: Path) -> None:
        """Write the bundle as a .tar.gz that only this account can read.

        Raises MachineError if the file exists or cannot be written.
        """
        if self.problems:
            self._add("problems.txt", "".join(f"{problem}\n" for problem in self.problems))
        folder = target.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
        try:
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                self._pack(file, folder)
        except FileExistsError as error:
            raise MachineError(f"{target} already exists.", "Give another with --file, or remove it") from error
        except OSError as error:
            raise unwritable(target, error) from error

    def _pack(self, file: Any, folder: str) -> None:
        with tarfile.open(fileobj=file, mode="w:gz") as bundle:
            for name, content in sorted(self.entries.items()):
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
                bundle.addfile(entry, io.BytesIO(content))

    def _add_file(self, name: str, path: Path) -> None:
        if sum(map(len, self.entries.values())) > _BYTES_MAX:
            self.problems.append(f"{name} was left out: the report would be too large.")
            return
        with self._open(path) as file:
            text = _end_of(file)
        if name.startswith("logs/") and not self.with_statements:
            text = without_data(text)
        self._add(name, text)

    def _open(self, path: Path) -> BinaryIO:
        if path.is_relative_to(self.home.root):
            return open_regular(path, self.owners, below=self.home.root)
        # The user's own configuration may be a link, for example into a repository of settings.
        return open_regular(path.resolve(), {*self.owners, os.geteuid()})

    def _add(self, name: str, text: str) -> None:
        self.entries[name] = redact(text, self._known).encode()

    def _noting_problems(self, name: str, work: Any) -> None:
        try:
            work()
        except FileNotFoundError:
            raise
        except (OSError, sqlite3.Error) as error:
            self.problems.append(f"{name} could not be read: {getattr(error, 'strerror', None) or error}")

    def _add_state(self) -> None:
        from auroractl.state.reading import copy_without  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "state.db"
            copy_without(self.home.state, copy, self._known)
            self.entries["state.db"] = copy.read_bytes()

    def _include(self, name: str, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._noting_problems(name, lambda: self._add_file(name, path))

    def _own_files(self) -> Iterator[tuple[str, Path]]:
        yield "config/home.toml", self.home.config
        yield "config/user.toml", user_config()
        yield "logs/supervisor.log", self.home.supervisor_log
        for folder in sorted(self.home.clusters.glob("*")):
            paths, name = self.home.cluster(folder.name), folder.name
            yield f"logs/{name}/endpoint.log", paths.endpoint / "endpoint.log"
            yield f"clusters/{name}/routes.json", paths.endpoint / "routes.json"

    def _database_files(self) -> Iterator[tuple[str, Path]]:
        """Yield the files in folders of the databases' account."""
        for folder in sorted(self.home.clusters.glob("*")):
            paths, name = self.home.cluster(folder.name), folder.name
            for each in sorted(paths.instances.glob("*")):
                instance = paths.instance(each.name)
                yield f"logs/{name}/{each.name}.log", instance.log
                for file in ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf"):
                    yield f"clusters/{name}/{each.name}/{file}", instance.data / file
            for log in sorted(paths.storage.glob("*.log")):
                yield f"logs/{name}/{log.name}", log

    def _secrets(self) -> Iterator[str]:
        """Yield all passwords of the home. The bundle must not be written if one cannot be read."""
        files = [self.home.internal_secrets, *self.home.clusters.glob("*/secrets.json")]
        for path in files:
            for value in (read_json(path) or {}).values():
                yield from map(str, value if isinstance(value, list) else [value])
        for path in (*self.home.clusters.glob("*/storage/pgpass"), *self.home.clusters.glob("*/instances/*/pgpass")):
            try:
                with as_account(self._account), self._open(path) as file:
                    yield from (line.rpartition(":")[2] for line in file.read(_LOG_BYTES_MAX).decode().splitlines())
            except FileNotFoundError:
                continue
            except NotOurs as error:
                # A file planted by another user holds no password of ours. Ours are known from the files above.
                self.problems.append(f"{path} could not be read: {error.strerror}")
            except (OSError, UnicodeDecodeError) as error:
                raise MachineError(
                    f"{path} cannot be read, so passwords cannot be redacted: {error}", "Check its owner"
                ) from error


def _with_older(files: Iterator[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    """Yield each file and its rotated predecessor."""
    for name, path in files:
        yield name, path
        yield f"{name}.1", older(path)


def _end_of(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LOG_BYTES_MAX))
    text = file.read(_LOG_BYTES_MAX).decode(errors="replace")
    # A truncated first line could hold half of a secret, which redaction would miss.
    return text.partition("\n")[2] if size > _LOG_BYTES_MAX else text


def _environment() -> Iterator[str]:
    """Yield the environment variables that affect auroractl."""
    for name in sorted(os.environ):
        if name.startswith(("AURORACTL_", "LC_", "LANG", "TZ")):
            yield f"{name}={os.environ[name]}\n"


def _processes(root: Path) -> Iterator[str]:
    for pid in processes_below(root):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            program, *arguments = process.cmdline() or [process.name()]
            # A client's arguments are statements.
            shown = [program] if Path(program).name in _CLIENTS else [program, *arguments]
            yield f"{pid} {process.status()} {process.memory_info().rss} {' '.join(shown)}\n"
