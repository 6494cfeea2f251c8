"""Tables for people, in 80 columns."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from auroractl.cli.render import sentences
from auroractl.cli.render.durability import durability_line
from auroractl.cli.render.names import with_names
from auroractl.cli.render.status_style import size as _bytes
from auroractl.cli.render.status_style import state as _state

Document = dict[str, Any]
_GROWTHS_SHOWN = 5


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def clusters(document: Document) -> RenderableType:
    """Show several clusters, or one that was changed."""
    views = document["DBClusters"] if "DBClusters" in document else [document["DBCluster"]]
    if not views:
        return Text("There is no cluster yet. Create one: auroractl create-cluster NAME")
    table = _table("CLUSTER", "STATUS", "HEALTH", "WRITER ENDPOINT", "READER ENDPOINT", "READERS")
    for view in views:
        table.add_row(
            view["DBClusterIdentifier"],
            _state(view["Status"]),
            _state(view["Health"]),
            f"{view['Endpoint']}:{view['Port']}",
            f"{view['ReaderEndpoint']}:{view['ReaderPort']}",
            str(sum(not member["IsClusterWriter"] for member in view["DBClusterMembers"])),
        )
    return with_names(table, views, "DBClusterIdentifier")


def instances(document: Document) -> RenderableType:
    """Show instances, or one that was changed."""
    views = document["DBInstances"] if "DBInstances" in document else [document["DBInstance"]]
    if not views:
        return Text("There is no instance.")
    table = _table("INSTANCE", "ROLE", "STATUS", "AZ", "TIER", "ADDRESS", "LAG")
    for view in views:
        table.add_row(
            view["DBInstanceIdentifier"],
            "writer" if view["IsClusterWriter"] else "reader",
            _state(view["DBInstanceStatus"]),
            view["AvailabilityZone"],
            str(view["PromotionTier"]),
            f"{view['Endpoint']['Address']}:{view['Endpoint']['Port']}",
            "" if view["IsClusterWriter"] else _milliseconds(view),
        )
    return table


def _milliseconds(view: Document) -> str:
    return "unknown" if view["ReplicaLagMilliseconds"] is None else f"{view['ReplicaLagMilliseconds']:.0f} ms"


def _lag(view: Document) -> str:
    return "unknown" if view["ReplicaLagBytes"] is None else f"{_bytes(view['ReplicaLagBytes'])}, {_milliseconds(view)}"


def endpoints(document: Document) -> RenderableType:
    """Endpoints."""
    if not document["DBClusterEndpoints"]:
        return Text("There is no endpoint.")
    table = _table("ENDPOINT", "TYPE", "ADDRESS", "STATUS", "CONNECTIONS")
    for view in document["DBClusterEndpoints"]:
        table.add_row(
            view["DBClusterEndpointIdentifier"],
            view["EndpointType"],
            f"{view['Endpoint']}:{view['Port']}",
            _state(view["Status"]),
            "0" if view["Connections"] is None else str(view["Connections"]),
        )
    return with_names(table, document["DBClusterEndpoints"], "DBClusterEndpointIdentifier")


def scaled(document: Document) -> RenderableType:
    """Show added and removed readers."""
    lines = [f"Added {name}" for name in document["Added"]] + [f"Removed {name}" for name in document["Removed"]]
    return Group(Text("\n".join(lines or ["Nothing changed."])), Text(), instances(document))


def settings(document: Document) -> RenderableType:
    """Show settings; those that are not defaults are highlighted."""
    table = _table("SETTING", "VALUE", "FROM")
    for view in document["Settings"]:
        own = view["Source"] != "default"
        value = view["Value"]
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        table.add_row(view["Key"], shown or "-", view["Source"], style="bold" if own else "dim")
    return Group(Text(f"Home  {document['Home']}"), Text(), table)


def status(document: Document) -> RenderableType:
    """Show one cluster on one screen."""
    view = document["DBCluster"]
    parts: list[RenderableType] = [
        Text.assemble(
            "Cluster ", (view["DBClusterIdentifier"], "bold"), "  ", _state(view["Status"]), "  health ",
            _state(view["Health"]), f"  {view['Engine']} {view['EngineVersion']}",
        ),
        _topology(document),
        endpoints(document),
        Text("\n".join(filter(None, (_volume_line(document), durability_line(view), _backtrack_line(view))))),
    ]  # fmt: skip
    if document["Operation"]:
        parts.append(_operation(document["Operation"]))
    if view["AutomationPaused"]:
        parts.append(Text("Automation is paused; resume it with: auroractl resume-automation", style="yellow"))
    if view["Problems"]:
        parts.append(Text("\n".join(f"! {problem}" for problem in view["Problems"]), style="yellow"))
    if warnings := view.get("Warnings"):
        parts.append(Text("\n".join(f"Note: {warning}" for warning in warnings), style="yellow"))
    if document["Events"]:
        parts.append(_events(document["Events"]))
    return Group(*(each for part in parts for each in (part, Text())))


def _events(found: list[Document]) -> RenderableType:
    """Show recent events, with long messages wrapped."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for each in found:
        grid.add_row(each["Date"][11:19], each["Message"])
    return grid


