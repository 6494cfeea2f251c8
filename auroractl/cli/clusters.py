"""Commands about clusters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.cli import names
from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption, TagsOption, parse_tags
from auroractl.cli.render import lazy, sentences, text
from auroractl.cli.session import can_ask, leave, session
from auroractl.core.durations import parse_duration_s
from auroractl.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from auroractl.cli.session import Session


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("create-cluster", epilog="Example: auroractl create-cluster demo --readers 2")(create_cluster)
    app.command("describe-clusters", epilog="Example: auroractl describe-clusters --output json")(describe_clusters)
    app.command("describe-endpoints", epilog="Example: auroractl describe-endpoints demo")(describe_endpoints)
    app.command("status", epilog="Example: auroractl status demo || echo degraded")(status)
    app.command("scale-readers", epilog="Example: auroractl scale-readers demo --to 5")(scale_readers)
    app.command("failover", epilog="Example: auroractl failover demo --target demo-instance-2")(failover)
    app.command("stop-cluster", epilog="Example: auroractl stop-cluster demo")(stop_cluster)
    app.command("start-cluster", epilog="Example: auroractl start-cluster demo")(start_cluster)
    app.command("modify-cluster", epilog="Example: auroractl modify-cluster demo --deletion-protection")(modify_cluster)
    app.command("delete-cluster", epilog="Example: auroractl delete-cluster demo --yes")(delete_cluster)


def create_cluster(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new cluster.")],
    readers: Annotated[int, typer.Option(help="Number of readers, 0 to 15.")] = 2,
    engine_version: Annotated[str | None, typer.Option(help="Such as 18 or 18.6.")] = None,
    database_name: Annotated[str | None, typer.Option(help="First database.  [default: postgres]")] = None,
    master_username: Annotated[str | None, typer.Option(help="Master user.  [default: postgres]")] = None,
    master_user_password: Annotated[
        str | None, typer.Option(help="Its password; - reads it from stdin.  [default: generated]")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of all its addresses.  [default: 5432 or next free]")] = None,
    region: Annotated[str | None, typer.Option(help="Region whose AZs are used.  [default: us-east-1]")] = None,
    backtrack_window: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Such as 24h or 3600; 0 for none.  [default: 24h]")
    ] = None,
    deletion_protection: Annotated[bool, typer.Option(help="Refuse to delete it.")] = False,
    tags: TagsOption = None,
    retain: Annotated[bool, typer.Option("--retain", help="Keep what there is where creating fails.")] = False,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="Succeed, and change nothing, where it exists already.")
    ] = False,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Create a cluster: a writer, readers, and endpoints that never change."""
    if master_user_password == "-":  # noqa: S105
        master_user_password = sys.stdin.readline().rstrip("\n")
    body = {
        "DBClusterIdentifier": name,
        "Readers": readers,
        "EngineVersion": engine_version,
        "DatabaseName": database_name,
        "MasterUsername": master_username,
        "MasterUserPassword": master_user_password,
        "Port": port,
        "Region": region,
        "BacktrackWindow": parse_duration_s(backtrack_window) if backtrack_window else None,
        "DeletionProtection": deletion_protection,
        "Tags": parse_tags(tags) or {},
        "Retain": retain,
        "IfNotExists": if_not_exists,
    }
    document = session(context).change("create-cluster", body)
    session(context).show(document, sentences.created, text.cluster)


