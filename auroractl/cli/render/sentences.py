"""Output for people in a few sentences, which does not need Rich and its slow import."""

from __future__ import annotations

from typing import Any

from auroractl.api.connection_uri import connection_uri
from auroractl.core.text.sizes import format_size

Document = dict[str, Any]
_TABLES_SHOWN = 10


def created(document: Document) -> str:
    """Format a created cluster and how to connect to it."""
    from auroractl.core.engine.locales import AURORA, CODE_POINT  # noqa: PLC0415  (commands start without it)

    view = document["DBCluster"]
    name = view["DBClusterIdentifier"]
    already = "" if document["Changed"] else "already exists and "
    lines = [
        f"Cluster {name} {already}is {view['Status']}.",
        "",
        f"  Writer endpoint   {view['Endpoint']}:{view['Port']}",
        f"  Reader endpoint   {view['ReaderEndpoint']}:{view['ReaderPort']}",
        f"  Database, user    {view['DatabaseName']}, {view['MasterUsername']}",
        "",
        f"  auroractl psql {name}      open psql",
        f"  auroractl uri {name}       print the URI, including the password",
        f"  auroractl status {name}    show its status",
    ]
    if document["Changed"] and view["Locale"] == CODE_POINT:
        lines += ["", f"Text is sorted by code point (locale {CODE_POINT}), not as on Aurora ({AURORA})."]
    return "\n".join(lines)


def hosts(document: Document) -> str:
    """Format the block of the hosts file, or what was done with it."""
    if document["Action"] == "print":
        return "\n".join(document["Block"])
    file, home = document["File"], document["Home"]
    if not document["Changed"]:
        return f"Nothing to change: {file} is up to date for {home}."
    names = document["Block"][1:-1]
    if document["Action"] == "remove" or not names:
        return f"The names of {home} were removed from {file}."
    return f"The names of {home} were written to {file}: {len(names)}."


def dns(document: Document) -> str:
    """Format the state of the DNS server with the lines that make resolvers ask it."""
    server, zones = document["Dns"], document["Zones"]
    if server is None:
        lines = ['There is no DNS server. Set dns = "127.0.0.1:5380" in the settings, then: auroractl supervisor stop']
        return "\n".join([*lines, "Without one: auroractl hosts"])
    where = f"{server['Address']}:{server['Port']}"
    if server["Status"] != "available":
        return f"DNS is not served on {where}: {server['StatusReason']}."
    resolver = [f"nameserver {server['Address']}", f"port {server['Port']}"]
    return "\n".join(
        [
            f"DNS is served on {where} for {len(document['Names'])} names.",
            "",
            "systemd-resolved: /etc/systemd/resolved.conf.d/auroractl.conf, then systemctl restart systemd-resolved",
            "",
            "[Resolve]",
            f"DNS={where}",
            "DNSSEC=false",
            f"Domains={' '.join('~' + zone for zone in zones)}",
            "",
            "macOS: the same two lines in each of these files",
            "",
            *(f"/etc/resolver/{zone}" for zone in zones),
            "",
            *resolver,
        ]
    )


def changed(document: Document) -> str:
    """Format a cluster that was started or stopped."""
    view = document["DBCluster"]
    already = "" if document["Changed"] else "already "
    return f"Cluster {view['DBClusterIdentifier']} is {already}{view['Status']}."


def deleted(document: Document) -> str:
    """Format a deleted cluster, or one that did not exist."""
    name = document["DBClusterIdentifier"]
    if document["DBCluster"] is None:
        return f"Cluster {name} does not exist; nothing to delete."
    return f"Cluster {name} was deleted."


def deleting(document: Document) -> str:
    """Format a cluster that is being deleted, or one that did not exist."""
    name = document["DBClusterIdentifier"]
    return deleted(document) if document["DBCluster"] is None else f"Cluster {name} is being deleted."


