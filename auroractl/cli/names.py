"""hosts and dns: two ways to resolve the DNS names of clusters on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.cli.invocation import session
from auroractl.cli.render import sentences, text
from auroractl.core.errors import UsageError

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("hosts", epilog="Example: auroractl hosts --write")(hosts)
    app.command("dns", epilog="Example: auroractl dns")(dns)


def hosts(
    context: typer.Context,
    write: Annotated[bool, typer.Option("--write", help="Write the block into the hosts file.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the block from the hosts file.")] = False,
    block: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A block that another account printed; - reads it from stdin."),
    ] = None,
) -> None:
    """Print the names of all clusters for the hosts file, or write them there.

    They are a block of their own, marked with the home; nothing else in the file is changed.
    """
    this = session(context)
    if write and remove:
        raise UsageError("--write and --remove exclude each other.", "Omit one of them")
    if block is not None and not (write or remove):
        raise UsageError("--block needs --write or --remove.", "Add one of them")
    home, lines = _block(this, block, needed=not remove)
    file = this.settings.hosts_file
    if this.dry_run:
        steps = [f"{'Write' if write else 'Remove'} the block of {home} in {file}"] if write or remove else []
        this.show_plan("hosts", None, steps)
        return
    changed = (write or remove) and _change(Path(file), home, [] if remove else lines, remove=remove)
    action = "write" if write else "remove" if remove else "print"
    document = {"Home": home, "File": file, "Block": lines, "Action": action, "Changed": changed}
    this.show(document, sentences.hosts, text.hosts)


def dns(context: typer.Context) -> None:
    """Show the DNS server for the names of clusters, and how to make this machine ask it."""
    this = session(context)
    document = this.ask("describe-names", {})
    this.show(document, sentences.dns, text.dns)


def _block(this: Session, source: str | None, *, needed: bool) -> tuple[str, list[str]]:
    """Return the home of a block and its lines; only the home of a block that is not `needed`."""
    from auroractl.core import hosts_file  # noqa: PLC0415  (only here)
    from auroractl.system.hosts_file import require_home_of_caller  # noqa: PLC0415

    if source is not None:
        home, lines = hosts_file.read_block(_given(source))
        if needed:
            require_home_of_caller(home)
        return home, lines
    home = str(this.home.root)
    if not needed:
        return home, []
    names = this.ask("describe-names", {})["Names"]
    return home, hosts_file.block(home, {each["Name"]: each["Address"] for each in names})


def _given(source: str) -> str:
    """Read a block that another account printed. Raises UsageError if it cannot be read."""
    from auroractl.config.reading import read_file_text, read_text  # noqa: PLC0415  (only here)

    try:
        return read_text(sys.stdin.buffer) if source == "-" else read_file_text(Path(source))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The block {source} cannot be read: {error}.", "Pass the output of auroractl hosts"
        ) from error


def _change(file: Path, home: str, lines: list[str], *, remove: bool) -> bool:
    from auroractl.core.hosts_file import with_block  # noqa: PLC0415  (only here)
    from auroractl.system.hosts_file import change_hosts_file  # noqa: PLC0415

    option = "--remove" if remove else "--write"
    hint = f'Let root change it: auroractl hosts | sudo "$(command -v auroractl)" hosts {option} --block -'
    return change_hosts_file(file, lambda content: with_block(content, home, lines), hint)
