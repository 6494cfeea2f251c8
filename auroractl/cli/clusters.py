"""Commands about clusters."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.api import requests
from auroractl.cli import name_completion, prompts
from auroractl.cli.invocation import leave, session
from auroractl.cli.options import ClusterArgument, ClusterGroupOption, TagsOption, once, parse_tags
from auroractl.cli.render import lazy, sentences, text
from auroractl.core.errors import ExitCode, UsageError
from auroractl.core.text.durations import parse_duration_s

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session


_EngineVersion = Annotated[str | None, typer.Option(help="PostgreSQL version, such as 17 or 17.10.")]
_Locale = Annotated[
    str | None, typer.Option(help="Locale of the databases.  [default: en_US.UTF-8, or C.UTF-8 where that is missing]")
]
_LocaleProvider = Annotated[str | None, typer.Option(help="What sorts text: libc, icu or builtin.  [default: libc]")]
_DatabaseName = Annotated[str | None, typer.Option(help="Name of the first database.  [default: postgres]")]
_MasterUsername = Annotated[str | None, typer.Option(help="Name of the master user.  [default: postgres]")]
_Password = Annotated[
    str | None, typer.Option(help="Password of the master user; - reads it from stdin.  [default: generated]")
]
_Port = Annotated[int | None, typer.Option(help="Port of all addresses.  [default: 5432 or the next free one]")]
_Retain = Annotated[bool, typer.Option("--retain", help="Keep a cluster whose creation failed, to inspect it.")]
_Iam = Annotated[
    bool | None,
    typer.Option(
        "--enable-iam-database-authentication/--no-enable-iam-database-authentication",
        help="Members of rds_iam log in with tokens of AWS, and with nothing else.",
    ),
]
_Region = Annotated[str | None, typer.Option(help="Region that names the Availability Zones.  [default: us-east-1]")]
_Window = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Such as 24h, or 3600 (seconds); 0 disables backtracking.  [default: 24h]"),
]
_Durability = Annotated[
    str | None,
    typer.Option(
        metavar="[machine|everywhere|none]",
        help="What is flushed to disk: the writer, all copies, or nothing.  [default: everywhere]",
    ),
]
_ChangedDurability = Annotated[
    str | None,
    typer.Option(
        metavar="[machine|everywhere|none]", help="What is flushed to disk: the writer, all copies, or nothing."
    ),
]


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
    app.command("cancel-operation", epilog="Example: auroractl cancel-operation demo")(cancel_operation)


def create_cluster(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the new cluster.")],
    readers: Annotated[int | None, typer.Option(help="Number of readers, 0 to 15.  [default: 2]")] = None,
    no_instances: Annotated[
        bool,
        typer.Option(
            "--no-instances", help="Create only endpoints and a volume; create-instance then creates the writer."
        ),
    ] = False,
    engine_version: _EngineVersion = None,
    locale: _Locale = None,
    locale_provider: _LocaleProvider = None,
    database_name: _DatabaseName = None,
    master_username: _MasterUsername = None,
    master_user_password: _Password = None,
    port: _Port = None,
    region: _Region = None,
    backtrack_window: _Window = None,
    durability: _Durability = None,
    deletion_protection: Annotated[bool, typer.Option(help="Refuse to delete the cluster.")] = False,
    iam_authentication: _Iam = None,
    parameter_group: ClusterGroupOption = None,
    tags: TagsOption = None,
    retain: _Retain = False,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="Succeed without changes if the cluster exists.")
    ] = False,
) -> None:
    """Create a cluster: a writer, readers, and endpoints with stable addresses."""
    if no_instances and readers is not None:
        raise UsageError("--no-instances and --readers exclude each other.", "Omit one of them")
    request = requests.clusters.CreateCluster(
        cluster=name,
        readers=requests.clusters.READERS_DEFAULT if readers is None else readers,
        no_instances=no_instances,
        engine_version=engine_version,
        locale=locale,
        locale_provider=locale_provider,
        database_name=database_name,
        master_username=master_username,
        master_user_password=_password(master_user_password),
        port=port,
        region=region,
        backtrack_window_s=parse_duration_s(backtrack_window) if backtrack_window else None,
        durability=durability,
        deletion_protection=deletion_protection,
        iam_authentication=bool(iam_authentication),
        parameter_group=parameter_group,
        tags=parse_tags(tags) or {},
        retain=retain,
    )
    document = session(context).change(request, requests.Options(if_not_exists=if_not_exists))
    session(context).show(document, sentences.created, text.cluster)


def describe_clusters(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """Describe all clusters, or one."""
    document = session(context).ask("describe-clusters", {"DBClusterIdentifier": session(context).named(name)})
    session(context).show(document, lazy("clusters"), text.clusters)


def describe_endpoints(
    context: typer.Context,
    name: ClusterArgument = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            "--db-cluster-endpoint-identifier",
            help="Show only this one.",
            autocompletion=name_completion.endpoints,
        ),
    ] = None,
) -> None:
    """Describe all endpoints, or those of a cluster."""
    body = {"DBClusterIdentifier": session(context).named(name), "DBClusterEndpointIdentifier": endpoint}
    document = session(context).ask("describe-endpoints", body)
    session(context).show(document, lazy("endpoints"), text.endpoints)


def status(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """Show one cluster on one screen; exit code 3 if it is stopped or degraded."""
    this = session(context)
    document = this.ask("describe-status", {"DBClusterIdentifier": this.cluster(name)})
    this.show(document, lazy("status"), text.instances)
    if document["DBCluster"]["Health"] != "ok":
        leave(ExitCode.NOT_RUNNING)


def scale_readers(
    context: typer.Context,
    name: ClusterArgument = None,
    readers: Annotated[
        str | None, typer.Argument(metavar="[READERS]", help="The number of readers, 0 to 15; same as --to.")
    ] = None,
    to: Annotated[int | None, typer.Option(help="The number of readers, 0 to 15.")] = None,
    add: Annotated[int | None, typer.Option(help="Add this many readers.")] = None,
    remove: Annotated[int | None, typer.Option(help="Remove this many readers.")] = None,
) -> None:
    """Change the number of readers while clients keep reading."""
    this = session(context)
    name, number = _number_of_readers(name, readers)
    to = once(number, to, "--to")
    request = requests.clusters.ScaleReaders(cluster=this.cluster(name), to=to, add=add, remove=remove)
    document = this.change(request)
    this.show(document, lazy("scaled"), text.instances)


def _number_of_readers(name: str | None, readers: str | None) -> tuple[str | None, int | None]:
    """Return the cluster and the number of readers from the arguments; a single number is never a cluster.

    Raises UsageError if the number has a sign: +1 could mean one reader, or one more.
    """
    if name is not None and readers is None and name.isdecimal():
        name, readers = None, name
    if readers is not None and not readers.isdecimal():
        raise UsageError(f"{readers!r} is not a number of readers.", "Use --to NUMBER, --add NUMBER or --remove NUMBER")
    return name, None if readers is None else int(readers)


def failover(
    context: typer.Context,
    name: ClusterArgument = None,
    reader: Annotated[
        str | None,
        typer.Argument(
            metavar="[READER]",
            help="The reader to promote; same as --target.",
            autocompletion=name_completion.instances,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            "--target-db-instance-identifier",
            help="The reader to promote.  [default: by promotion tier]",
            autocompletion=name_completion.instances,
        ),
    ] = None,
    allow_data_loss: Annotated[
        bool,
        typer.Option("--allow-data-loss", help="Promote even if fewer than three storage nodes can be read."),
    ] = False,
    like_aws: Annotated[
        bool,
        typer.Option("--like-aws", help="Rehearse AWS's time: really have no writer for half a minute."),
    ] = False,
) -> None:
    """Promote a reader to writer: planned if the writer is healthy, unplanned if it is dead."""
    this = session(context)
    target = once(reader, target, "--target")
    request = requests.clusters.Failover(
        cluster=this.cluster(name), target=target, allow_data_loss=allow_data_loss, like_aws=like_aws
    )
    this.show(this.change(request), sentences.failed_over, text.failover)


def stop_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """Stop a cluster; its data is kept."""
    this = session(context)
    document = this.change(requests.clusters.StopCluster(cluster=this.cluster(name)))
    this.show(document, sentences.changed, text.cluster)


def start_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
    allow_data_loss: Annotated[
        bool,
        typer.Option("--allow-data-loss", help="After a power cut, continue with what may lack commits."),
    ] = False,
) -> None:
    """Start a stopped cluster, or the missing parts of a running one."""
    this = session(context)
    request = requests.clusters.StartCluster(cluster=this.cluster(name), allow_data_loss=allow_data_loss)
    document = this.change(request)
    this.show(document, sentences.changed, text.cluster)


def modify_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
    deletion_protection: Annotated[bool | None, typer.Option(help="Refuse to delete the cluster, or allow it.")] = None,
    backtrack_window: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Such as 24h, or 3600 (seconds).")
    ] = None,
    iam_authentication: _Iam = None,
    durability: _ChangedDurability = None,
    parameter_group: ClusterGroupOption = None,
    tags: TagsOption = None,
    remove_tags: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Remove this tag; repeatable.")] = None,
    master_user_password: Annotated[
        str | None, typer.Option(help="New password of the master user; - reads it from stdin.")
    ] = None,
    engine_version: Annotated[
        str | None,
        typer.Option(help="Newer minor version, such as 17 for the newest here; the cluster must be stopped."),
    ] = None,
) -> None:
    """Change a cluster's settings, tags, parameter group, password, durability or engine version."""
    this = session(context)
    request = requests.clusters.ModifyCluster(
        cluster=this.cluster(name),
        deletion_protection=deletion_protection,
        backtrack_window_s=parse_duration_s(backtrack_window) if backtrack_window else None,
        iam_authentication=iam_authentication,
        durability=durability,
        parameter_group=parameter_group,
        tags=parse_tags(tags),
        remove_tags=tuple(remove_tags or ()),
        master_user_password=_password(master_user_password),
        engine_version=engine_version,
    )
    this.show(this.change(request), lazy("clusters"), text.cluster)


