"""simulate: the durability of a simulated volume."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from auroractl.cli.invocation import session
from auroractl.cli.render import lazy, text
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.text.durations import parse_duration_s
from auroractl.core.text.sizes import parse_size_bytes

app = typer.Typer(help="Compute the durability of a volume.", rich_markup_mode=None, no_args_is_help=True)

_BITS = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "tbit": 1e12}


class SchemeChoice(StrEnum):
    """The quorum schemes to simulate."""

    FOUR_OF_SIX = "4/6"
    TWO_OF_THREE = "2/3"
    BOTH = "both"


def parse_bits_per_s(text: str) -> float:
    """Parse a rate such as 10Gbit/s to bits per second.

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
    size: Annotated[str, typer.Option(metavar="SIZE", help="Size of the volume.")] = "128TiB",
    initial_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Initial size, from which it grows evenly.  [default: the full size]"),
    ] = None,
    group_size: Annotated[str, typer.Option(metavar="SIZE", help="Size of a protection group's segments.")] = "10GiB",
    years: Annotated[float, typer.Option(help="Simulated years per run.")] = 1.0,
    runs: Annotated[int, typer.Option(min=1, max=100_000, help="Number of independent runs.")] = 20,
    node_mttf: Annotated[str, typer.Option(metavar="DURATION", help="Mean time until a copy is destroyed.")] = "365d",
    az_outages_per_year: Annotated[float, typer.Option(help="Outages per Availability Zone and year.")] = 0.1,
    az_outage_duration: Annotated[str, typer.Option(metavar="DURATION", help="Duration of an outage.")] = "4h",
    detection_time: Annotated[
        str, typer.Option(metavar="DURATION", help="Time until a destroyed copy is noticed.")
    ] = "10s",
    bandwidth: Annotated[str, typer.Option(metavar="RATE", help="Rate at which a copy is restored.")] = "10Gbit/s",
    scheme: Annotated[
        SchemeChoice, typer.Option(help="Quorum scheme: Aurora's, two of three, or both.")
    ] = SchemeChoice.BOTH,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers; the same seed gives the same result.")] = 1,
) -> None:
    """Simulate years of failures of a large volume, and count losses of quorums and data.

    Nothing is started or changed. Each simulated figure is shown with its exact expectation.
    """
    from auroractl.core.simulation.durability import SCHEMES, Assumptions  # noqa: PLC0415  (only this command needs them)
    from auroractl.core.simulation.fleet import simulate  # noqa: PLC0415
    from auroractl.core.simulation.view import simulation_view  # noqa: PLC0415

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