def _backtrack_line(view: Document) -> str:
    """Format the earliest time of the backtrack window."""
    if not view["BacktrackWindow"] or view["EarliestBacktrackTime"] is None:
        return ""
    held = _bytes(view["BacktrackLogBytes"] + view["BacktrackImageBytes"])
    # Round up to a full second, so that the time shown is accepted.
    earliest = datetime.fromisoformat(view["EarliestBacktrackTime"]) + timedelta(microseconds=999_999)
    return f"Window  from {earliest:%Y-%m-%d %H:%M:%S} UTC; WAL and recovery images use {held}"


def _volume_line(document: Document) -> str:
    view = document["StorageVolume"]
    if view is None:
        return f"Volume  {_bytes(document['DBCluster']['UsedBytes'])} used; it gets storage nodes at its next start"
    if document["DBCluster"]["Status"] == "stopped":
        room = f"{_bytes(view['UsedBytes'])} of {_bytes(view['AllocatedBytes'])}"
        return f"Volume  {room} used; its nodes are stopped with the cluster"
    if document["DBCluster"]["Health"] == "no-instances":
        return f"Volume  {_bytes(view['UsedBytes'])} used; its nodes wait for an instance"
    write = view["WriteQuorum"]
    by_zone = Counter(each["AvailabilityZone"] for each in view["StorageNodes"] if each["Status"] == "available")
    zones = sorted({each["AvailabilityZone"] for each in view["StorageNodes"]})
    nodes = ", ".join(f"{zone} {by_zone[zone]}" for zone in zones)
    return (
        f"Volume  {_bytes(view['UsedBytes'])} of {_bytes(view['AllocatedBytes'])} used, write quorum "
        f"{'held' if write['Held'] else 'LOST'}: {write['Available']} of {len(view['StorageNodes'])} nodes\n"
        f"        {nodes}"
    )


def _topology(document: Document) -> Tree:
    tree = Tree("Instances by Availability Zone")
    for zone in document["DBCluster"]["AvailabilityZones"]:
        members = [each for each in document["DBInstances"] if each["AvailabilityZone"] == zone]
        branch = tree.add(Text(zone, style="bold" if members else "dim"))
        for each in members:
            stopped = each["DBInstanceStatus"] == "stopped"
            lag = "" if each["IsClusterWriter"] or stopped else f"  lag {_lag(each)}"
            role = "writer" if each["IsClusterWriter"] else "reader"
            address = f"{each['Endpoint']['Address']}:{each['Endpoint']['Port']}"
            line = (f"{each['DBInstanceIdentifier']}  {role}  ", _state(each["DBInstanceStatus"]), f"  {address}{lag}")
            branch.add(Text.assemble(*line))
    return tree


def _operation(view: Document) -> Text:
    lines = [f"In progress: {view['Kind']}, since {view['StartTime'][11:19]}"]
    lines += [f"  {step['Status']:8} {step['Name']}" for step in view["Steps"]]
    return Text("\n".join(lines), style="cyan")


def volumes(document: Document) -> RenderableType:
    """Show volumes with their storage nodes."""
    views = document["StorageVolumes"]
    if not views:
        return Text("There is no volume.")
    return Group(*(part for view in views for part in (_volume(view), Text(), _nodes(view), Text())))


