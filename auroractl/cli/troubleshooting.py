"""doctor and report, the commands for troubleshooting."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.cli.invocation import leave, session
from auroractl.cli.render import checks as render
from auroractl.core.errors import AuroraError, ExitCode

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session

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
) -> None:
    """Check this machine and suggest remedies.

    Exit code 1 if auroractl cannot work on it. Needs no supervisor and changes nothing.
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
        typer.Option("--file", metavar="FILE", help="The file to write.  [default: ./auroractl-report-TIME.tar.gz]"),
    ] = None,
    with_statements: Annotated[
        bool, typer.Option("--with-statements", help="Include the data in logged statements.")
    ] = False,
) -> None:
    """Collect logs and state for a bug report.

    Writes a .tar.gz that also has the configuration and the output of describe-* and doctor. Needs no supervisor. Passwords are redacted, as is client data in PostgreSQL's logs: quoted text, parameters, details. Numbers and plain names are kept.
    """
    from auroractl.diagnostics.report import Report  # noqa: PLC0415

    this = session(context)
    now = datetime.now(UTC)
    target = file or Path(f"auroractl-report-{now:%Y%m%d-%H%M%S}.tar.gz")
    examined = examine(this)
    bundle = Report(this.home, this.owners, with_statements)
    bundle.collect({"doctor": examined, **_descriptions(this, bundle.problems)})
    bundle.write(target)
    view = {
        "File": str(target.absolute()),
        "Bytes": target.stat().st_size,
        "Entries": sorted(bundle.entries),
        "Problems": bundle.problems,
        "WithStatements": with_statements,
    }
    this.show({"Report": view}, render.report, lambda document: [(document["Report"]["File"],)])


def _descriptions(this: Session, problems: list[str]) -> dict[str, Any]:
    """Return the supervisor's answers by verb; note the verbs that fail in `problems`."""
    found: dict[str, Any] = {}
    for verb, body in _DESCRIBED.items():
        answer, problem = _ask(this, verb, body)
        if answer is None:
            problems.append(f"{verb}: {problem}")
            return found
        found[verb] = answer
    return found


def examine(this: Session) -> dict[str, Any]:
    """Build the document of doctor."""
    from auroractl.core import checks  # noqa: PLC0415
    from auroractl.diagnostics import doctor as services  # noqa: PLC0415  (psutil and more, only for this)

    configuration = checks.ok("Configuration", _places(this))
    if (error := this.configuration_error) is not None:
        configuration = checks.failed("Configuration", error.message, error.hint)
    found = services.examine(this.home, this.settings)
    answer, problem = _ask(this, "supervisor-status", {})
    clusters = None if answer is None else _ask(this, "describe-clusters", {"DBClusterIdentifier": None})[0]
    commits = services.commits_check(None if clusters is None else clusters["DBClusters"])
    supervisor = services.supervisor_check(this.home, answer, problem)
    return checks.checks_view([*found, configuration, supervisor, commits])


def _places(this: Session) -> str:
    from auroractl.config.paths import user_config  # noqa: PLC0415

    there = [str(path) for path in (user_config(), this.home.config) if path.exists()]
    return f"{' and '.join(there)} can be read." if there else "There is no configuration file; the defaults apply."


def _ask(this: Session, verb: str, body: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Return the supervisor's answer, or the problem; do not wait for one that is too slow."""
    answers: list[dict[str, Any]] = []
    problems = [f"It did not answer within {_ANSWER_TIMEOUT_S:g} s."]

    def ask() -> None:
        try:
            answers.append(this.ask(verb, body, start=False))
        except AuroraError as error:
            problems.append(error.message)

    asking = threading.Thread(target=ask, name="ask", daemon=True)
    asking.start()
    asking.join(_ANSWER_TIMEOUT_S)
    return (answers[0], "") if answers else (None, problems[-1])
