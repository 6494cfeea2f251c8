"""Commands about the supervisor."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from auroractl.cli.options import OutputOption
from auroractl.cli.render import sentences, text
from auroractl.cli.session import leave, say, session, write
from auroractl.core.errors import ExitCode, SupervisorUnavailable, TimedOut

app = typer.Typer(help="The process that watches over a home's clusters.", rich_markup_mode=None)

_STOP_TIMEOUT_S = 60.0
_FOLLOW_POLL_S = 0.2


@app.command("run", epilog="Example: auroractl supervisor run")
def run(
    context: typer.Context, ready_fd: Annotated[int | None, typer.Option("--ready-fd", hidden=True)] = None
) -> None:
    """Be the supervisor, in the foreground, until Ctrl-C; databases go on running then."""
    from auroractl.supervisor import daemon  # noqa: PLC0415  (loads everything that a client must not)

    code = daemon.run(session(context).home, ready_fd, in_foreground=ready_fd is None)
    raise typer.Exit(code)


@app.command("start", epilog="Example: auroractl supervisor start")
def start(context: typer.Context, output: OutputOption = None) -> None:  # noqa: ARG001
    """Start the supervisor in the background; any other command does so too."""
    this = session(context)
    this.show(this.ask("supervisor-status", {}), sentences.supervisor, text.supervisor)


@app.command("stop", epilog="Example: auroractl supervisor stop --all")
def stop(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="End all databases and endpoints too, cleanly.")] = False,
) -> None:
    """Stop the supervisor; databases and endpoints go on running unless told otherwise."""
    from auroractl.process.liveness import wait_for_exit  # noqa: PLC0415  (only here)

    this = session(context)
    try:
        backend_starts = everything and this.home.state.exists()
        pid = this.ask("supervisor-status", {}, start=backend_starts)["ProcessId"]
        this.ask("supervisor-stop", {"All": everything}, start=False)
    except SupervisorUnavailable:
        say("The supervisor is not running.")
        return
    if not wait_for_exit(pid, _STOP_TIMEOUT_S):
        raise TimedOut(f"The supervisor did not end within {_STOP_TIMEOUT_S:g} s.", "auroractl supervisor logs")


@app.command("status", epilog="Example: auroractl supervisor status")
def status(context: typer.Context, output: OutputOption = None) -> None:  # noqa: ARG001
    """Say whether the supervisor runs; exit code 3 where it does not."""
    this = session(context)
    this.show(this.ask("supervisor-status", {}, start=False), sentences.supervisor, text.supervisor)


@app.command("logs", epilog="Example: auroractl supervisor logs --follow")
def logs(
    context: typer.Context,
    lines: Annotated[int, typer.Option(help="How many lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on printing.")] = False,
) -> None:
    """Print the supervisor's log."""
    path = session(context).home.supervisor_log
    if not path.exists():
        say(f"There is no log yet: {path}")
        leave(ExitCode.NOT_RUNNING)
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file.readlines()[-lines:]:
            write(line.rstrip("\n"))
        while follow:
            line = file.readline()
            if line:
                write(line.rstrip("\n"))
            else:
                time.sleep(_FOLLOW_POLL_S)
