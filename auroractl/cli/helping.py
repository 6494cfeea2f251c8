"""Commands that help when something is wrong: doctor and report."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import typer

from auroractl.cli.options import OutputOption
from auroractl.cli.render import checks as render
from auroractl.cli.session import leave, session
from auroractl.core.errors import AuroraError, ExitCode

if TYPE_CHECKING:
    from auroractl.cli.session import Session

_ANSWER_TIMEOUT_S = 5.0


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("doctor", epilog="Example: auroractl doctor")(doctor)


def doctor(
    context: typer.Context,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Check everything that can go wrong on this machine; exit code 1 where auroractl cannot work on it.

    Works without the supervisor and changes nothing.
    """
    this = session(context)
    document = examine(this)
    this.show(document, render.sentences, render.rows)
    if not document["Healthy"]:
        leave(ExitCode.FAILED)


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
    answer, problem = _ask(this)
    return checks.checks_view([*found, configuration, services.supervisor_check(this.home, answer, problem)])


def _places(this: Session) -> str:
    from auroractl.config.paths import user_config  # noqa: PLC0415

    there = [str(path) for path in (user_config(), this.home.config) if path.exists()]
    return f"{' and '.join(there)} can be used." if there else "There is no configuration file; the defaults hold."


def _ask(this: Session) -> tuple[dict[str, Any] | None, str]:
    """What the supervisor says of itself, or why it says nothing; one that does not answer in time is let be."""
    answers: list[dict[str, Any]] = []
    problems = [f"It said nothing for {_ANSWER_TIMEOUT_S:g} s."]

    def ask() -> None:
        try:
            answers.append(this.ask("supervisor-status", {}, start=False))
        except AuroraError as error:
            problems.append(error.message)

    asking = threading.Thread(target=ask, name="ask", daemon=True)
    asking.start()
    asking.join(_ANSWER_TIMEOUT_S)
    return (answers[0], "") if answers else (None, problems[-1])