def _volume(view: Document) -> Text:
    write, read = view["WriteQuorum"], view["ReadQuorum"]
    lines = [
        f"  Used          {_bytes(view['UsedBytes'])} of {_bytes(view['AllocatedBytes'])} in "
        f"{view['ProtectionGroups']} protection group{'s' * (view['ProtectionGroups'] != 1)}",
        f"  Growth        {'on' if view['AutoGrow'] else 'off'}, up to {_bytes(view['MaxAllocatedBytes'])}",
        f"  {_waiting_or_quorum(view)}",
        f"  {_quorum('Read quorum ', read)}",
    ]
    if write["WaitingCommits"]:
        lines.append(f"  {write['WaitingCommits']} commits wait for the write quorum")
    for fault in view["Faults"]:
        until = f" until {fault['Until'][11:19]}" if fault["Until"] else ""
        lines.append(f"  Injected      {fault['Kind']} on {fault['Target']}{until}")
    for growth in view["GrowthHistory"][-_GROWTHS_SHOWN:]:
        lines.append(
            f"  {growth['Date'][11:19]}      {growth['ProtectionGroupsBefore']} -> {growth['ProtectionGroupsAfter']} "
            f"protection groups at {_bytes(growth['UsedBytes'])}"
        )
    head = ("Volume of ", (view["DBClusterIdentifier"], "bold"), "  ", _state(view["Status"]), "\n")
    return Text.assemble(*head, "\n".join(lines))


def _waiting_or_quorum(view: Document) -> str:
    # While an instance writes, a volume without its write quorum has another status.
    if view["Status"] == "available" and not view["WriteQuorum"]["Held"]:
        return "Write quorum  its nodes wait for an instance"
    return _quorum("Write quorum", view["WriteQuorum"])


def _quorum(name: str, view: Document) -> str:
    margin = view["Margin"]
    more = f"{margin} more may fail" if margin >= 0 else f"{-margin} missing"
    return f"{name}  {view['Required']} needed, {view['Available']} available: {'held' if view['Held'] else 'LOST'}, {more}"


def _nodes(view: Document) -> Table:
    table = _table("STORAGE NODE", "AZ", "KIND", "STATUS", "FLUSHED", "LAG", "HELD", "REPAIRED")
    for node in sorted(view["StorageNodes"], key=lambda each: (each["AvailabilityZone"], each["Kind"])):
        table.add_row(
            node["StorageNodeIdentifier"],
            node["AvailabilityZone"],
            node["Kind"],
            _state(node["Status"]),
            node["FlushedLsn"] or "",
            "" if node["LagBytes"] is None else _bytes(node["LagBytes"]),
            "" if node["HeldBytes"] is None else _bytes(node["HeldBytes"]),
            f"{node['DamageRepaired']}/{node['DamageFound']}",
        )
    return table


def simulation(document: Document) -> RenderableType:
    """Show a simulated volume: the assumptions, and the losses of each scheme."""
    found = document["VolumeSimulation"]
    given = found["Assumptions"]
    runs = f"{given['Runs']} runs of {given['Years']:g} year{'s' * (given['Years'] != 1)}"
    head = (
        f"{_bytes(given['SizeBytes'])} in groups of {_bytes(given['ProtectionGroupBytes'])}, {runs}, seed {given['Seed']}\n"
        f"a copy is destroyed after {given['NodeMttfSeconds'] / 86_400:g} days on average and missing for "
        f"{given['RepairSeconds']:.1f} s;\n"
        f"each zone has {given['AzOutagesPerYear']:g} outages a year of {given['AzOutageSeconds'] / 3600:g} h"
    )
    table = _table("", "LOSS OF", "RUNS", "95 %", "GROUPS/YEAR", "95 %", "EXACT", "TIME")
    for view in found["Schemes"]:
        for name, words in (
            ("WriteQuorumLoss", "write quorum"),
            ("ReadQuorumLoss", "read quorum"),
            ("DataLoss", "data"),
        ):
            loss = view[name]
            expected = loss["GroupLossesPerYearExpected"]
            table.add_row(
                view["Scheme"],
                words,
                *_interval(loss["Probability"]),
                *_interval(loss["GroupLossesPerYear"]),
                "" if expected is None else f"{expected:.3g}",
                f"{loss['SecondsPerYear']['Value']:.3g} s",
            )
    return Group(Text(head), Text(), table, Text(), *(Text(_simulated_work(view)) for view in found["Schemes"]))


def _interval(estimate: Document) -> tuple[str, str]:
    return f"{estimate['Value']:.3g}", f"{estimate['Low']:.2g}..{estimate['High']:.2g}"


def _simulated_work(view: Document) -> str:
    return (
        f"{view['Scheme']}: {view['Copies']} copies, {view['CopiesDestroyedPerYear']['Value']:.0f} destroyed a year, "
        f"{_bytes(int(view['RepairedBytesPerYear']['Value']))} restored, "
        f"{view['GrowthEventsPerYear']['Value']:.3g} growths"
    )


def events(document: Document) -> RenderableType:
    """Show events, oldest first."""
    if not document["Events"]:
        return Text("There are no events in that time.")
    table = _table("TIME (UTC)", "SOURCE", "EVENT")
    for event in document["Events"]:
        bad = {"failure", "availability"} & set(event["EventCategories"])
        table.add_row(
            event["Date"][11:23], event["SourceIdentifier"], Text(event["Message"], style="red" if bad else "")
        )
    return table


