"""What pg_waldump prints of transactions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from auroractl.core.restore.target import Commit
from auroractl.storage.wal_contents import Reader

PRINTED = """\
rmgr: Transaction len (rec/tot):    421/   421, tx:        774, lsn: 0/00000010, prev 0/00000001, desc: COMMIT 2026-11-25 04:24:16.937449 UTC; inval msgs: catcache 82 catcache 81
rmgr: Transaction len (rec/tot):     42/    42, tx:        775, lsn: 0/00000020, prev 0/00000010, desc: ABORT 2026-11-25 04:24:16.940000 UTC
rmgr: Transaction len (rec/tot):    317/   317, tx:        776, lsn: 0/00000030, prev 0/00000020, desc: PREPARE gid a: 2020-01-01 00:00:00 UTC; desc: COMMIT 2020-01-01 00:00:00 UTC: 2026-11-25 04:24:16.957972 UTC; subxacts: 777
rmgr: Transaction len (rec/tot):     50/    50, tx:          0, lsn: 0/00000040, prev 0/00000030, desc: COMMIT_PREPARED 776: 2026-11-25 04:24:16.963076 UTC; subxacts: 777
rmgr: Transaction len (rec/tot):    242/   242, tx:        778, lsn: 0/00000050, prev 0/00000040, desc: PREPARE gid b: 2026-11-25 04:24:16 UTC
rmgr: Transaction len (rec/tot):     42/    42, tx:          0, lsn: 0/00000060, prev 0/00000050, desc: ABORT_PREPARED 778: 2026-11-25 04:24:16.998290 UTC
rmgr: Transaction len (rec/tot):     46/    46, tx:        779, lsn: 0/00000070, prev 0/00000060, desc: COMMIT 2026-11-25 04:24:17.000001 UTC
"""
"""As printed by PostgreSQL 18.6, but for the places."""


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    (tmp_path / "printed").write_text(PRINTED)
    program = tmp_path / "pg_waldump"
    program.write_text(
        f"#!/bin/sh\ncat {tmp_path}/printed\necho 'pg_waldump: error: could not find a valid record after 0/70' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    return Reader(str(program), None)


def test_commits_and_what_happens_to_prepared_transactions(reader: Reader, tmp_path: Path) -> None:
    assert reader.decisions(tmp_path, 1, 0x10, 0x70) == [
        Commit(lsn, datetime.fromisoformat(f"2026-11-25T{at}").replace(tzinfo=UTC))
        for lsn, at in (
            (0x10, "04:24:16.937449"),
            (0x30, "04:24:16.957972"),
            (0x40, "04:24:16.963076"),
            (0x50, "04:24:16"),
            (0x60, "04:24:16.998290"),
        )
    ]


def test_only_commits_are_counted(reader: Reader, tmp_path: Path) -> None:
    assert reader.count_commits(tmp_path, 1, 0, 0x1000) == 3
    assert reader.count_commits(tmp_path, 1, 0x11, 0x70) == 1
