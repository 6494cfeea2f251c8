"""Rows of tab-separated values as in the AWS command line's text output: one per object, no header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]
Rows = Iterable[tuple[object, ...]]


def _cluster(view: Document) -> tuple[object, ...]:
    return (
        view["DBClusterIdentifier"],
        view["Status"],
        view["Endpoint"],
        view["ReaderEndpoint"],
        view["Port"],
        view["EngineVersion"],
    )


def cluster(document: Document) -> Rows:
    """Return the row of a cluster."""
    return [_cluster(document["DBCluster"])]


def deleted(document: Document) -> Rows:
    """Return the row of a deleted cluster, or none."""
    return cluster(document) if document["DBCluster"] else []


def cancelled(document: Document) -> Rows:
    """Return the cluster, the kind and the status of a cancelled operation."""
    operation = document["Operation"]
    return [(document["DBClusterIdentifier"], operation["Kind"], operation["Status"])]


def clusters(document: Document) -> Rows:
    """Return the rows of clusters."""
    return [_cluster(view) for view in document["DBClusters"]]


def instances(document: Document) -> Rows:
    """Return the rows of instances."""
    views = document["DBInstances"] if "DBInstances" in document else [document["DBInstance"]]
    return [
        (
            view["DBInstanceIdentifier"],
            view["DBInstanceStatus"],
            "writer" if view["IsClusterWriter"] else "reader",
            view["AvailabilityZone"],
            view["Endpoint"]["Address"],
            view["Endpoint"]["Port"],
            view["PromotionTier"],
            view["ReplicaLagBytes"],
        )
        for view in views
    ]


def endpoints(document: Document) -> Rows:
    """Endpoints."""
    return [
        (
            view["DBClusterEndpointIdentifier"],
            view["DBClusterIdentifier"],
            view["EndpointType"],
            view["Endpoint"],
            view["Port"],
            view["Status"],
        )
        for view in document["DBClusterEndpoints"]
    ]


def hosts(document: Document) -> Rows:
    """Return the lines of the hosts file, or what was done with it."""
    if document["Action"] == "print":
        return [(line,) for line in document["Block"]]
    return [(document["File"], document["Home"], document["Changed"])]


def dns(document: Document) -> Rows:
    """Return all names with their addresses."""
    return [(each["Name"], each["Address"], each["Port"]) for each in document["Names"]]


def failover(document: Document) -> Rows:
    """Return the result of a failover."""
    return [(document["From"], document["To"], document["DurationMilliseconds"], document["Planned"])]


def plan(document: Document) -> Rows:
    """Return the steps of a dry run."""
    view = document["Plan"]
    return [(view["DBClusterIdentifier"], view["Operation"], step["Name"]) for step in view["Steps"]]


def settings(document: Document) -> Rows:
    """Return settings: key, value, origin."""
    return [(view["Key"], view["Value"], view["Source"]) for view in document["Settings"]]


def used(document: Document) -> Rows:
    """Return the default cluster."""
    return [(document["DBClusterIdentifier"], document["Source"])]


def supervisor(document: Document) -> Rows:
    """Return the row of the supervisor."""
    return [(document["ProcessId"], document["Version"], document["Home"], document["StartTime"])]


def authorities(document: Document) -> Rows:
    """Return the certificate authorities that clients are to trust."""
    keys = ("CertificateIdentifier", "InUse", "Thumbprint", "ValidFrom", "ValidTill")
    return [(*(each[key] for key in keys), document["CaBundle"]) for each in document["Certificates"]]


def volumes(document: Document) -> Rows:
    """Return storage nodes, each with its cluster."""
    return [
        (
            view["DBClusterIdentifier"],
            node["StorageNodeIdentifier"],
            node["AvailabilityZone"],
            node["Kind"],
            node["Status"],
            node["FlushedLsn"],
            node["LagBytes"],
        )
        for view in document["StorageVolumes"]
        for node in view["StorageNodes"]
    ]


def growth(document: Document) -> Rows:
    """Return the result of storage-autogrow."""
    view = document["StorageGrowth"]
    before, after = view["Before"]["AllocatedBytes"], view["After"]["AllocatedBytes"]
    return [(view["DBClusterIdentifier"], view["UsedBytes"], before, after, view["Reason"])]


def scrub(document: Document) -> Rows:
    """Return the result of a scrub by storage node."""
    view = document["Scrub"]
    return [(node, count, view["RepairedCopies"].get(node, 0)) for node, count in sorted(view["DamagedCopies"].items())]


def injected(document: Document) -> Rows:
    """Return the row of an injected fault."""
    return [(document["Target"], document["Message"])]


def simulation(document: Document) -> Rows:
    """Return a simulated volume's losses by scheme: probability, group losses per year simulated and expected, seconds."""
    return [
        (
            view["Scheme"],
            loss,
            view[loss]["Probability"]["Value"],
            view[loss]["GroupLossesPerYear"]["Value"],
            view[loss]["GroupLossesPerYearExpected"],
            view[loss]["SecondsPerYear"]["Value"],
        )
        for view in document["VolumeSimulation"]["Schemes"]
        for loss in ("WriteQuorumLoss", "ReadQuorumLoss", "DataLoss")
    ]


def events(document: Document) -> Rows:
    """Events."""
    return [
        (event["Date"], event["SourceType"], event["SourceIdentifier"], event["EventId"], event["Message"])
        for event in document["Events"]
    ]


def engine_versions(document: Document) -> Rows:
    """Return the PostgreSQL builds."""
    keys = ("EngineVersion", "DBParameterGroupFamily", "IsDefault", "Origin", "Build", "Folder")
    return [
        (*(view[key] for key in keys), " ".join(view["Features"]), " ".join(view["Extensions"]))
        for view in document["DBEngineVersions"]
    ]


def failovers(document: Document) -> Rows:
    """Return failovers, newest first."""
    keys = ("StartTime", "DBClusterIdentifier", "From", "To", "RequestedBy", "Status", "Timeline", "GapMilliseconds")
    return [tuple(view[key] for key in (*keys, "Reason")) for view in document["Failovers"]]


def drill(document: Document) -> Rows:
    """Return the rounds of a drill."""
    keys = (
        "Target", "DetectionMilliseconds", "FenceMilliseconds", "PromotionMilliseconds", "FirstCommitMilliseconds",
        "LongestGapMilliseconds", "CommitsAcknowledged", "AcknowledgedRowsLost", "RowsInDoubt", "ReadsFailed",
    )  # fmt: skip
    return [tuple(view[key] for key in keys) for view in document["Drill"]["Rounds"]]


def backtracks(document: Document) -> Rows:
    """Return the rows of backtracks."""
    views = document["DBClusterBacktracks"] if "DBClusterBacktracks" in document else [document["DBClusterBacktrack"]]
    return [
        (
            view["BacktrackIdentifier"],
            view["DBClusterIdentifier"],
            view["Status"],
            view["BacktrackTo"],
            view["ConsistentTime"],
            view["BacktrackedFrom"],
            view["DowntimeMilliseconds"],
        )
        for view in views
    ]


def backtrack_plan(document: Document) -> Rows:
    """Return the plan of a backtrack."""
    plan = document["BacktrackPlan"]
    return [
        (
            plan["DBClusterIdentifier"],
            plan["ConsistentTime"],
            plan["ConsistentLsn"],
            plan["ReplayBytes"],
            plan["EstimatedMilliseconds"],
            plan["Undone"]["Commits"],
        )
    ]
