"""python -m bench [NAME ...] [--json FILE]: runs the benchmarks and prints a table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import (
    backtrack,
    commit,
    create,
    drivers,
    endpoint,
    engines,
    failover,
    lost_writer,
    patroni,
    schema,
    startup,
    testing,
    tls,
    versions,
    volume,
)
from bench.setting import Setting, in_a_home_of_its_own
from bench.verdict import Figure

BENCHMARKS = {
    "startup": startup.run,
    "testing": testing.run,
    "commit": commit.run,
    "create": create.run,
    "engines": engines.run,
    "endpoint": endpoint.run,
    "tls": tls.run,
    "drivers": drivers.run,
    "failover": failover.run,
    "lost-writer": lost_writer.run,
    "patroni": patroni.run,
    "schema": schema.run,
    "volume": volume.run,
    "refill": volume.run_refill,
    "recovery": volume.run_recovery,
    "backtrack": backtrack.run,
    "backtrack-sizes": backtrack.run_sizes,
    "backtrack-cost": backtrack.run_cost,
    "versions": versions.run,
}

_ASKED_FOR = {"versions"}
"""Run only where they are named: they need more than this checkout."""
WIDTH = 160
"""Of the table where there is no terminal."""


def main() -> None:
    """Run what was asked for, one after another, in one home of their own."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which ones; without, all but versions")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with in_a_home_of_its_own() as setting:
        for name in arguments.names or (each for each in BENCHMARKS if each not in _ASKED_FOR):
            figures += _measure(name, setting)
    _print(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps([figure.to_json() for figure in figures], indent=2) + "\n")


def _measure(name: str, setting: Setting) -> list[Figure]:
    Console(stderr=True).print(f"measuring {name} ...")
    return BENCHMARKS[name](setting)


def _print(figures: list[Figure]) -> None:
    table = Table("what", "auroractl", "baseline", "value", "ratio", "limit", "")
    for figure in figures:
        table.add_row(*figure.to_row())
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)


if __name__ == "__main__":
    main()
