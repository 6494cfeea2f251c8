"""The live screen of `watch`: one Text per line, so that a frame costs a few milliseconds."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from auroractl.cli.render.live_history import History
from auroractl.cli.render.status_style import size, state

Document = dict[str, Any]
_BARS = "▁▂▃▄▅▆▇█"
_ROWS_MIN = 12
_STEPS_SHOWN = 5
_MARKS = {"started": ("• ", "cyan"), "done": ("✓ ", "green"), "undone": ("↩ ", "yellow")}
_FIXED = 57
"""The width of the topology's columns without the name and the lag sparkline."""
_SPARK_MIN, _SPARK_MAX = 6, 24


def frame(document: Document, history: History, *, width: int, height: int | None, note: str = "") -> list[Text]:
    """Return the lines of one screen, at most `width` wide; all lines if `height` is None.

    `note` is shown at the top, for example that the supervisor does not answer. If the screen is too small, events are
    omitted first, then storage nodes, then readers.
    """
    top = [*_head(document, width, note), *_rates(document, history, width), Text()]
    bottom = [Text(), *_endpoints(document, history, width), _volume(document), *_notes(document, width)]
    room = None if height is None else height - len(top) - len(bottom)
    rows = _topology(document, history, width, room)
    left = None if room is None else room - len(rows) - 1
    events = _events(document["Events"], left)
    lines = [*top, *rows, *bottom, *([Text(), *events] if events else [])]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines if height is None else lines[:height]


def _head(document: Document, width: int, note: str) -> list[Text]:
    view = document["DBCluster"]
    left = Text.assemble(
        (view["DBClusterIdentifier"], "bold"), "  ", state(view["Status"]), "  health ", state(view["Health"]),
        f"  {view['Engine']} {view['EngineVersion']}",
    )  # fmt: skip
    clock = f"{document['Time'][11:19]} UTC"
    if left.cell_len + len(clock) + 2 <= width:
        left.append(clock.rjust(width - left.cell_len), "dim")
    lines = [left]
    if view["AutomationPaused"]:
        lines.append(Text("Automation is paused; resume it with: auroractl resume-automation", "yellow"))
    if note:
        lines.append(Text(note, "red"))
    return [*lines, Text()]


def _rates(document: Document, history: History, width: int) -> list[Text]:
    rates = history.rates()
    writing = any(each["IsClusterWriter"] and each["CurrentLsn"] is not None for each in document["DBInstances"])
    unknown = "measuring" if writing else "no writer answers"
    writes = unknown if rates is None else f"{rates[0]:,.0f} transactions/s"
    log = unknown if rates is None else f"{size(round(rates[1]))}/s"
    room = max(8, width - 34)
    return [
        Text.assemble(("Writes  ", "bold"), f"{writes:<24}", (heights(history.writes_per_s, room), "green")),
        Text.assemble(("WAL     ", "bold"), f"{log:<24}", (heights(history.log_bytes_per_s, room), "blue")),
    ]


def _topology(document: Document, history: History, width: int, room: int | None) -> list[Text]:
    members = document["DBInstances"]
    nodes = (document["StorageVolume"] or {"StorageNodes": []})["StorageNodes"]
    longest = max((len(name) for name in map(_name, [*members, *nodes])), default=0)
    name_width = max(12, min(longest, width - _FIXED - _SPARK_MIN))
    header = f"{'AZ':<11}{'NAME':<{name_width + 1}}{'ROLE':<7}{'STATUS':<12}{'CONN':>4}  {'LSN':<11}{'LAG':<16}"
    rows = _rows(document, [*members, *nodes], history, name_width, width)
    if room is not None and len(rows) + 1 > room:
        rows = _rows(document, members, history, name_width, width)
    if room is not None and len(rows) + 1 > max(room, _ROWS_MIN):
        kept = max(room, _ROWS_MIN) - 2
        rows = [*rows[:kept], Text(f"... and {len(rows) - kept} more: auroractl describe-instances", "dim")]
    return [Text(header.rstrip(), "dim"), *rows]


def _rows(document: Document, views: Sequence[Document], history: History, name_width: int, width: int) -> list[Text]:
    rows = []
    for zone in document["DBCluster"]["AvailabilityZones"]:
        label = zone
        for view in views:
            if view["AvailabilityZone"] == zone:
                rows.append(_row(view, label, history, name_width, width))
                label = ""
    return rows


def _row(view: Document, zone: str, history: History, name_width: int, width: int) -> Text:
    name = _name(view)
    if "StorageNodeIdentifier" in view:
        role, status, connections = view["Kind"], view["Status"], ""
        lsn, lag = view["FlushedLsn"], _lag(view["Status"], view["LagBytes"], None)
    else:
        role = "writer" if view["IsClusterWriter"] else "reader"
        status, connections = view["DBInstanceStatus"], _whole(view["DatabaseConnections"])
        lsn = view["CurrentLsn"]
        lag = "" if view["IsClusterWriter"] else _lag(status, view["ReplicaLagBytes"], view["ReplicaLagMilliseconds"])
    style = "bold" if role == "writer" else "" if role == "reader" else "dim"
    # The writer may have been a reader before, but has no lag now.
    lags = () if role == "writer" else history.lag_bytes.get(name, ())
    spark = magnitudes(lags, max(0, min(_SPARK_MAX, width - _FIXED - name_width)))
    return Text.assemble(
        f"{zone:<11}", (f"{end_of(name, name_width):<{name_width}} ", style), (f"{role:<7}", style),
        _padded(state(status), 12), f"{connections:>4}  {lsn or '':<11}{lag:<9}", (spark, "cyan"),
    )  # fmt: skip


