"""inject-fault: real faults for rehearsals, ended by a duration or by command."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.api import requests
from auroractl.cli import name_completion
from auroractl.cli.invocation import session
from auroractl.cli.render import sentences, text
from auroractl.cli.volumes import NodeArgument
from auroractl.core.text.durations import parse_duration_ms, parse_duration_s

if TYPE_CHECKING:
    from auroractl.api.requests.faults import FaultRequest

app = typer.Typer(
    help="Inject a fault: on instances, endpoints, storage nodes, finished WAL or a whole Availability Zone.",
    epilog="Example: auroractl inject-fault az-outage us-east-1b --duration 30s",
    no_args_is_help=True,
)


class How(StrEnum):
    """Kinds of damage to a segment."""

    FLIP = "flip"
    TRUNCATE = "truncate"
    CONTENT = "content"
    DELETE = "delete"


DurationOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help="End the fault after this time, such as 30s or 5m.")
]
FaultyInstance = Annotated[
    str,
    typer.Argument(
        metavar="INSTANCE",
        help="The instance's identifier, or `writer`.",
        autocompletion=name_completion.faulty_instances,
    ),
]
ReaderArgument = Annotated[
    str, typer.Argument(metavar="READER", help="The reader's identifier.", autocompletion=name_completion.instances)
]
FaultyEndpoint = Annotated[
    str,
    typer.Argument(
        metavar="ENDPOINT",
        help="The endpoint's identifier, or `writer` or `reader`.",
        autocompletion=name_completion.endpoints,
    ),
]
DelayOption = Annotated[str, typer.Option(metavar="DURATION", help="The delay, such as 250ms or 30s.")]
ZoneArgument = Annotated[str, typer.Argument(metavar="AZ", help="The Availability Zone.")]


def _inject(context: typer.Context, request: FaultRequest) -> None:
    this = session(context)
    this.show(this.change(request), sentences.injected, text.injected)


def _seconds(duration: str | None) -> int | None:
    return None if duration is None else parse_duration_s(duration)


def _milliseconds(delay: str) -> int:
    return round(parse_duration_ms(delay))


@app.command("crash-storage-node", epilog="Example: auroractl inject-fault crash-storage-node demo-storage-3")
def crash_storage_node(
    context: typer.Context,
    node: NodeArgument,
    duration: DurationOption = None,
) -> None:
    """Kill a storage node (SIGKILL); it restarts at once, or after a duration."""
    request = requests.faults.CrashStorageNode(
        cluster=session(context).cluster(), target=node, duration_s=_seconds(duration)
    )
    _inject(context, request)


@app.command("hang-storage-node", epilog="Example: auroractl inject-fault hang-storage-node 3 --duration 10s")
def hang_storage_node(
    context: typer.Context,
    node: NodeArgument,
    duration: DurationOption = None,
) -> None:
    """Freeze a storage node (SIGSTOP) for a duration, or until the fault is ended."""
    request = requests.faults.HangStorageNode(
        cluster=session(context).cluster(), target=node, duration_s=_seconds(duration)
    )
    _inject(context, request)


@app.command("wipe-storage-node", epilog="Example: auroractl inject-fault wipe-storage-node demo-storage-3")
def wipe_storage_node(
    context: typer.Context,
    node: NodeArgument,
) -> None:
    """Kill a storage node and remove all its data; it is refilled from its peers."""
    _inject(context, requests.faults.WipeStorageNode(cluster=session(context).cluster(), target=node))


@app.command("corrupt-segment", epilog="Example: auroractl inject-fault corrupt-segment 3 --how truncate --count 5")
def corrupt_segment(
    context: typer.Context,
    node: NodeArgument,
    how: Annotated[How, typer.Option(help="The kind of damage.")] = How.FLIP,
    count: Annotated[int, typer.Option(help="How many segments to damage.")] = 1,
    seed: Annotated[int | None, typer.Option(help="The same seed chooses the same segments and bits.")] = None,
) -> None:
    """Damage finished segments of a storage node, chosen at random."""
    from auroractl.core.volume.faults import Damage  # noqa: PLC0415  (only here)

    request = requests.faults.CorruptSegment(
        cluster=session(context).cluster(), target=node, how=Damage(how), count=count, seed=seed
    )
    _inject(context, request)


@app.command("crash-instance", epilog="Example: auroractl inject-fault crash-instance writer --cluster demo")
def crash_instance(
    context: typer.Context,
    instance: FaultyInstance,
) -> None:
    """Kill every process of an instance (SIGKILL)."""
    _inject(context, requests.faults.CrashInstance(cluster=session(context).cluster(), target=instance))


@app.command("hang-instance", epilog="Example: auroractl inject-fault hang-instance writer --cluster demo")
def hang_instance(
    context: typer.Context,
    instance: FaultyInstance,
) -> None:
    """Freeze every process of an instance (SIGSTOP)."""
    _inject(context, requests.faults.HangInstance(cluster=session(context).cluster(), target=instance))


@app.command("replica-lag", epilog="Example: auroractl inject-fault replica-lag demo-instance-2 --delay 30s")
def replica_lag(
    context: typer.Context,
    reader: ReaderArgument,
    delay: DelayOption,
    duration: DurationOption = None,
) -> None:
    """Delay a reader's replay of every change, for a duration or until the fault is ended."""
    request = requests.faults.ReplicaLag(
        cluster=session(context).cluster(), target=reader, delay_ms=_milliseconds(delay), duration_s=_seconds(duration)
    )
    _inject(context, request)


