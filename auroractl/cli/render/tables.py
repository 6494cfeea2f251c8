"""What a person sees, in 80 columns."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

Document = dict[str, Any]
_GOOD = {"available", "ok", "completed"}
_BAD = {"failed", "unavailable", "down", "inactive"}


def _state(word: str) -> Text:
    style = "green" if word in _GOOD else "red" if word in _BAD else "yellow"
    return Text(word, style=style)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _bytes(count: int | None) -> str:
    """A size for people.

    >>> _bytes(32_715_571)
    '31.2 MiB'
    """
    if count is None:
        return "unknown"
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def clusters(document: Document) -> RenderableType:
    """Several clusters, or one that was changed."""
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
    return table


def instances(document: Document) -> RenderableType:
    """Instances, or one that was changed."""
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
    return table


def scaled(document: Document) -> RenderableType:
    """What scaling added and removed."""
    lines = [f"Added {name}" for name in document["Added"]] + [f"Removed {name}" for name in document["Removed"]]
    return Group(Text("\n".join(lines or ["Nothing to change."])), Text(), instances(document))


def status(document: Document) -> RenderableType:
    """One cluster on one screen."""
    view = document["DBCluster"]
    parts: list[RenderableType] = [
        Text.assemble(
            "Cluster ", (view["DBClusterIdentifier"], "bold"), "  ", _state(view["Status"]), "  health ",
            _state(view["Health"]), f"  {view['Engine']} {view['EngineVersion']}",
        ),
        _topology(document),
        endpoints(document),
        Text(f"Volume  {_bytes(view['UsedBytes'])} used"),
    ]  # fmt: skip
    if document["Operation"]:
        parts.append(_operation(document["Operation"]))
    if view["Problems"]:
        parts.append(Text("\n".join(f"! {problem}" for problem in view["Problems"]), style="yellow"))
    if document["Events"]:
        parts.append(Text("\n".join(f"{each['Date'][11:19]}  {each['Message']}" for each in document["Events"])))
    return Group(*(each for part in parts for each in (part, Text())))


def _topology(document: Document) -> Tree:
    tree = Tree("Instances by Availability Zone")
    for zone in document["DBCluster"]["AvailabilityZones"]:
        members = [each for each in document["DBInstances"] if each["AvailabilityZone"] == zone]
        branch = tree.add(Text(zone, style="bold" if members else "dim"))
        for each in members:
            lag = f"  lag {_lag(each)}" if not each["IsClusterWriter"] else ""
            role = "writer" if each["IsClusterWriter"] else "reader"
            address = f"{each['Endpoint']['Address']}:{each['Endpoint']['Port']}"
            line = (f"{each['DBInstanceIdentifier']}  {role}  ", _state(each["DBInstanceStatus"]), f"  {address}{lag}")
            branch.add(Text.assemble(*line))
    return tree


def _operation(view: Document) -> Text:
    lines = [f"In progress: {view['Kind']}, since {view['StartTime'][11:19]}"]
    lines += [f"  {step['Status']:8} {step['Name']}" for step in view["Steps"]]
    return Text("\n".join(lines), style="cyan")