def cancelled(document: Document) -> str:
    """Format an operation that was or is being cancelled."""
    operation, name = document["Operation"], document["DBClusterIdentifier"]
    if operation["Status"] == "undone":
        return f"{operation['Kind']} of {name} was cancelled and undone."
    return f"{operation['Kind']} of {name} is being cancelled."


def failed_over(document: Document) -> str:
    """Format the result of a failover."""
    kind = "Switched" if document["Planned"] else "Promoted"
    if document["DurationMilliseconds"] is None:
        return f"The writer of {document['DBCluster']['DBClusterIdentifier']} is changing from {document['From']} to {document['To']}."
    return (
        f"{kind}: the writer of {document['DBCluster']['DBClusterIdentifier']} was {document['From']} and is now "
        f"{document['To']}; {document['DurationMilliseconds']:.0f} ms without a writer."
    )


def plan(document: Document) -> str:
    """Format the plan of a dry run."""
    view = document["Plan"]
    if not view["Changed"]:
        return "Nothing would change."
    lines = [f"{view['Operation']} of {view['DBClusterIdentifier']} would:"]
    return "\n".join([*lines, *(f"  {step['Name']}" for step in view["Steps"])])


def used(document: Document) -> str:
    """Format the default cluster."""
    name = document["DBClusterIdentifier"]
    if name is None:
        return "There is no default cluster; commands use the only one. Set one with: auroractl use CLUSTER"
    return f"The default cluster is {name} ({document['Source']})."


def supervisor(document: Document) -> str:
    """Format the supervisor and its clusters."""
    lines = [
        f"The supervisor of {document['Home']} runs as process {document['ProcessId']}, version {document['Version']}."
    ]
    lines += [f"  {each['DBClusterIdentifier']}: {each['Status']}" for each in document["Clusters"]]
    return "\n".join(lines)


def authorities(document: Document) -> str:
    """Format the certificate authorities that clients are to trust."""
    lines = [f"Clients are to trust the certificates in {document['CaBundle']}."]
    for each in document["Certificates"]:
        state = "in use" if each["InUse"] else "earlier"
        lines.append(f"  {each['CertificateIdentifier']}  {state}  until {each['ValidTill'][:10]}")
        lines.append(f"    SHA-256 {each['Thumbprint']}")
    if not document["Tls"]:
        lines.append("The setting tls is false: no endpoint speaks TLS.")
    return "\n".join(lines)


def growth(document: Document) -> str:
    """Format the result of storage-autogrow."""
    view = document["StorageGrowth"]
    before, after = view["Before"], view["After"]
    lines = [
        f"Used       {format_size(view['UsedBytes'])}",
        f"Before     {format_size(before['AllocatedBytes'])} in {before['ProtectionGroups']} protection groups",
        f"After      {format_size(after['AllocatedBytes'])} in {after['ProtectionGroups']} protection groups",
        f"Growth     {'enabled' if view['AutoGrow'] else 'disabled'}, by {format_size(view['IncrementBytes'])} up to "
        f"{format_size(view['MaxAllocatedBytes'])}, {view['HeadroomPercent']} % kept free",
        f"Reason     {view['Reason']}",
    ]
    if view["StorageFull"]:
        lines.append("The volume is full: reads continue, but writes are refused until space is free.")
    return "\n".join(lines)


def scrub(document: Document) -> str:
    """Format the result of a scrub."""
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
    """Format an injected fault."""
    return f"{document['Target']}: {document['Message']}"


def events(document: Document) -> str:
    """Format events, one per line."""
    return "\n".join(
        f"{event['Date']}  {event['SourceIdentifier']}  {event['Message']}" for event in document["Events"]
    )


def automation(document: Document) -> str:
    """Format whether automation is on or paused."""
    view = document["DBCluster"]
    paused = view["AutomationPaused"]
    already = "" if document["Changed"] else "already "
    more = "; there is no automatic failover or restart until: auroractl resume-automation" if paused else ""
    return f"Automation of {view['DBClusterIdentifier']} is {already}{'paused' if paused else 'on'}{more}."