def delete_cluster(
    context: typer.Context,
    name: ClusterArgument = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip confirmation.")] = False,
    if_exists: Annotated[bool, typer.Option("--if-exists", help="Succeed if the cluster does not exist.")] = False,
) -> None:
    """Delete a cluster with all its data; cancel its creation if that is still running."""
    this = session(context)
    chosen = this.cluster(name)
    if not (yes or this.dry_run or (if_exists and chosen and _is_absent(this, chosen))):
        found = this.ask("describe-status", {"DBClusterIdentifier": chosen})["DBCluster"]["DBClusterIdentifier"]
        prompts.require_name(found, f"Deleting {found} with all its data")
    document = this.change(requests.clusters.DeleteCluster(cluster=chosen), requests.Options(if_exists=if_exists))
    this.show(document, sentences.deleting if this.no_wait else sentences.deleted, text.deleted)


def cancel_operation(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """Cancel a cluster's running operation and undo it; exit code 5 if it is past its point of no return."""
    this = session(context)
    document = this.change(requests.clusters.CancelOperation(cluster=this.cluster(name)))
    this.show(document, sentences.cancelled, text.cancelled)


def _password(given: str | None) -> str | None:
    """Read a password from standard input if `-` was given."""
    return sys.stdin.readline().rstrip("\n") if given == "-" else given


def _is_absent(this: Session, cluster: str) -> bool:
    return cluster.lower() not in this.ask("names", {})["Clusters"]
