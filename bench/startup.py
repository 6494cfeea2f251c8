"""Commands that only read, against a bare Typer program; and what they load."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 15
BARE = """\
import typer
app = typer.Typer()
@app.command()
def hello(name: str = "world") -> None:
    print("hello", name)
app()
"""
HEAVY = ("sqlalchemy", "alembic", "psycopg", "starlette", "uvicorn", "uvloop", "pydantic", "tomlkit", "rich")
COMPLETING = {"_AURORACTL_COMPLETE": "complete_bash", "COMP_WORDS": "auroractl describe-", "COMP_CWORD": "1"}

# A table is for a person and needs Rich; what scripts and shells wait for must not load it.
COMMANDS: tuple[tuple[str, Sequence[str], Mapping[str, str], float, frozenset[str]], ...] = (
    ("describe-clusters --output json", ("describe-clusters", "--output", "json"), {}, 2.0, frozenset()),
    ("status --output json", ("status", "--output", "json"), {}, 2.0, frozenset()),
    ("status", ("status",), {}, 3.0, frozenset({"rich"})),
    ("completion of a command", (), COMPLETING, 2.0, frozenset()),
)


def run(setting: Setting) -> list[Figure]:
    """Interleaved, the median of each."""
    setting.run("create-cluster", "startup")
    programs = {what: _argv(*arguments) for what, arguments, *_ in COMMANDS}
    variables = {what: {**setting.environment, **more} for what, _, more, *_ in COMMANDS}
    times_s: dict[str, list[float]] = {what: [] for what in (*programs, "bare")}
    for _ in range(ROUNDS):
        times_s["bare"].append(_elapsed_s([sys.executable, "-P", "-c", BARE], setting.environment))
        for what, argv in programs.items():
            times_s[what].append(_elapsed_s(argv, variables[what]))
    figures = []
    for what, _, _, ratio_max, may_load in COMMANDS:
        loaded = _loaded(programs[what], variables[what])
        figures.append(
            Figure(
                what,
                statistics.median(times_s[what]) * 1000,
                "ms",
                "a bare Typer program",
                statistics.median(times_s["bare"]) * 1000,
                ratio_max=ratio_max,
                note=_verdict(loaded, may_load),
            )
        )
    setting.run("delete-cluster", "startup", "--yes")
    return figures


def _argv(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "auroractl", *arguments]


def _elapsed_s(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    began_s = time.perf_counter()
    _run(argv, environment)
    return time.perf_counter() - began_s


def _run(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(argv, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout
    return done.stderr


def _loaded(argv: Sequence[str], environment: Mapping[str, str]) -> frozenset[str]:
    """Which of the heavy libraries a command imports."""
    told = _run([argv[0], "-X", "importtime", *argv[1:]], environment)
    imported = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    return frozenset(imported.intersection(HEAVY))


def _verdict(loaded: frozenset[str], may_load: frozenset[str]) -> str:
    if loaded - may_load:
        return f"LOADS {', '.join(sorted(loaded - may_load))}"
    return f"loads {', '.join(sorted(loaded)) or 'no heavy library'}"