def engine_versions(document: Document) -> RenderableType:
    """Show the PostgreSQL builds and those that cannot be used."""
    table = _table("VERSION", "ORIGIN", "FEATURES", "EXTENSIONS", "FOLDER")
    for build in document["DBEngineVersions"]:
        table.add_row(
            build["EngineVersion"] + (" (default)" if build["IsDefault"] else ""),
            build["Origin"],
            " ".join(build["Features"]) or "-",
            f"{len(build['Extensions'])}"
            + (f" + {len(build['SqlExtensions'])} in SQL" if build["SqlExtensions"] else ""),
            build["Folder"],
        )
    problems = [Text(f"{each['Reason']} {each['Hint']}.", style="yellow") for each in document["Unusable"]]
    return Group(table, *problems)


def failovers(document: Document) -> RenderableType:
    """Show failovers, newest first."""
    if not document["Failovers"]:
        return Text("There was no failover.")
    lines = Text()
    for view in document["Failovers"]:
        gap_ms = view["GapMilliseconds"]
        gap = "" if gap_ms is None else f"  {gap_ms:.0f} ms without a writer"
        timeline = "" if view["Timeline"] is None else f"  timeline {view['Timeline']}"
        lines.append(f"{view['StartTime'][:19].replace('T', ' ')}  {view['From']} -> {view['To']}  ")
        lines.append_text(_state(view["Status"]))
        lines.append(f"{gap}{timeline}\n    by the {view['RequestedBy']}: {view['Reason']}\n")
    return lines


_DRILL_COLUMNS = {
    "DETECT": "DetectionMilliseconds",
    "FENCE": "FenceMilliseconds",
    "PROMOTE": "PromotionMilliseconds",
    "FIRST COMMIT": "FirstCommitMilliseconds",
    "GAP": "LongestGapMilliseconds",
}


def drill(document: Document) -> RenderableType:
    """Show the rounds of a drill with their spread; times are in milliseconds since the fault."""
    view = document["Drill"]
    table = _table("ROUND", *_DRILL_COLUMNS, "COMMITS", "LOST", "IN DOUBT", "READS FAILED")
    for column in table.columns[1:]:
        column.justify = "right"
    for number, each in enumerate(view["Rounds"], 1):
        times = [_whole(each[key]) for key in _DRILL_COLUMNS.values()]
        lost = Text(str(each["AcknowledgedRowsLost"]), style="red" if each["AcknowledgedRowsLost"] else "green")
        counts = str(each["CommitsAcknowledged"]), lost, str(each["RowsInDoubt"]), str(each["ReadsFailed"])
        table.add_row(str(number), *times, *counts)
    summary = view["Summary"]
    for word in ("Median", "P95", "Worst") if len(view["Rounds"]) > 1 else ():
        spreads = [summary[key] for key in _DRILL_COLUMNS.values()]
        table.add_row(word.lower(), *(_whole(spread and spread[word]) for spread in spreads))
    verdict = (
        f"{summary['CommitsAcknowledged']} commits acknowledged, {summary['AcknowledgedRowsLost']} lost; "
        f"{summary['RowsInDoubt']} in doubt, of which {summary['RowsInDoubtThere']} were committed"
    )
    limit = view["MaxGapMilliseconds"]
    asked = "" if limit is None else f", longest gap allowed {limit:.0f} ms"
    passed = Text("passed" if view["Passed"] else "FAILED", style="green" if view["Passed"] else "red")
    head = Text.assemble(f"Drill {view['Kind']} on {view['DBClusterIdentifier']}, times in ms: ", passed, asked)
    return Group(head, Text(), table, Text(), *map(Text, [verdict, *sentences.consumed(summary["Changes"])]))


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def backtracks(document: Document) -> RenderableType:
    """Show backtracks, newest first."""
    if not document["DBClusterBacktracks"]:
        return Text("There has been no backtrack.")
    table = _table("CLUSTER", "STATUS", "TO (UTC)", "FROM (UTC)", "DOWN")
    for view in document["DBClusterBacktracks"]:
        down = view["DowntimeMilliseconds"]
        table.add_row(
            view["DBClusterIdentifier"],
            _state(view["Status"]),
            (view["ConsistentTime"] or "")[:23].replace("T", " "),
            (view["BacktrackedFrom"] or "")[:19].replace("T", " "),
            f"{down:.0f} ms" if down else "",
        )
    return table