def _name(view: Document) -> str:
    return str(view.get("DBInstanceIdentifier") or view["StorageNodeIdentifier"])


def _lag(status: str, lag_bytes: int | None, lag_ms: float | None) -> str:
    if lag_bytes is None:
        return "" if status == "stopped" else "unknown"
    # A reader with all WAL has no lag, even if the last measurement was another.
    return size(lag_bytes) if lag_ms is None or lag_bytes == 0 else f"{lag_ms:,.0f} ms"


def _endpoints(document: Document, history: History, width: int) -> list[Text]:
    views = document["DBClusterEndpoints"]
    names = max((len(each["DBClusterEndpointIdentifier"]) for each in views), default=0)
    name_width = max(8, min(names, width - 58))
    lines = [Text(f"{'ENDPOINT':<{name_width + 1}}{'TYPE':<8}{'ADDRESS':<22}{'STATUS':<11}CONN", "dim")]
    for each in views:
        name, address = each["DBClusterEndpointIdentifier"], f"{each['Endpoint']}:{each['Port']}"
        spark = heights(history.connections.get(name, ()), max(0, min(_SPARK_MAX, width - name_width - 49)))
        lines.append(
            Text.assemble(
                f"{end_of(name, name_width):<{name_width + 1}}{each['EndpointType']:<8}{address:<22}",
                _padded(state(each["Status"]), 11),
                f"{_whole(each['Connections']):>4}  ",
                (spark, "cyan"),
            )
        )
    return lines


def _volume(document: Document) -> Text:
    view = document["StorageVolume"]
    if view is None:
        return Text("Volume  gets storage nodes at its next start")
    room = f"{size(view['UsedBytes'])} of {size(view['AllocatedBytes'])}"
    if document["DBCluster"]["Status"] == "stopped":
        return Text.assemble(("Volume  ", "bold"), f"{room}, its nodes are stopped with the cluster")
    if document["DBCluster"]["Health"] == "no-instances":
        return Text.assemble(("Volume  ", "bold"), f"{room}, its nodes wait for an instance")
    write, count = view["WriteQuorum"], len(view["StorageNodes"])
    held = ("held", "green") if write["Held"] else ("LOST", "red")
    # While the quorum is held, every commit still waits for it briefly.
    waiting = f", {write['WaitingCommits']} commits wait" if write.get("WaitingCommits") and not write["Held"] else ""
    return Text.assemble(
        ("Volume  ", "bold"), f"{room}, write quorum ", held,
        f": {write['Available']} of {count} nodes{waiting}",
    )  # fmt: skip


def _notes(document: Document, width: int) -> list[Text]:
    """Return lines for faults, problems, warnings and the running operation."""
    view = document["DBCluster"]
    told = [f"! {problem}" for problem in view["Problems"]]
    told += [f"Note: {warning}" for warning in view.get("Warnings", [])]
    wrapped = [Text(line, "yellow") for each in told for line in textwrap.wrap(each, width, subsequent_indent="  ")]
    operation = document["Operation"]
    return [*([Text(), *wrapped] if wrapped else []), *([Text(), *_operation(operation)] if operation else [])]


def _operation(view: Document) -> list[Text]:
    took_s = (datetime.now(UTC) - datetime.fromisoformat(view["StartTime"])).total_seconds()
    head = Text.assemble(("In progress  ", "bold"), view["Kind"], f"  {max(0.0, took_s):.1f} s")
    return [
        head,
        *(
            Text.assemble(_MARKS.get(step["Status"], ("  ", "")), step["Name"])
            for step in view["Steps"][-_STEPS_SHOWN:]
        ),
    ]


def _events(events: Sequence[Document], room: int | None) -> list[Text]:
    if room is not None and room < 1:
        return []
    shown = events if room is None else events[-room:]
    lines = []
    for each in shown:
        style = "red" if {"failure", "availability"} & set(each["EventCategories"]) else ""
        lines.append(Text.assemble((f"{each['Date'][11:19]}  ", "dim"), (each["Message"], style)))
    return lines


def heights(values: Iterable[float], width: int) -> str:
    """Draw the last `width` values as bars relative to the greatest of them.

    >>> heights([0, 1, 2], 3)
    '▁▅█'
    """
    shown = list(values)[-width:]
    greatest = max(shown, default=0)
    return "".join(
        _BARS[0] if greatest == 0 else _BARS[int(value / greatest * (len(_BARS) - 1) + 0.5)] for value in shown
    )


def magnitudes(values: Iterable[float], width: int) -> str:
    """Draw the last `width` sizes in bytes on a logarithmic scale, so that rows can be compared.

    >>> magnitudes([0, 5, 5_000, 50_000_000], 4)
    '▁▂▅█'
    """
    shown = list(values)[-width:]
    return "".join(_BARS[0 if value < 1 else min(len(_BARS) - 1, 1 + int(math.log10(value)))] for value in shown)


def end_of(name: str, width: int) -> str:
    """Truncate a name to `width` characters; keep its end, which differs between members of a cluster.

    >>> end_of("a-long-cluster-instance-1", 12)
    '…-instance-1'
    """
    return name if len(name) <= width else "…" + name[-(width - 1) :]


def _whole(value: int | None) -> str:
    return "" if value is None else str(value)


def _padded(text: Text, width: int) -> Text:
    text.pad_right(max(0, width - text.cell_len))
    return text
