"""Commands that help when something is wrong: doctor and report."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.cli.options import OutputOption
from auroractl.cli.render import checks as render
from auroractl.cli.session import leave, session
from auroractl.core.errors import AuroraError, ExitCode

if TYPE_CHECKING:
    from auroractl.cli.session import Session

_ANSWER_TIMEOUT_S = 5.0
_DESCRIBED: dict[str, dict[str, Any]] = {
    "supervisor-status": {},
    "describe-clusters": {"DBClusterIdentifier": None},
    "describe-instances": {"DBClusterIdentifier": None, "DBInstanceIdentifier": None},
    "describe-endpoints": {"DBClusterIdentifier": None},
    "describe-volumes": {"DBClusterIdentifier": None},
    "describe-events": {"SourceIdentifier": None, "DurationSeconds": 1_209_600, "MaxRecords": 100},
    "failover-history": {"DBClusterIdentifier": None},
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("doctor", epilog="Example: auroractl doctor")(doctor)
    app.command("report", epilog="Example: auroractl report --file /tmp/report.tar.gz")(report)


def doctor(
    context: typer.Context,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Check this machine, with a hint per finding.

    Exit code 1 where auroractl cannot work on it. Works without the supervisor and changes nothing.
    """
    this = session(context)
    document = examine(this)
    this.show(document, render.sentences, render.rows)
    if not document["Healthy"]:
        leave(ExitCode.FAILED)


def report(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Where to write it.  [default: auroractl-report-TIME.tar.gz here]"),
    ] = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Bundle logs and state for whoever helps.

    A .tar.gz with the configuration and what describe-* and doctor say too. Works without the supervisor. Passwords are removed, also from statements that PostgreSQL logged; other data in such
    statements is not.
    """
    from auroractl.services.report import Report  # noqa: PLC0415

    this = session(context)
    now = datetime.now(UTC)
    target = file or Path(f"auroractl-report-{now:%Y%m%d-%H%M%S}.tar.gz")
    bundle = Report(this.home)
    bundle.collect({"doctor": examine(this), **_descriptions(this, bundle.problems)})
    bundle.write(target)
    view = {
        "File": str(target.absolute()),
        "Bytes": target.stat().st_size,
        "Entries": sorted(bundle.entries),
        "Problems": bundle.problems,
    }
    this.show({"Report": view}, render.report, lambda document: [(document["Report"]["File"],)])


def _descriptions(this: Session, problems: list[str]) -> dict[str, Any]:
    """What the supervisor says of everything, by verb; what it does not say is noted."""
    found: dict[str, Any] = {}
    for verb, body in _DESCRIBED.items():
        answer, problem = _ask(this, verb, body)
        if answer is None:
            problems.append(f"{verb}: {problem}")
            return found
        found[verb] = answer
    return found


def examine(this: Session) -> dict[str, Any]:
    """The document of doctor."""
    from auroractl.config.settings import Settings  # noqa: PLC0415
    from auroractl.core import checks  # noqa: PLC0415
    from auroractl.services import doctor as services  # noqa: PLC0415  (psutil and more, only for this)

    configuration = checks.ok("Configuration", _places(this))
    try:
        settings = this.settings
    except AuroraError as error:
        settings = Settings()
        this.settings = settings
        configuration = checks.failed("Configuration", error.message, error.hint)
    found = services.examine(this.home, settings)
    answer, problem = _ask(this, "supervisor-status", {})
    return checks.checks_view([*found, configuration, services.supervisor_check(this.home, answer, problem)])


def _places(this: Session) -> str:
    from auroractl.config.paths import user_config  # noqa: PLC0415

    there = [str(path) for path in (user_config(), this.home.config) if path.exists()]
    return f"{' and '.join(there)} can be used." if there else "There is no configuration file; the defaults hold."


def _ask(this: Session, verb: str, body: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The supervisor's answer, or why there is none; one that does not answer in time is let be."""
    answers: list[dict[str, Any]] = []
    problems = [f"It said nothing for {_ANSWER_TIMEOUT_S:g} s."]

    def ask() -> None:
        try:
            answers.append(this.ask(verb, body, start=False))
        except AuroraError as error:
            problems.append(error.message)

    asking = threading.Thread(target=ask, name="ask", daemon=True)
    asking.start()
    asking.join(_ANSWER_TIMEOUT_S)
    return (answers[0], "") if answers else (None, problems[-1])
