"""The screen of `top`: sessions and their statements."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.text import Text

from auroractl.cli.render.live import end_of

Document = dict[str, Any]
_WIDE = 100
"""The width from which users and wait events are shown too."""
_STYLES = {"active": "green", "idle in transaction": "yellow", "idle in transaction (aborted)": "red"}


def frame(document: Document, *, width: int, height: int | None, note: str = "") -> list[Text]:
    """Return the lines of one screen, at most `width` wide; all sessions if `height` is None."""
    sessions = document["Sessions"]
    states = Counter(each["State"] or "unknown" for each in sessions)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    lines = [
        Text.assemble(
            (document["DBClusterIdentifier"], "bold"),
            f"  sessions: {counts}  ",
            (f"{document['Time'][11:19]} UTC", "dim"),
        )
    ]
    if note:
        lines.append(Text(note, "red"))
    if document["Unanswered"]:
        lines.append(Text(f"No answer from {', '.join(document['Unanswered'])}", "yellow"))
    longest = max((len(each["DBInstanceIdentifier"]) for each in sessions), default=8)
    name_width, wide = max(8, min(longest, width // 5)), width >= _WIDE
    user, waits = (f"{'USER':<12}", f"{'WAITS FOR':<18}") if wide else ("", "")
    head = f"{'INSTANCE':<{name_width + 1}}{'PID':<8}{user}{'STATE':<9}{'FOR':>8}  {waits}STATEMENT"
    lines += [Text(), Text(head, "dim"), *(_row(each, name_width, wide=wide) for each in sessions)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines if height is None else lines[:height]


def _row(view: Document, name_width: int, *, wide: bool) -> Text:
    state = view["State"] or "unknown"
    short = state.replace("idle in transaction", "in trans")
    user = f"{(view['User'] or '')[:11]:<12}" if wide else ""
    waits = f"{'' if state == 'idle' else (view['WaitEvent'] or '')[:17]:<18}" if wide else ""
    statement = " ".join((view["Statement"] or "").split())
    return Text.assemble(
        f"{end_of(view['DBInstanceIdentifier'], name_width):<{name_width}} {view['ProcessId']:<8}{user}",
        (f"{short[:8]:<9}", _STYLES.get(state, "dim")),
        f"{_took(view['StatementMilliseconds']):>8}  {waits}",
        (statement, "" if state == "active" else "dim"),
    )


def _took(milliseconds: float | None) -> str:
    """Format a duration in few characters.

    >>> _took(12.4), _took(65_000.0), _took(7_300_000.0)
    ('12 ms', '65.0 s', '2.0 h')
    """
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return (
        f"{seconds:.1f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def picture(document: Document, width: int) -> Text:
    """Return one frame with all sessions, as one text."""
    return Text("\n").join(frame(document, width=width, height=None))


def rows(document: Document) -> list[tuple[object, ...]]:
    """Return one row per session."""
    keys = (
        "DBInstanceIdentifier",
        "ProcessId",
        "User",
        "Database",
        "State",
        "StatementMilliseconds",
        "WaitEvent",
        "Statement",
    )
    return [tuple(" ".join(str(each[key]).split()) for key in keys) for each in document["Sessions"]]
