"""What a person reads where a sentence or two will do; Rich, which takes a while to import, is not needed for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from auroractl.core.sizes import format_size

Document = dict[str, Any]
_TABLES_SHOWN = 10


def created(document: Document) -> str:
    """A cluster that was created, and how to connect."""
    view = document["DBCluster"]
    name = view["DBClusterIdentifier"]
    already = "" if document["Changed"] else "exists already and "
    lines = [
        f"Cluster {name} {already}is {view['Status']}.",
        "",
        f"  Writer endpoint   {view['Endpoint']}:{view['Port']}",
        f"  Reader endpoint   {view['ReaderEndpoint']}:{view['ReaderPort']}",
        f"  Database, user    {view['DatabaseName']}, {view['MasterUsername']}",
        "",
        f"  auroractl psql {name}      open psql",
        f"  auroractl uri {name}       print the URI, password included",
        f"  auroractl status {name}    see how it is",
    ]
    return "\n".join(lines)


def changed(document: Document) -> str:
    """A cluster that was started or stopped."""
    view = document["DBCluster"]
    already = "" if document["Changed"] else "already "
    return f"Cluster {view['DBClusterIdentifier']} is {already}{view['Status']}."


def deleted(document: Document) -> str:
    """A cluster that was deleted, or that there is none of."""
    name = document["DBClusterIdentifier"]
    if document["DBCluster"] is None:
        return f"Cluster {name} does not exist; nothing to delete."
    return f"Cluster {name} is deleted."


def deleting(document: Document) -> str:
    """A cluster that is being deleted, or that there is none of."""
    name = document["DBClusterIdentifier"]
    return deleted(document) if document["DBCluster"] is None else f"Cluster {name} is being deleted."


def failed_over(document: Document) -> str:
    """What a failover did."""
    kind = "Switched" if document["Planned"] else "Promoted"
    if document["DurationMilliseconds"] is None:
        return f"The writer of {document['DBCluster']['DBClusterIdentifier']} goes from {document['From']} to {document['To']}."
    return (
        f"{kind}: the writer of {document['DBCluster']['DBClusterIdentifier']} was {document['From']} and is now "
        f"{document['To']}; {document['DurationMilliseconds']:.0f} ms without a writer."
    )


def plan(document: Document) -> str:
    """What a dry run found: the steps that would be done."""
    view = document["Plan"]
    if not view["Changed"]:
        return "Nothing to change."
    lines = [f"{view['Operation']} of {view['DBClusterIdentifier']} would:"]
    return "\n".join([*lines, *(f"  {step['Name']}" for step in view["Steps"])])


def used(document: Document) -> str:
    """The cluster that commands mean when none is named."""
    name = document["DBClusterIdentifier"]
    if name is None:
        return "No cluster is set; commands mean the only one there is. Set one: auroractl use CLUSTER"
    return f"Commands mean the cluster {name} when none is named ({document['Source']})."


def supervisor(document: Document) -> str:
    """The supervisor and its clusters."""
    lines = [
        f"The supervisor of {document['Home']} runs as process {document['ProcessId']}, version {document['Version']}."
    ]
    lines += [f"  {each['DBClusterIdentifier']}: {each['Status']}" for each in document["Clusters"]]
    return "\n".join(lines)


def growth(document: Document) -> str:
    """What storage-autogrow found and did."""
    view = document["StorageGrowth"]
    before, after = view["Before"], view["After"]
    lines = [
        f"Used       {format_size(view['UsedBytes'])}",
        f"Before     {format_size(before['AllocatedBytes'])} in {before['ProtectionGroups']} protection groups",
        f"After      {format_size(after['AllocatedBytes'])} in {after['ProtectionGroups']} protection groups",
        f"Growth     {'enabled' if view['AutoGrow'] else 'disabled'}, by {format_size(view['IncrementBytes'])} up to "
        f"{format_size(view['MaxAllocatedBytes'])}, {view['HeadroomPercent']} % kept free",
        f"Because    {view['Reason']}",
    ]
    if view["StorageFull"]:
        lines.append("The volume is full: reads go on, writes are refused until it has room.")
    return "\n".join(lines)


def scrub(document: Document) -> str:
    """What a scrub found and repaired."""
    view = document["Scrub"]
    damaged, repaired = (sum(view[key].values()) for key in ("DamagedCopies", "RepairedCopies"))
    lines = [
        f"Read {view['Segments']} segments, {format_size(view['ReadBytes'])} on all storage nodes, in "
        f"{view['DurationMilliseconds'] / 1000:.1f} s: {damaged} damaged or missing copies found, {repaired} repaired."
    ]
    lines += [f"  {node}: {count} damaged" for node, count in sorted(view["DamagedCopies"].items())]
    lines += [f"Damaged beyond repair: {name}" for name in view["BeyondRepair"]]
    return "\n".join(lines)


def injected(document: Document) -> str:
    """What was broken on purpose."""
    return f"{document['Target']}: {document['Message']}"


def events(document: Document) -> str:
    """What happened, one line each."""
    return "\n".join(
        f"{event['Date']}  {event['SourceIdentifier']}  {event['Message']}" for event in document["Events"]
    )


def automation(document: Document) -> str:
    """Whether a cluster heals by itself."""
    view = document["DBCluster"]
    paused = view["AutomationPaused"]
    already = "" if document["Changed"] else "already "
    more = "; nothing is promoted or restarted by itself until: auroractl resume-automation" if paused else ""
    return f"Automation of {view['DBClusterIdentifier']} is {already}{'paused' if paused else 'on'}{more}."


def backtracked(document: Document) -> str:
    """A backtrack that was done, begun or cancelled."""
    view = document["DBClusterBacktrack"]
    name = view["DBClusterIdentifier"]
    if view["Status"] == "completed":
        took = view["DowntimeMilliseconds"]
        gap = f"; {took:.0f} ms without a writer" if took else ""
        return (
            f"Cluster {name} is as it was at {view['ConsistentTime']}{gap}.\n"
            f"Forward again: auroractl backtrack {name} --undo"
        )
    if view["Status"] == "failed":
        return f"Nothing was changed ({view['StatusReason']})."
    return f"Backtrack {view['BacktrackIdentifier']} to {view['BacktrackTo']} is {view['Status']}."


def waits_at(document: Document) -> str:
    """A copy at a moment that waits for a decision, and how to look at it."""
    view, there = document["DBClusterBacktrack"], document["Connection"]
    name = view["DBClusterIdentifier"]
    password, user = quote(there["Password"], safe=""), quote(there["User"], safe="")
    return "\n".join(
        [
            f"A copy of {name} at {view['ConsistentTime']} can be read; the cluster goes on.",
            "",
            f"  psql postgresql://{user}:{password}@{there['Host']}:{there['Port']}/{there['Database']}",
            f"  auroractl backtrack {name} --accept    go there (what was written since is undone)",
            f"  auroractl backtrack {name} --cancel    remove the copy",
        ]
    )


def backtrack_plan(document: Document) -> str:
    """What a backtrack would do and undo."""
    plan = document["BacktrackPlan"]
    undone = plan["Undone"]
    commits = undone["Commits"]
    more = "" if undone["Complete"] else "more than "
    image = plan["PageImage"]
    lines = [
        f"Backtrack {plan['DBClusterIdentifier']} to {plan['ConsistentTime']} (LSN {plan['ConsistentLsn']}).",
        f"  From    page image of {image['ReachedTime'][:19]}Z on {image['StorageNodeIdentifier']},"
        f" {format_size(image['Bytes'])}",
        f"  Replay  {format_size(plan['ReplayBytes'])} of log; about {plan['EstimatedMilliseconds'] / 1000:.0f} s in all, "
        f"{plan['EstimatedDowntimeMilliseconds'] / 1000:.0f} s without a writer",
        f"  Undo    {more}{commits} commit{'' if commits == 1 else 's'}, {format_size(undone['LogBytes'])} of log",
    ]
    for table in undone["Tables"][:_TABLES_SHOWN]:
        what = table["Table"] or "a table that is not there any more"
        changes = table["Changes"]
        lines.append(f"          {changes} change{'' if changes == 1 else 's'} in {what} ({table['Database']})")
    return "\n".join(lines)


def demo(document: Document) -> str:
    """What the demo showed, and what to try next."""
    view = document["Demo"]
    return (
        f"\nSeen: a cluster in {view['CreateMilliseconds'] / 1000:.1f} s; its writer killed and {view['GapMilliseconds']} ms "
        f"without writes;\n{view['AcknowledgedRowsLost']} of {view['RowsAcknowledged']:,} acknowledged rows lost; "
        f"{view['RowsAfterBacktrack']:,} rows back after a DROP TABLE.\n\n"
        "Now your own:\n"
        "  auroractl create-cluster demo     a cluster\n"
        "  auroractl psql demo               use it\n"
        "  auroractl watch demo              see it live"
    )