@app.command("partition-instance", epilog="Example: auroractl inject-fault partition-instance demo-instance-2")
def partition_instance(
    context: typer.Context,
    reader: ReaderArgument,
    duration: DurationOption = None,
) -> None:
    """Cut a reader off from the writer, for a duration or until the fault is ended; clients still reach it."""
    request = requests.faults.PartitionInstance(
        cluster=session(context).cluster(), target=reader, duration_s=_seconds(duration)
    )
    _inject(context, request)


@app.command("slow-endpoint", epilog="Example: auroractl inject-fault slow-endpoint reader --delay 50ms --duration 1m")
def slow_endpoint(
    context: typer.Context,
    endpoint: FaultyEndpoint,
    delay: DelayOption,
    duration: DurationOption = None,
) -> None:
    """Delay every request through an endpoint, including those on open connections."""
    request = requests.faults.SlowEndpoint(
        cluster=session(context).cluster(),
        target=endpoint,
        delay_ms=_milliseconds(delay),
        duration_s=_seconds(duration),
    )
    _inject(context, request)


@app.command("refuse-endpoint", epilog="Example: auroractl inject-fault refuse-endpoint writer --duration 20s")
def refuse_endpoint(
    context: typer.Context,
    endpoint: FaultyEndpoint,
    duration: DurationOption = None,
) -> None:
    """Refuse new connections to an endpoint; open ones continue."""
    request = requests.faults.RefuseEndpoint(
        cluster=session(context).cluster(), target=endpoint, duration_s=_seconds(duration)
    )
    _inject(context, request)


@app.command("az-outage", epilog="Example: auroractl inject-fault az-outage us-east-1b --duration 30s")
def az_outage(
    context: typer.Context,
    zone: ZoneArgument,
    duration: DurationOption = None,
) -> None:
    """Kill all storage nodes and instances of an Availability Zone and keep them down."""
    _inject(
        context,
        requests.faults.AzOutage(cluster=session(context).cluster(), target=zone, duration_s=_seconds(duration)),
    )


@app.command("az-restore", epilog="Example: auroractl inject-fault az-restore us-east-1b")
def az_restore(
    context: typer.Context,
    zone: ZoneArgument,
) -> None:
    """End the outage of an Availability Zone before its duration is over."""
    _inject(context, requests.faults.EndFault(cluster=session(context).cluster(), target=zone))


@app.command("restore", epilog="Example: auroractl inject-fault restore demo-storage-3")
def restore(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="The target of the fault: a storage node, an instance, an endpoint or an AZ.",
            autocompletion=name_completion.targets,
        ),
    ],
) -> None:
    """End an injected fault before its duration is over."""
    _inject(context, requests.faults.EndFault(cluster=session(context).cluster(), target=target))
