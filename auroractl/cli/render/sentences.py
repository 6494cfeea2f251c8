"""What a person reads where a sentence or two will do; Rich, which takes a while to import, is not needed for it."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def created(document: Document) -> str:
    """A cluster that was created, and how to connect."""
    view = document["DBCluster"]
    name = view["DBClusterIdentifier"]
    lines = [
        f"Cluster {name} is {view['Status']}.",
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
    """A cluster that was deleted."""
    return f"Cluster {document['DBCluster']['DBClusterIdentifier']} is deleted."


def failed_over(document: Document) -> str:
    """What a failover did."""
    kind = "Switched" if document["Planned"] else "Promoted"
    return (
        f"{kind}: the writer of {document['DBCluster']['DBClusterIdentifier']} was {document['From']} and is now "
        f"{document['To']}; {document['DurationMilliseconds']:.0f} ms without a writer."
    )


def supervisor(document: Document) -> str:
    """The supervisor and its clusters."""
    lines = [
        f"The supervisor of {document['Home']} runs as process {document['ProcessId']}, version {document['Version']}."
    ]
    lines += [f"  {each['DBClusterIdentifier']}: {each['Status']}" for each in document["Clusters"]]
    return "\n".join(lines)
