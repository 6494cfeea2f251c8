"""Commands about the storage volume."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.cli import names
from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption
from auroractl.cli.render import lazy, sentences, text
from auroractl.cli.session import leave, session
from auroractl.core.errors import ExitCode
from auroractl.core.sizes import parse_size_bytes

NodeArgument = Annotated[
    str,
    typer.Argument(
        metavar="NODE", help="The storage node: its identifier or its number.", autocompletion=names.storage_nodes
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("describe-volumes", epilog="Example: auroractl describe-volumes demo")(describe_volumes)
    app.command(
        "storage-autogrow", epilog="Example: auroractl storage-autogrow demo --max-capacity 64TiB --increment 20GiB"
    )(storage_autogrow)
    app.command("scrub-volume", epilog="Example: auroractl scrub-volume demo")(scrub_volume)
    app.command("replace-storage-node", epilog="Example: auroractl replace-storage-node demo-storage-3")(
        replace_storage_node
    )


def describe_volumes(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show storage volumes: what they hold, their quorums and their six storage nodes."""
    document = session(context).ask("describe-volumes", {"DBClusterIdentifier": name or cluster})
    session(context).show(document, lazy("volumes"), text.volumes)


def storage_autogrow(
    context: typer.Context,
    name: ClusterArgument = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether the volume grows by itself.")
    ] = None,
    max_capacity: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What it never grows beyond, up to 128TiB.")
    ] = None,
    increment: Annotated[str | None, typer.Option(metavar="SIZE", help="By how much it grows at least.")] = None,
    headroom: Annotated[
        int | None, typer.Option(metavar="PERCENT", help="How much of what is allocated is kept free.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan, as JSON.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Evaluate a volume now and grow it if that is due; change how it grows."""
    this = session(context)
    body = {
        "DBClusterIdentifier": this.cluster(name, cluster),
        "AutoGrow": enable,
        "MaxAllocatedBytes": None if max_capacity is None else parse_size_bytes(max_capacity),
        "IncrementBytes": None if increment is None else parse_size_bytes(increment),
        "HeadroomPercent": headroom,
        "DryRun": dry_run,
    }
    document = this.change("storage-autogrow", body)
    if dry_run:
        this.show_json(document)
    else:
        this.show(document, sentences.growth, text.growth)


def scrub_volume(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Read all finished log of all storage nodes now and repair what is damaged; exit code 1 for damage beyond repair."""
    this = session(context)
    document = this.change("scrub-volume", {"DBClusterIdentifier": this.cluster(name, cluster)})
    this.show(document, sentences.scrub, text.scrub)
    if not this.dry_run and document["Scrub"]["BeyondRepair"]:
        leave(ExitCode.FAILED)


def replace_storage_node(
    context: typer.Context,
    node: NodeArgument,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Put a new storage node in the place of one, dead or alive, while writes go on."""
    this = session(context)
    body = {"DBClusterIdentifier": this.cluster(cluster, None), "StorageNodeIdentifier": node}
    this.show(this.change("replace-storage-node", body), lazy("volumes"), text.volumes)
