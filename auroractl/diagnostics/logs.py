"""All logs of a home, merged by time: supervisor, endpoint processes, servers and storage nodes. Reads files only."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from auroractl.config.paths import Home
from auroractl.core.errors import ClusterNotFound, InstanceNotFound
from auroractl.core.text.log_lines import LogLine, merge, with_times, with_times_after
from auroractl.system.account import Account
from auroractl.system.accounts import existing_account
from auroractl.system.file_credentials import as_account
from auroractl.system.log_reader import LogReader

_READ_BYTES_MAX = 16 * 1024**2
"""How much is read from the end of each log."""


class Log:
    """One log with its rotated predecessor, and the position up to which it was read."""

    def __init__(
        self, part: str, path: Path, owners: Collection[int], below: Path, *, account: Account | None, stamped: bool
    ) -> None:
        """Set up a log; `stamped` means that its lines begin with a time, as a storage node's do not.

        `account` is the account that reads it, None for the command's own.
        """
        self.part = part
        self.path = path
        self.problem = ""
        """Why it cannot be read; empty if it can, or if it does not exist yet."""
        self._account = account
        self._stamped = stamped
        self._reader = LogReader(path, _READ_BYTES_MAX, owners, below)

    def read(self) -> list[LogLine]:
        """Return the complete lines that are new since the last call; the first call returns the end of the log."""
        try:
            with as_account(self._account):
                texts = self._reader.read()
        except OSError as error:
            self.problem = "" if isinstance(error, FileNotFoundError) else f"{self.path}: {error.strerror}"
            return []
        written = datetime.fromtimestamp(self._reader.written_s, UTC)
        return (with_times if self._stamped else with_times_after)(self.part, texts, written)


@dataclass
class Logs:
    """All logs of a home, of one cluster or of one part. New logs are found as they appear.

    The supervisor's log is included unless one part is requested. Raises ClusterNotFound, InstanceNotFound.
    """

    home: Home
    owners: Collection[int]
    """The uids that may own the files."""
    cluster: str | None = None
    part: str | None = None
    _known: dict[Path, Log] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cluster is not None:
            self.cluster = self.cluster.lower()
            known = sorted(path.name for path in self.home.clusters.glob("*") if path.is_dir())
            if self.cluster not in known:
                raise ClusterNotFound(self.cluster, known)
        found = self._find()
        if self.part is not None and not any(log.part == self.part.lower() for log in found):
            raise InstanceNotFound(self.part, sorted(log.part for log in found))

    def read(self, since: datetime | None = None, newest: int | None = None) -> Sequence[LogLine]:
        """Return the lines that are new since the last call, merged by time; see `merge`."""
        for log in self._find():
            if self.part is None or log.part == self.part.lower():
                self._known.setdefault(log.path, log)
        return merge([log.read() for log in self._known.values()], since, newest)

    def problems(self) -> list[str]:
        """Return one sentence for each existing log that cannot be read."""
        return [log.problem for log in self._known.values() if log.problem]

    def _log(self, part: str, path: Path, account: Account | None = None, *, stamped: bool = True) -> Log:
        return Log(part, path, self.owners, self.home.root, account=account, stamped=stamped)

    def _find(self) -> list[Log]:
        account = existing_account("", self.home.database_folders())
        found = [self._log("supervisor", self.home.supervisor_log)]
        with contextlib.suppress(OSError):
            for folder in sorted(self.home.clusters.glob(self.cluster or "*")):
                paths = self.home.cluster(folder.name)
                endpoints = self._log(f"{folder.name}-endpoints", paths.endpoint / "endpoint.log")
                servers = [
                    self._log(each.name, paths.instance(each.name).log, account)
                    for each in sorted(paths.instances.glob("*"))
                ]
                nodes = [
                    self._log(each.stem, each, account, stamped=False) for each in sorted(paths.storage.glob("*.log"))
                ]
                found += [endpoints, *servers, *nodes]
        return found
