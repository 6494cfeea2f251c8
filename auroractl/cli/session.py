"""What every command needs: the home, the settings, the backend, where to print."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, cast

import typer

from auroractl import __version__
from auroractl.backends.local import LocalBackend
from auroractl.cli import forms, interruptions
from auroractl.cli.forms import Output
from auroractl.cli.progress import PlainProgress, Silent
from auroractl.cli.render import sentences
from auroractl.cli.render import text as plain
from auroractl.config.paths import Home, find_home
from auroractl.config.settings import Settings, load_settings
from auroractl.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult
    from rich.console import RenderableType

    from auroractl.backends import Backend, Document, Progress

__all__ = ["Output", "Session", "can_ask", "leave", "say", "session", "write"]

Rows = Iterable[Iterable[object]]
_PIPE_WIDTH = 500
"""No line of a table is broken in a pipe, where it would be lost on grep."""


@dataclass
class Session:
    """One run of the program."""

    home_flag: str | None = None
    quiet: bool = False
    output: Output | None = None
    """What the command was asked for; errors follow it too."""
    query: ParsedResult | None = None
    identifiers_only: bool = False
    dry_run: bool = False
    no_wait: bool = False

    @cached_property
    def home(self) -> Home:
        """The home that is meant."""
        return find_home(self.home_flag)

    @cached_property
    def settings(self) -> Settings:
        """The settings that hold."""
        return load_settings(self.home)

    def backend(self, *, start: bool = True) -> Backend:
        """What answers requests; with `start` it is started where it does not run."""
        return LocalBackend(self.home, _say_other_version, start=start)

    def cluster(self, argument: str | None, option: str | None) -> str | None:
        """The cluster that a command is about; None for the only one there is.

        Raises UsageError for an empty name: a script whose variable is not set must not hit the only cluster.
        """
        if "" in {argument, option}:
            raise UsageError("The name of the cluster is empty.", "Give a name, or none for the only cluster there is")
        return argument or option or os.environ.get("AURORACTL_CLUSTER") or self.settings.default_cluster or None

    def ask(self, verb: str, body: Document, *, start: bool = True) -> Document:
        """A request that changes nothing."""
        _ = self.settings
        return self.backend(start=start).request(verb, body, Silent())

    def change(self, verb: str, body: Document) -> Document:
        """A request that changes something: its progress is told; Ctrl-C leaves the work to the supervisor."""
        _ = self.settings
        how = {"DryRun": self.dry_run, "NoWait": self.no_wait}
        try:
            with self.progress() as progress:
                return self.backend().request(verb, {**body, **{key: True for key, on in how.items() if on}}, progress)
        except KeyboardInterrupt:
            say("Interrupted. The work goes on in the supervisor; nothing is left half done.")
            say(f"Try: {interruptions.what_to_do(verb, body)}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None

    def progress(self) -> AbstractContextManager[Progress]:
        """Who is told how work gets on: a spinner on a terminal, else lines, or nobody."""
        if self.quiet:
            return Silent()
        if sys.stderr.isatty() and not _in_ci() and os.environ.get("TERM") != "dumb":
            from auroractl.cli.spinner import SpinnerProgress  # noqa: PLC0415  (Rich only on a terminal)

            return SpinnerProgress()
        return PlainProgress()

    def show_json(self, document: Document) -> None:
        """Print a result document, or what the query finds in it, as JSON, or as YAML where that was asked for."""
        data = document if self.query is None else forms.found(self.query, document)
        write(forms.printed(Output.YAML if self.output is Output.YAML else Output.JSON, data))

    def show(
        self, document: Document, table: Callable[[Document], RenderableType | str], text: Callable[[Document], Rows]
    ) -> None:
        """Print a result document in the form that was asked for; `table` and `text` are the command's own.

        A query and a dry run are JSON unless another form was named.
        """
        if self.dry_run:
            table, text = sentences.plan, plain.plan
        form = self._form()
        if self.identifiers_only and not self.dry_run:
            names = forms.identifiers(document)
            _write_some("\n".join(names) if form in {Output.TABLE, Output.TEXT} else forms.printed(form, names))
        elif self.query is not None:
            _write_some(forms.printed(form, forms.found(self.query, document)))
        elif form is Output.TABLE:
            _print(table(document))
        else:
            _write_some(forms.rows(text(document)) if form is Output.TEXT else forms.printed(form, document))

    def show_plan(self, operation: str, cluster: str | None, steps: list[str]) -> None:
        """Print what a dry run found, for a command that the supervisor does not carry out."""
        from auroractl.core.operations import plan_view  # noqa: PLC0415  (only a dry run needs it)

        self.show({"Plan": plan_view(operation, cluster, steps, changed=bool(steps))}, sentences.plan, plain.plan)

    def _form(self) -> Output:
        """What was named on the command line; a script's `--quiet` means the same whatever the settings say."""
        if self.output is not None:
            return self.output
        if self.dry_run or self.query is not None:
            return Output.JSON
        return Output.TABLE if self.identifiers_only else Output(self.settings.output)


def session(context: typer.Context) -> Session:
    """The session of a command."""
    return cast("Session", context.find_object(Session))


def _print(rendered: RenderableType | str) -> None:
    if isinstance(rendered, str):
        write(rendered)
        return
    from rich.console import Console  # noqa: PLC0415  (only where a person looks at a table)

    asked_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(markup=False, highlight=False, width=None if asked_width else _PIPE_WIDTH)
    if console.is_terminal:
        console.print(rendered)
        return
    with console.capture() as captured:
        console.print(rendered)
    write("\n".join(line.rstrip() for line in captured.get().splitlines()))


def can_ask() -> bool:
    """Whether somebody is there to answer a question; never in continuous integration, which may have a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not _in_ci()


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def _write_some(text: str) -> None:
    """Print data, and no empty line where there is none."""
    if text:
        write(text)


def write(text: str) -> None:
    """Print data."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Print talk."""
    sys.stderr.write(text + "\n")


def leave(code: ExitCode) -> NoReturn:
    """End the command with an exit code."""
    raise typer.Exit(code)


def _say_other_version(version: str) -> None:
    say(f"The supervisor is of version {version}, this command of {__version__}.")
    say("Try: auroractl supervisor stop; the next command starts the new one, and databases go on running")
