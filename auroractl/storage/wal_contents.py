"""The contents of a stretch of WAL: its commits with their times, and the relations that it changes.

Read by pg_waldump, https://www.postgresql.org/docs/18/pgwaldump.html. File names must be those of finished segments.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auroractl.core.errors import MachineError
from auroractl.core.restore.target import Commit
from auroractl.core.wal.lsn import format_lsn, parse_lsn
from auroractl.system.account import Account
from auroractl.system.programs import run_tolerant

_TIMEOUT_S = 600.0
_DECISION = re.compile(
    r"^rmgr: Transaction .*?lsn: ([0-9A-F]+/[0-9A-F]+), prev [0-9A-F/]+, desc: "
    r"(COMMIT|COMMIT_PREPARED \d+:|ABORT_PREPARED \d+:|PREPARE gid .*:) "
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC",
    re.MULTILINE,
)
"""The name of a prepared transaction is chosen by the client and may contain anything."""
_RELATION = re.compile(r"blkref #\d+: rel (\d+)/(\d+)/(\d+)")
_TO_THE_END = ("could not find a valid record after", "could not find file", "error in WAL record at")
"""What pg_waldump reports at the end of the available WAL."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reader of the WAL in a folder."""

    program: str
    account: Account | None

    def decisions(self, folder: Path, timeline: int, start_lsn: int, end_lsn: int) -> list[Commit]:
        """List the records that begin in [start, end) and decide about transactions, in WAL order.

        These are commits and changes to prepared transactions; a transaction that is prepared but not yet committed is
        included.
        """
        printed = self._dump(folder, timeline, start_lsn, end_lsn, "--rmgr=Transaction")
        return [each for _, each in _decisions(printed) if start_lsn <= each.lsn < end_lsn]

    def count_commits(self, folder: Path, timeline: int, start_lsn: int, end_lsn: int) -> int:
        """Count the transactions that were committed by records that begin in [start, end)."""
        printed = self._dump(folder, timeline, start_lsn, end_lsn, "--rmgr=Transaction")
        return sum(kind.startswith("COMMIT") and start_lsn <= each.lsn < end_lsn for kind, each in _decisions(printed))

    def changed_relations(self, folder: Path, timeline: int, start_lsn: int, end_lsn: int) -> Counter[tuple[int, int]]:
        """Count the block changes in [start, end), by database and relation file number."""
        printed = self._dump(folder, timeline, start_lsn, end_lsn)
        return Counter((int(database), int(relation)) for _, database, relation in _RELATION.findall(printed))

    def _dump(self, folder: Path, timeline: int, start_lsn: int, end_lsn: int, *more: str) -> str:
        argv = [
            self.program,
            f"--path={folder}",
            f"--timeline={timeline}",
            f"--start={format_lsn(start_lsn)}",
            f"--end={format_lsn(end_lsn)}",
            *more,
        ]
        printed, complaint = run_tolerant(
            argv, account=self.account, timeout_s=_TIMEOUT_S, extra_environment={"TZ": "UTC", "LC_ALL": "C"}
        )
        if complaint and not any(words in complaint for words in _TO_THE_END):
            raise MachineError(complaint, "")
        return printed


def _decisions(printed: str) -> Iterator[tuple[str, Commit]]:
    for lsn, kind, at in _DECISION.findall(printed):
        yield kind, Commit(parse_lsn(lsn), datetime.fromisoformat(at).replace(tzinfo=UTC))