def describe_clusters(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show clusters, all or one."""
    document = session(context).ask("describe-clusters", {"DBClusterIdentifier": name or cluster})
    session(context).show(document, lazy("clusters"), text.clusters)


def describe_endpoints(
    context: typer.Context,
    name: ClusterArgument = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", "--db-cluster-endpoint-identifier", help="Only this one.", autocompletion=names.endpoints
        ),
    ] = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show endpoints, all or those of a cluster."""
    body = {"DBClusterIdentifier": name or cluster, "DBClusterEndpointIdentifier": endpoint}
    document = session(context).ask("describe-endpoints", body)
    session(context).show(document, lazy("endpoints"), text.endpoints)


def status(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show one cluster on one screen; exit code 3 where it is not running or something is missing."""
    this = session(context)
    document = this.ask("describe-status", {"DBClusterIdentifier": this.cluster(name, cluster)})
    this.show(document, lazy("status"), text.instances)
    if document["DBCluster"]["Health"] != "ok":
        leave(ExitCode.NOT_RUNNING)


def scale_readers(
    context: typer.Context,
    name: ClusterArgument = None,
    to: Annotated[int | None, typer.Option(help="This many readers, 0 to 15.")] = None,
    add: Annotated[int | None, typer.Option(help="This many more.")] = None,
    remove: Annotated[int | None, typer.Option(help="This many fewer.")] = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Change the number of readers while clients go on reading."""
    this = session(context)
    body = {"DBClusterIdentifier": this.cluster(name, cluster), "To": to, "Add": add, "Remove": remove}
    document = this.change("scale-readers", body)
    this.show(document, lazy("scaled"), text.instances)


def failover(
    context: typer.Context,
    name: ClusterArgument = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "--target-db-instance-identifier",
            help="The reader to promote.  [default: by tier]",
            autocompletion=names.instances,
        ),
    ] = None,
    allow_data_loss: Annotated[
        bool,
        typer.Option("--allow-data-loss", help="Promote even if fewer than three storage nodes can be read."),
    ] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Make a reader the writer: a planned switch, or a promotion where the writer is dead."""
    this = session(context)
    body = {
        "DBClusterIdentifier": this.cluster(name, cluster),
        "TargetDBInstanceIdentifier": target,
        "AllowDataLoss": allow_data_loss,
    }
    this.show(this.change("failover", body), sentences.failed_over, text.failover)


def stop_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Stop a cluster; its data stays."""
    this = session(context)
    document = this.change("stop-cluster", {"DBClusterIdentifier": this.cluster(name, cluster)})
    this.show(document, sentences.changed, text.cluster)


def start_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Start a stopped cluster, or what is missing of a running one."""
    this = session(context)
    document = this.change("start-cluster", {"DBClusterIdentifier": this.cluster(name, cluster)})
    this.show(document, sentences.changed, text.cluster)


def modify_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
    deletion_protection: Annotated[bool | None, typer.Option(help="Refuse to delete it, or allow it again.")] = None,
    backtrack_window: Annotated[str | None, typer.Option(metavar="DURATION", help="Such as 24h or 3600.")] = None,
    tags: TagsOption = None,
    remove_tags: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Remove a tag; repeatable.")] = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Change a cluster's deletion protection, backtrack window or tags."""
    this = session(context)
    body = {
        "DBClusterIdentifier": this.cluster(name, cluster),
        "DeletionProtection": deletion_protection,
        "BacktrackWindow": parse_duration_s(backtrack_window) if backtrack_window else None,
        "Tags": parse_tags(tags),
        "RemoveTags": remove_tags or [],
    }
    this.show(this.change("modify-cluster", body), lazy("clusters"), text.cluster)


def delete_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    if_exists: Annotated[bool, typer.Option("--if-exists", help="Succeed where there is no such cluster.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Delete a cluster with all its data."""
    this = session(context)
    chosen = this.cluster(name, cluster)
    if not (yes or this.dry_run or (if_exists and chosen and _is_absent(this, chosen))):
        _confirm(this.ask("describe-status", {"DBClusterIdentifier": chosen})["DBCluster"]["DBClusterIdentifier"])
    document = this.change("delete-cluster", {"DBClusterIdentifier": chosen, "IfExists": if_exists})
    this.show(document, sentences.deleting if this.no_wait else sentences.deleted, text.deleted)


def _is_absent(this: Session, cluster: str) -> bool:
    return cluster.lower() not in this.ask("names", {})["Clusters"]


def _confirm(name: str) -> None:
    if not can_ask():
        raise UsageError(f"Deleting {name} with all its data needs a yes.", "Add --yes")
    typed = typer.prompt(f"This deletes {name} with all its data. Type its name to go on", err=True)
    if typed.strip().lower() != name:
        raise UsageError(f"{typed!r} is not {name!r}; nothing was deleted.", "Type the name, or add --yes")
