"""inject-fault: real faults for rehearsals, ended by a duration or by command."""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.api import requests
from auroractl.cli import name_completion
from auroractl.cli.invocation import session
from auroractl.cli.render import sentences, text
from auroractl.cli.volumes import NodeArgument
from auroractl.core.text.durations import parse_duration_ms, parse_duration_s

if TYPE_CHECKING:
    from auroractl.api.requests.faults import DnsLag, FaultRequest

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
TargetArgument = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="The target of the fault: a storage node, an instance, an endpoint, an AZ or DNS.",
        autocompletion=name_completion.targets,
    ),
]
DelayOption = Annotated[str, typer.Option(metavar="DURATION", help="The delay, such as 250ms or 30s.")]
ZoneArgument = Annotated[str, typer.Argument(metavar="AZ", help="The Availability Zone.")]


_CONTEXT = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
_DELAY = inspect.Parameter("delay", inspect.Parameter.KEYWORD_ONLY, annotation=DelayOption)
_DURATION = inspect.Parameter("duration", inspect.Parameter.KEYWORD_ONLY, annotation=DurationOption, default=None)


def _inject(context: typer.Context, request: FaultRequest | DnsLag) -> None:
    this = session(context)
    this.show(this.change(request), sentences.injected, text.injected)


def _add(name: str, argument: Any, summary: str, *options: inspect.Parameter, example: str, request: str = "") -> None:
    """Add a command that asks for a fault on a target; its request is named like the command by default."""

    def command(context: typer.Context, target: str, delay: str | None = None, duration: str | None = None) -> None:
        # Requests are loaded only when a command runs.
        kind = getattr(requests.faults, request or name.title().replace("-", ""))
        own: dict[str, Any] = {}
        if delay is not None:
            own["delay_ms"] = round(parse_duration_ms(delay))
        if duration is not None:
            own["duration_s"] = parse_duration_s(duration)
        _inject(context, kind(cluster=session(context).cluster(), target=target, **own))

    target = _CONTEXT.replace(name="target", annotation=argument)
    declared: Any = command
    declared.__signature__ = inspect.Signature([_CONTEXT, target, *options])
    app.command(name, help=summary, epilog=f"Example: auroractl inject-fault {name} {example}")(declared)


_add(
    "crash-storage-node",
    NodeArgument,
    "Kill a storage node (SIGKILL); it restarts at once, or after a duration.",
    _DURATION,
    example="demo-storage-3",
)
_add(
    "hang-storage-node",
    NodeArgument,
    "Freeze a storage node (SIGSTOP) for a duration, or until the fault is ended.",
    _DURATION,
    example="3 --duration 10s",
)
_add(
    "wipe-storage-node",
    NodeArgument,
    "Kill a storage node and remove all its data; it is refilled from its peers.",
    example="demo-storage-3",
)


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


_add(
    "crash-instance",
    FaultyInstance,
    "Kill every process of an instance (SIGKILL).",
    example="writer --cluster demo",
)
_add(
    "hang-instance",
    FaultyInstance,
    "Freeze every process of an instance (SIGSTOP).",
    example="writer --cluster demo",
)
_add(
    "replica-lag",
    ReaderArgument,
    "Delay a reader's replay of every change, for a duration or until the fault is ended.",
    _DELAY,
    _DURATION,
    example="demo-instance-2 --delay 30s",
)
_add(
    "partition-instance",
    ReaderArgument,
    "Cut a reader off from the writer, for a duration or until the fault is ended; clients still reach it.",
    _DURATION,
    example="demo-instance-2",
)
_add(
    "slow-endpoint",
    FaultyEndpoint,
    "Delay every request through an endpoint, including those on open connections.",
    _DELAY,
    _DURATION,
    example="reader --delay 50ms --duration 1m",
)
_add(
    "refuse-endpoint",
    FaultyEndpoint,
    "Refuse new connections to an endpoint; open ones continue.",
    _DURATION,
    example="writer --duration 20s",
)


@app.command("dns-lag", epilog="Example: auroractl inject-fault dns-lag --delay 15s")
def dns_lag(context: typer.Context, delay: DelayOption, duration: DurationOption = None) -> None:
    """Let DNS answer old addresses for a time after a change of roles; `restore dns` ends the fault."""
    request = requests.faults.DnsLag(
        cluster=session(context).cluster(),
        delay_ms=round(parse_duration_ms(delay)),
        duration_s=None if duration is None else parse_duration_s(duration),
    )
    _inject(context, request)


_add(
    "az-outage",
    ZoneArgument,
    "Kill all storage nodes and instances of an Availability Zone and keep them down.",
    _DURATION,
    example="us-east-1b --duration 30s",
)
_add(
    "az-restore",
    ZoneArgument,
    "End the outage of an Availability Zone before its duration is over.",
    example="us-east-1b",
    request="EndFault",
)
_add(
    "restore",
    TargetArgument,
    "End an injected fault before its duration is over.",
    example="demo-storage-3",
    request="EndFault",
)
