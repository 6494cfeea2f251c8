"""Commands about the supervisor."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from auroractl.api import requests
from auroractl.cli.invocation import leave, pause, say, session, write
from auroractl.cli.render import sentences, text
from auroractl.core.errors import ExitCode, MachineError, SupervisorUnavailable, TimedOut
from auroractl.core.text.visible import LAYOUT, visible

app = typer.Typer(help="Manage the supervisor of a home.", rich_markup_mode=None)

_STOP_TIMEOUT_S = 60.0
_FOLLOW_POLL_S = 0.2
_READ_BYTES_MAX = 16 * 1024**2


@app.command("run", epilog="Example: auroractl supervisor run")
def run(context: typer.Context) -> None:
    """Run the supervisor in the foreground until Ctrl-C; databases keep running afterwards."""
    from auroractl.supervisor import daemon  # noqa: PLC0415  (loads much that other commands must not)

    raise typer.Exit(daemon.run(session(context).home))


@app.command("start", epilog="Example: auroractl supervisor start")
def start(context: typer.Context) -> None:
    """Start the supervisor in the background. Commands that need it do this automatically."""
    this = session(context)
    this.show(this.ask("supervisor-status", {}), sentences.supervisor, text.supervisor)


@app.command("stop", epilog="Example: auroractl supervisor stop --all")
def stop(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Cleanly stop all databases and endpoints too.")] = False,
) -> None:
    """Stop the supervisor; databases and endpoints keep running unless --all is given."""
    from auroractl.system.liveness import wait_for_exit  # noqa: PLC0415  (only here)

    this = session(context)
    try:
        starts = everything and this.home.state.exists()
        pid = this.ask("supervisor-status", {}, start=starts)["ProcessId"]
        request = requests.supervisor.SupervisorStop(everything=everything)
        this.ask(request.verb, request.to_json(), start=False)
    except SupervisorUnavailable:
        say("The supervisor is not running.")
        return
    if not wait_for_exit(pid, _STOP_TIMEOUT_S):
        raise TimedOut(f"The supervisor did not stop within {_STOP_TIMEOUT_S:g} s.", "auroractl supervisor logs")


@app.command("status", epilog="Example: auroractl supervisor status")
def status(context: typer.Context) -> None:
    """Show whether the supervisor is running; exit code 3 if it is not."""
    this = session(context)
    this.show(this.ask("supervisor-status", {}, start=False), sentences.supervisor, text.supervisor)


@app.command("logs", epilog="Example: auroractl supervisor logs --follow")
def logs(
    context: typer.Context,
    lines: Annotated[int, typer.Option(help="Number of lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until Ctrl-C.")] = False,
) -> None:
    """Print the supervisor's log."""
    from auroractl.system.log_reader import LogReader  # noqa: PLC0415
    from auroractl.system.safe_open import NotOurs  # noqa: PLC0415

    this = session(context)
    path = this.home.supervisor_log
    if not path.exists():
        say(f"There is no log yet: {path}")
        leave(ExitCode.NOT_RUNNING)
    this.say_configuration_error()
    log = LogReader(path, _READ_BYTES_MAX, this.owners)
    try:
        for line in log.read()[-lines:]:
            write(visible(line, LAYOUT))
        while follow:
            pause(_FOLLOW_POLL_S)
            # During rotation the log does not exist for an instant.
            with contextlib.suppress(FileNotFoundError):
                for line in log.read():
                    write(visible(line, LAYOUT))
    except NotOurs as error:
        raise MachineError(f"{path}: {error.strerror}.", "Check what is at this path, and remove it") from error
