"""Our own logs: a line per message, whatever a server said."""

from __future__ import annotations

import logging

from auroractl.core.text.log_lines import split_stamp
from auroractl.system.log_format import LineFormatter

FORGED = "x\n2026-11-25T04:00:00.000Z INFO forged\x1b[2J"


def test_a_message_forges_no_line() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 1, "%s failed: %s", ("demo", FORGED), None)
    line = LineFormatter().format(record)
    assert line.endswith("WARNING demo failed: x\\n2026-11-25T04:00:00.000Z INFO forged\\x1b[2J")
    assert split_stamp(line)[0] is not None


def test_a_traceback_forges_no_line() -> None:
    error = ValueError(FORGED)
    record = logging.LogRecord("x", logging.ERROR, "", 1, "bug", (), (ValueError, error, None))
    first, *rest = LineFormatter().format(record).splitlines()
    assert first.endswith("ERROR bug")
    assert rest[0].startswith("\tValueError: x")
    assert all(line.startswith("\t") and "\x1b" not in line for line in rest)
