"""inject-fault: real faults for rehearsals, each undone by time or by hand."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from auroractl.cli import names
from auroractl.cli.options import ClusterOption, OutputOption
from auroractl.cli.render import sentences, text
from auroractl.cli.session import session
from auroractl.cli.volumes import NodeArgument
from auroractl.core.durations import parse_duration_ms, parse_duration_s

app = typer.Typer(
    help="Break something on purpose: instances, endpoints, storage nodes, finished log, a whole Availability Zone.",
    epilog="Example: auroractl inject-fault az-outage us-east-1b --duration 30s",
    no_args_is_help=True,
)


class How(StrEnum):
    """Ways of damaging a segment."""

    FLIP = "flip"
    TRUNCATE = "truncate"
    CONTENT = "content"
    DELETE = "delete"


DurationOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Restore by itself after this time, such as 30s or 5m.")
]
FaultyInstance = Annotated[
    str,
    typer.Argument(
        metavar="INSTANCE",
        help="The instance's identifier, or `writer` for the one that writes.",
        autocompletion=names.faulty_instances,
    ),
]
ReaderArgument = Annotated[
    str, typer.Argument(metavar="READER", help="The reader's identifier.", autocompletion=names.instances)
]
FaultyEndpoint = Annotated[
    str,
    typer.Argument(
        metavar="ENDPOINT", help="The endpoint's identifier, or `writer` or `reader`.", autocompletion=names.endpoints
    ),
]
DelayOption = Annotated[str, typer.Option(metavar="DURATION", help="By how much, such as 250ms or 30s.")]
ZoneArgument = Annotated[str, typer.Argument(metavar="AZ", help="The Availability Zone.")]


def _inject(
    context: typer.Context, kind: str, cluster: str | None, target: str, duration: str | None = None, **more: Any
) -> None:
    this = session(context)
    body = {
        "DBClusterIdentifier": this.cluster(cluster, None),
        "Kind": kind,
        "Target": target,
        "DurationSeconds": None if duration is None else parse_duration_s(duration),
        **more,
    }
    this.show(this.change("inject-fault", body), sentences.injected, text.injected)


@app.command("crash-storage-node", epilog="Example: auroractl inject-fault crash-storage-node demo-storage-3")
def crash_storage_node(
    context: typer.Context,
    node: NodeArgument,
    duration: DurationOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Kill a storage node (SIGKILL); it is restarted at once, or stays down for a duration."""
    _inject(context, "crash-storage-node", cluster, node, duration)


@app.command("hang-storage-node", epilog="Example: auroractl inject-fault hang-storage-node 3 --duration 10s")
def hang_storage_node(
    context: typer.Context,
    node: NodeArgument,
    duration: DurationOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Freeze a storage node (SIGSTOP) for a duration, or until it is restored."""
    _inject(context, "hang-storage-node", cluster, node, duration)


@app.command("wipe-storage-node", epilog="Example: auroractl inject-fault wipe-storage-node demo-storage-3")
def wipe_storage_node(
    context: typer.Context,
    node: NodeArgument,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Kill a storage node and remove all that it holds; it is filled again from its peers."""
    _inject(context, "wipe-storage-node", cluster, node)


@app.command("corrupt-segment", epilog="Example: auroractl inject-fault corrupt-segment 3 --how truncate --count 5")
def corrupt_segment(
    context: typer.Context,
    node: NodeArgument,
    how: Annotated[How, typer.Option(help="What is done to a segment.")] = How.FLIP,
    count: Annotated[int, typer.Option(help="How many times.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Choose the same segments and bits again.")] = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Damage finished segments of a storage node, chosen at random."""
    _inject(context, "corrupt-segment", cluster, node, How=how.value, Count=count, Seed=seed)


@app.command("crash-instance", epilog="Example: auroractl inject-fault crash-instance writer --cluster demo")
def crash_instance(
    context: typer.Context,
    instance: FaultyInstance,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Kill every process of an instance (SIGKILL)."""
    _inject(context, "crash-instance", cluster, instance)


@app.command("hang-instance", epilog="Example: auroractl inject-fault hang-instance writer --cluster demo")
def hang_instance(
    context: typer.Context,
    instance: FaultyInstance,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Freeze every process of an instance (SIGSTOP)."""
    _inject(context, "hang-instance", cluster, instance)


@app.command("replica-lag", epilog="Example: auroractl inject-fault replica-lag demo-instance-2 --delay 30s")
def replica_lag(
    context: typer.Context,
    reader: ReaderArgument,
    delay: DelayOption,
    duration: DurationOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Have a reader apply every change late, for a duration or until it is restored."""
    _inject(context, "replica-lag", cluster, reader, duration, DelayMilliseconds=round(parse_duration_ms(delay)))


@app.command("partition-instance", epilog="Example: auroractl inject-fault partition-instance demo-instance-2")
def partition_instance(
    context: typer.Context,
    reader: ReaderArgument,
    duration: DurationOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Cut a reader off from the writer, for a duration or until it is restored; clients still reach it."""
    _inject(context, "partition-instance", cluster, reader, duration)


@app.command("slow-endpoint", epilog="Example: auroractl inject-fault slow-endpoint reader --delay 50ms --duration 1m")
def slow_endpoint(
    context: typer.Context,
    endpoint: FaultyEndpoint,
    delay: DelayOption,
    duration: DurationOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Delay every request through an endpoint, on open connections too."""
    _inject(context, "slow-endpoint", cluster, endpoint, duration, DelayMilliseconds=round(parse_duration_ms(delay)))


@app.command("refuse-endpoint", epilog="Example: auroractl inject-fault refuse-endpoint writer --duration 20s")
def refuse_endpoint(
    context: typer.Context,
    endpoint: FaultyEndpoint,
    duration: DurationOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Refuse new connections to an endpoint; open ones go on."""
    _inject(context, "refuse-endpoint", cluster, endpoint, duration)


@app.command("az-outage", epilog="Example: auroractl inject-fault az-outage us-east-1b --duration 30s")
def az_outage(
    context: typer.Context,
    zone: ZoneArgument,
    duration: DurationOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Kill all storage nodes and instances of an Availability Zone and keep them down."""
    _inject(context, "az-outage", cluster, zone, duration)


@app.command("az-restore", epilog="Example: auroractl inject-fault az-restore us-east-1b")
def az_restore(
    context: typer.Context,
    zone: ZoneArgument,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Bring an Availability Zone back before its time."""
    _inject(context, "restore", cluster, zone)


@app.command("restore", epilog="Example: auroractl inject-fault restore demo-storage-3")
def restore(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="What the fault is on: a storage node, an instance, an endpoint or an AZ.",
            autocompletion=names.targets,
        ),
    ],
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """End an injected fault before its time."""
    _inject(context, "restore", cluster, target)
