"""The session of a command: home, settings, control plane and output."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

import typer

from auroractl import __version__
from auroractl.api.progress import Silent
from auroractl.cli import interruptions, output_formats
from auroractl.cli.output_formats import Output
from auroractl.cli.progress import PlainProgress
from auroractl.cli.render import sentences
from auroractl.cli.render import text as plain
from auroractl.config.paths import Home, find_home
from auroractl.config.settings import Settings, load_settings
from auroractl.control_planes.local import LocalControlPlane
from auroractl.core.errors import AuroraError, ConfigurationError, ExitCode, MachineError, UsageError
from auroractl.core.text.visible import ESCAPED, LAYOUT, Spaces, visible, visible_data

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult
    from rich.console import RenderableType

    from auroractl.api.progress import Progress
    from auroractl.api.request import Options, Request
    from auroractl.control_planes import ControlPlane, Document

__all__ = ["Output", "Session", "can_ask", "discard", "dumb_terminal", "leave", "pause", "say", "session", "write"]

Rows = Iterable[Iterable[object]]
_PIPE_WIDTH = 500
"""Wide enough that no table line is wrapped in a pipe, where grep would miss its end."""


@dataclass
class Session:
    """One run of a command."""

    home_flag: str | None = None
    quiet: bool = False
    output: Output | None = None
    """The requested output format; it applies to errors too."""
    cluster_option: str | None = None
    """The cluster that was given by an option instead of an argument."""
    query: ParsedResult | None = None
    identifiers_only: bool = False
    dry_run: bool = False
    no_wait: bool = False

    @cached_property
    def home(self) -> Home:
        """The home of this session."""
        return find_home(self.home_flag)

    @cached_property
    def settings(self) -> Settings:
        """The effective settings."""
        return load_settings(self.home)

    @cached_property
    def configuration_error(self) -> AuroraError | None:
        """Return why the configuration cannot be used, None if it can. If not, default settings apply from then on.

        This is for commands that must work on a broken home.
        """
        try:
            _ = self.settings
        except AuroraError as error:
            self.settings = Settings()
            return error
        return None

    def say_configuration_error(self) -> None:
        """Report on stderr that default settings apply, if the configuration cannot be used."""
        if (error := self.configuration_error) is not None:
            say(f"{error.message.rstrip('.')}. The defaults apply.")

    @cached_property
    def owners(self) -> frozenset[int]:
        """Return the uids that may own files in the home; without the databases' account if `run_as` is invalid."""
        from auroractl.system.accounts import expected_owners  # noqa: PLC0415  (only to read files)

        folders = self.home.database_folders()
        try:
            return expected_owners(self.home.root, self.settings.run_as, folders)
        except ConfigurationError:
            return expected_owners(self.home.root, "", folders)

    def control_plane(self, *, start: bool = True) -> ControlPlane:
        """Return the control plane; with `start`, a request starts the supervisor if it is not running."""
        return LocalControlPlane(self.home, _say_other_version, start=start)

    def named(self, argument: str | None) -> str | None:
        """Return the cluster given by an argument or an option; None for all clusters."""
        return argument or self.cluster_option

    def cluster(self, argument: str | None = None) -> str | None:
        """Return the cluster of a command; None for the only cluster.

        Raises UsageError for an empty name, so that a script with an unset variable does not change the only cluster.
        """
        if "" in {argument, self.cluster_option}:
            raise UsageError("The name of the cluster is empty.", "Give a name, or omit it for the only cluster")
        return self.named(argument) or os.environ.get("AURORACTL_CLUSTER") or self.settings.default_cluster or None

    def ask(self, verb: str, body: Document, *, start: bool = True) -> Document:
        """Send a request that changes nothing."""
        _ = self.settings
        return self.control_plane(start=start).request(verb, body, Silent())

    def change(self, request: Request, options: Options | None = None) -> Document:
        """Send a request that changes something, and show its progress. Ctrl-C leaves the work to the supervisor.

        `options` are the command's own, in addition to the shared --dry-run and --no-wait.
        """
        _ = self.settings
        verb, body = request.verb, request.to_json()
        how = {"DryRun": self.dry_run, "NoWait": self.no_wait}
        control_plane = self.control_plane()
        try:
            with self.progress() as progress:
                own = options.to_json() if options else {}
                return control_plane.request(
                    verb, {**body, **own, **{key: True for key, on in how.items() if on}}, progress
                )
        except KeyboardInterrupt:
            say(interruptions.what_was_seen(control_plane.delivery))
            say(f"Try: {interruptions.what_to_do(verb, body, control_plane.delivery)}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None

    def progress(self) -> AbstractContextManager[Progress]:
        """Return the progress display: a spinner on a terminal, otherwise lines; nothing with --quiet."""
        if self.quiet:
            return Silent()
        if sys.stderr.isatty() and not _in_ci() and not dumb_terminal():
            from auroractl.cli.spinner import SpinnerProgress  # noqa: PLC0415  (Rich only on a terminal)

            return SpinnerProgress()
        return PlainProgress()

    def show_json(self, document: Document) -> None:
        """Print a result document or the result of the query, as JSON, or YAML if requested."""
        data = document if self.query is None else output_formats.found(self.query, document)
        write(output_formats.printed(Output.YAML if self.output is Output.YAML else Output.JSON, data))

    def show(
        self,
        document: Document,
        table: Callable[[Document], RenderableType | str],
        text: Callable[[Document], Rows],
        spaces: Spaces = ESCAPED,
    ) -> None:
        """Print a result document in the requested format; `table` and `text` are the command's own formats.

        Queries and dry runs are JSON unless another format was requested. `table` and `text` receive the document with
        unsafe characters made visible; `spaces` is the replacement of line breaks and tabs.
        """
        if self.dry_run:
            table, text = sentences.plan, plain.plan
        form = self._form()
        if self.identifiers_only and not self.dry_run:
            names = output_formats.identifiers(document)
            _write_some(_lines(names) if form in {Output.TABLE, Output.TEXT} else output_formats.printed(form, names))
        elif self.query is not None:
            _write_some(output_formats.printed(form, output_formats.found(self.query, document)))
        elif form is Output.TABLE:
            _print(table(visible_data(document, spaces)))
        elif form is Output.TEXT:
            _write_some(output_formats.rows(text(visible_data(document, spaces))))
        else:
            _write_some(output_formats.printed(form, document))

    def show_plan(self, operation: str, cluster: str | None, steps: list[str]) -> None:
        """Print the plan of a dry run, for a command that needs no supervisor."""
        from auroractl.core.operations import plan_view  # noqa: PLC0415  (only a dry run needs it)

        self.show({"Plan": plan_view(operation, cluster, steps, changed=bool(steps))}, sentences.plan, plain.plan)

    def _form(self) -> Output:
        """Return the output format. With `--quiet`, the settings are ignored, so that scripts get the same everywhere."""
        if self.output is not None:
            return self.output
        if self.dry_run or self.query is not None:
            return Output.JSON
        return Output.TABLE if self.identifiers_only else Output(self.settings.output)


def session(context: typer.Context) -> Session:
    """Return the session of a command."""
    return cast("Session", context.find_object(Session))


def _print(rendered: RenderableType | str) -> None:
    if isinstance(rendered, str):
        write(rendered)
        return
    from rich.console import Console  # noqa: PLC0415  (only for tables)

    on_terminal = sys.stdout.isatty()
    printed = StringIO()
    console = Console(
        file=None if on_terminal else printed,
        markup=False,
        emoji=False,
        highlight=False,
        width=None if on_terminal or "COLUMNS" in os.environ else _PIPE_WIDTH,
    )
    console.print(rendered)
    if not on_terminal:
        write("\n".join(line.rstrip() for line in printed.getvalue().splitlines()))


def can_ask() -> bool:
    """Return whether a user can answer a question; never in continuous integration, which may have a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not _in_ci()


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def dumb_terminal() -> bool:
    """Return whether the terminal, if any, may lack support for escape sequences."""
    return os.environ.get("TERM", "dumb") == "dumb"


def _lines(texts: list[str]) -> str:
    return "\n".join(map(visible, texts))


def _write_some(text: str) -> None:
    """Print data; print no empty line if there is none."""
    if text:
        write(text)


def write(text: str) -> None:
    """Print data that is safe for a terminal or meant for a program.

    Raises BrokenPipeError if the reader is gone, MachineError if the data cannot be written.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard(sys.stdout)
        raise MachineError(
            f"The output cannot be written: {error.strerror}.", "Check the destination of the output"
        ) from error


def discard(*streams: TextIO) -> None:
    """Discard all further and unflushed output, of which Python would complain at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def pause(seconds: float) -> None:
    """Wait before the next output. Raises BrokenPipeError if the reader is gone."""
    try:
        poller = select.poll()
        poller.register(sys.stdout.fileno(), 0)
    except OSError:
        # In tests, stdout may be an object without a descriptor.
        time.sleep(seconds)
        return
    if poller.poll(seconds * 1000):
        raise BrokenPipeError


def say(text: str) -> None:
    """Print a message on stderr; unsafe characters except line breaks and tabs are made visible."""
    sys.stderr.write(visible(text, LAYOUT) + "\n")


def leave(code: ExitCode) -> NoReturn:
    """End the command with an exit code."""
    raise typer.Exit(code)


def _say_other_version(version: str) -> None:
    say(f"The supervisor has version {version}, this command has version {__version__}.")
    say("Try: auroractl supervisor stop; the next command starts the new one, and databases keep running")
