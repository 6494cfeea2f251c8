"""Commands that compute instead of changing anything."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from auroractl.cli.options import OutputOption
from auroractl.cli.render import lazy, text
from auroractl.cli.session import session
from auroractl.core.durations import parse_duration_s
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.sizes import parse_size_bytes

app = typer.Typer(help="Compute what a volume could stand.", rich_markup_mode=None, no_args_is_help=True)

_BITS = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12}


class SchemeChoice(StrEnum):
    """Which quorum schemes are simulated."""

    FOUR_OF_SIX = "4/6"
    TWO_OF_THREE = "2/3"
    BOTH = "both"


def parse_bits_per_s(text: str) -> float:
    """Bits per second for a rate such as 10Gbit/s.

    >>> parse_bits_per_s("10Gbit/s")
    10000000000.0

    Raises InvalidParameterValue for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?bit)(?:/s)?", text.strip().lower())
    if not match:
        raise InvalidParameterValue(f"{text!r} is not a bandwidth.", "Write a number with a unit: 10Gbit/s, 800Mbit/s")
    return float(match[1]) * _BITS[match[2]]


@app.command("volume", epilog="Example: auroractl simulate volume --size 128TiB --scheme both")
def volume(
    context: typer.Context,
    size: Annotated[str, typer.Option(metavar="SIZE", help="What the volume holds.")] = "128TiB",
    initial_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What it begins with, growing evenly; else it has its full size.")
    ] = None,
    group_size: Annotated[str, typer.Option(metavar="SIZE", help="Size of a protection group's segments.")] = "10GiB",
    years: Annotated[float, typer.Option(help="How many years each run lasts.")] = 1.0,
    runs: Annotated[int, typer.Option(min=1, max=100_000, help="How many independent runs.")] = 20,
    node_mttf: Annotated[
        str, typer.Option(metavar="DURATION", help="Mean time until a copy is destroyed: 365d.")
    ] = "365d",
    az_outages_per_year: Annotated[float, typer.Option(help="Outages of each Availability Zone.")] = 0.1,
    az_outage_duration: Annotated[
        str, typer.Option(metavar="DURATION", help="How long a zone cannot be reached.")
    ] = "4h",
    detection_time: Annotated[str, typer.Option(metavar="DURATION", help="Until a destroyed copy is noticed.")] = "10s",
    bandwidth: Annotated[str, typer.Option(metavar="RATE", help="At which a copy is made anew.")] = "10Gbit/s",
    scheme: Annotated[SchemeChoice, typer.Option(help="Quorum scheme: Aurora's, or two of three.")] = SchemeChoice.BOTH,
    seed: Annotated[int, typer.Option(help="The same seed gives the same result.")] = 1,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Simulate years of failures of a large volume: how often it would lose its quorums or data.

    Nothing is started or changed. Beside each simulated figure stands the exact expectation.
    """
    from auroractl.core.durability import SCHEMES, Assumptions  # noqa: PLC0415  (only this command needs them)
    from auroractl.core.simulation import simulate  # noqa: PLC0415
    from auroractl.core.simulation_view import simulation_view  # noqa: PLC0415

    assumptions = Assumptions(
        size_bytes=parse_size_bytes(size),
        initial_bytes=None if initial_size is None else parse_size_bytes(initial_size),
        years=years,
        node_mttf_s=parse_duration_s(node_mttf),
        az_outages_per_year=az_outages_per_year,
        az_outage_s=parse_duration_s(az_outage_duration),
        detection_s=parse_duration_s(detection_time),
        bandwidth_bits_per_s=parse_bits_per_s(bandwidth),
        group_bytes=parse_size_bytes(group_size),
    )
    results = {}
    for name, make in SCHEMES.items():
        if scheme.value in {name, SchemeChoice.BOTH.value}:
            made = make()
            results[name] = made, list(simulate(made, assumptions, runs, seed))
    document = {"VolumeSimulation": simulation_view(assumptions, seed, results)}
    session(context).show(document, lazy("simulation"), text.simulation)
