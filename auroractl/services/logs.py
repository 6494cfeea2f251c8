"""The logs of a home as one: supervisor, endpoint processes, servers, storage nodes. Files only, no supervisor needed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from auroractl.config.paths import Home
from auroractl.core.errors import ClusterNotFound, InstanceNotFound
from auroractl.core.log_lines import LogLine, merge, with_times, with_times_after

_READ_BYTES_MAX = 16 * 1024**2
"""Of the end of each log; what is older is in the file."""


@dataclass(slots=True)
class Log:
    """One log and how far it has been read."""

    part: str
    path: Path
    stamped: bool
    """Whether its lines begin with a time; what a storage node's program prints does not."""
    _offset: int = 0
    _rest: bytes = b""

    def read(self) -> list[LogLine]:
        """The whole lines that came since the last call, at first those near the end of the file."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self._offset:
                    # It was emptied, because it had become long.
                    self._offset, self._rest = 0, b""
                first = self._offset == 0 and size > _READ_BYTES_MAX
                file.seek(size - _READ_BYTES_MAX if first else self._offset)
                content = self._rest + file.read()
                self._offset = file.tell()
                written = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except OSError:
            return []
        *lines, self._rest = content.split(b"\n")
        texts = [line.decode(errors="replace") for line in (lines[1:] if first else lines)]
        return (with_times if self.stamped else with_times_after)(self.part, texts, written)


@dataclass
class Logs:
    """All logs of a home, or those about one cluster or one of its parts; new ones are found as they appear.

    The supervisor's is always among them, unless a part is asked for. Raises ClusterNotFound, InstanceNotFound.
    """

    home: Home
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
        """The lines that came since the last call, on one time line; see `merge`."""
        for log in self._find():
            if self.part is None or log.part == self.part.lower():
                self._known.setdefault(log.path, log)
        return merge([log.read() for log in self._known.values()], since, newest)

    def _find(self) -> list[Log]:
        found = [Log("supervisor", self.home.supervisor_log, stamped=True)]
        with contextlib.suppress(OSError):
            for folder in sorted(self.home.clusters.glob(self.cluster or "*")):
                paths = self.home.cluster(folder.name)
                endpoints = Log(f"{folder.name}-endpoints", paths.endpoint / "endpoint.log", stamped=True)
                servers = [
                    Log(each.name, paths.instance(each.name).log, stamped=True)
                    for each in sorted(paths.instances.glob("*"))
                ]
                nodes = [Log(each.stem, each, stamped=False) for each in sorted(paths.storage.glob("*.log"))]
                found += [endpoints, *servers, *nodes]
        return found