def backtracked(document: Document) -> str:
    """Format a backtrack that was completed, started or cancelled."""
    view = document["DBClusterBacktrack"]
    name = view["DBClusterIdentifier"]
    if view["Status"] == "completed":
        took = view["DowntimeMilliseconds"]
        gap = f"; {took:.0f} ms without a writer" if took else ""
        return (
            f"Cluster {name} was rewound to {view['ConsistentTime']}{gap}.\n"
            f"Undo it with: auroractl backtrack {name} --undo"
        )
    if view["Status"] == "failed":
        return f"Nothing was changed ({view['StatusReason']})."
    return f"Backtrack {view['BacktrackIdentifier']} to {view['BacktrackTo']} is {view['Status']}."


def waits_at(document: Document) -> str:
    """Format a prepared copy and how to connect to it."""
    view, there = document["DBClusterBacktrack"], document["Connection"]
    name = view["DBClusterIdentifier"]
    return "\n".join(
        [
            f"A copy of {name} as of {view['ConsistentTime']} can be read; the cluster keeps running.",
            "",
            f"  psql '{connection_uri(there)}'",
            f"  auroractl backtrack {name} --accept    backtrack to that time (later changes are undone)",
            f"  auroractl backtrack {name} --cancel    remove the copy",
        ]
    )


def backtrack_plan(document: Document) -> str:
    """Format the plan of a backtrack."""
    plan = document["BacktrackPlan"]
    undone = plan["Undone"]
    commits = undone["Commits"]
    more = "" if undone["Complete"] else "more than "
    image = plan["PageImage"]
    lines = [
        f"Backtrack {plan['DBClusterIdentifier']} to {plan['ConsistentTime']} (LSN {plan['ConsistentLsn']}).",
        f"  From    recovery image of {image['ReachedTime'][:19]}Z on {image['StorageNodeIdentifier']},"
        f" {format_size(image['Bytes'])}",
        f"  Replay  {format_size(plan['ReplayBytes'])} of WAL; about {plan['EstimatedMilliseconds'] / 1000:.0f} s in total, "
        f"{plan['EstimatedDowntimeMilliseconds'] / 1000:.0f} s without a writer",
        f"  Undo    {more}{commits} commit{'' if commits == 1 else 's'}, {format_size(undone['LogBytes'])} of WAL",
    ]
    for table in undone["Tables"][:_TABLES_SHOWN]:
        what = table["Table"] or "a table that no longer exists"
        changes = table["Changes"]
        lines.append(f"          {changes} change{'' if changes == 1 else 's'} in {what} ({table['Database']})")
    return "\n".join(lines)


def demo(document: Document) -> str:
    """Format the result of the demo and what to try next."""
    view = document["Demo"]
    return (
        f"\nSummary: a cluster in {view['CreateMilliseconds'] / 1000:.1f} s; {view['GapMilliseconds']} ms without writes "
        f"after its writer was killed;\n{view['AcknowledgedRowsLost']} of {view['RowsAcknowledged']:,} acknowledged rows lost; "
        f"{view['RowsAfterBacktrack']:,} rows back after a DROP TABLE.\n\n"
        "Try your own:\n"
        "  auroractl create-cluster demo     create a cluster\n"
        "  auroractl psql demo               connect to it\n"
        "  auroractl watch demo              watch it live"
    )


def consumed(changes: dict[str, Any] | None) -> list[str]:
    """Say what the consumer of changes of a drill received; nothing if it had none."""
    if changes is None:
        return []
    found = [
        f"{changes['Received']} changes consumed, {changes['Lost']} lost; {changes['Repeated']} came again, of which "
        f"{changes['RepeatedBelowConfirmed']} had been confirmed"
    ]
    if not changes["SlotsSurviveFailovers"]:
        found.append(
            f"PostgreSQL {changes['EngineMajorVersion']} loses logical slots with the writer, as on Aurora: lost changes do "
            "not fail the drill. After such a failover create the slot and the consumer's snapshot again."
        )
    elif not changes["SlotKept"]:
        found.append("The consumer's slot was lost.")
    return found
