"""Commands about the storage volume."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.api import requests
from auroractl.cli import name_completion
from auroractl.cli.invocation import leave, session
from auroractl.cli.options import ClusterArgument
from auroractl.cli.render import lazy, sentences, text
from auroractl.core.errors import ExitCode
from auroractl.core.text.sizes import parse_size_bytes

NodeArgument = Annotated[
    str,
    typer.Argument(
        metavar="NODE", help="The storage node's identifier or number.", autocompletion=name_completion.storage_nodes
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
) -> None:
    """Describe storage volumes with their sizes, quorums and storage nodes."""
    document = session(context).ask("describe-volumes", {"DBClusterIdentifier": session(context).named(name)})
    session(context).show(document, lazy("volumes"), text.volumes)


def storage_autogrow(
    context: typer.Context,
    name: ClusterArgument = None,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Enable or disable automatic growth.")
    ] = None,
    max_capacity: Annotated[str | None, typer.Option(metavar="SIZE", help="Maximum size, up to 128TiB.")] = None,
    increment: Annotated[str | None, typer.Option(metavar="SIZE", help="Minimum growth at a time.")] = None,
    headroom: Annotated[
        int | None, typer.Option(metavar="PERCENT", help="Share of the allocated space to keep free.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan, as JSON.")] = False,
) -> None:
    """Change a volume's growth settings, and grow it now if that is due."""
    this = session(context)
    request = requests.volumes.StorageAutogrow(
        cluster=this.cluster(name),
        auto_grow=enable,
        max_capacity_bytes=None if max_capacity is None else parse_size_bytes(max_capacity),
        increment_bytes=None if increment is None else parse_size_bytes(increment),
        headroom_percent=headroom,
    )
    document = this.change(request, requests.Options(dry_run=dry_run))
    if dry_run:
        this.show_json(document)
    else:
        this.show(document, sentences.growth, text.growth)


def scrub_volume(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """Read all finished WAL on all storage nodes and repair damage; exit code 1 for damage beyond repair."""
    this = session(context)
    document = this.change(requests.volumes.ScrubVolume(cluster=this.cluster(name)))
    this.show(document, sentences.scrub, text.scrub)
    if not this.dry_run and document["Scrub"]["BeyondRepair"]:
        leave(ExitCode.FAILED)


def replace_storage_node(
    context: typer.Context,
    node: NodeArgument,
) -> None:
    """Replace a storage node, dead or alive, with a new one while writes continue."""
    this = session(context)
    request = requests.volumes.ReplaceStorageNode(cluster=this.cluster(), node=node)
    this.show(this.change(request), lazy("volumes"), text.volumes)
