"""Writes the command reference: python -m auroractl.cli.reference docs/reference.md."""

from __future__ import annotations

import inspect
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auroractl.cli import tree
from auroractl.cli.app import root_command

_HEAD = """\
# Command reference

Made from the code by `python -m auroractl.cli.reference docs/reference.md`. What all commands have in common is in
[scripting.md](scripting.md).
"""


def reference() -> str:
    """All commands with their arguments, options and examples, as Markdown."""
    commands = [(path, command) for path, command in tree.walk(root_command) if isinstance(command, tree.Command)]
    aws: dict[str, list[str]] = defaultdict(list)
    for _, command in commands:
        if command.alias:
            aws[command.path].append(command.alias.name)
    parts = [_HEAD, *_global_options()]
    for path, command in commands:
        if not command.hidden:
            parts += _command(path, command, aws[command.path])
    return "\n".join(parts) + "\n"


def _global_options() -> Iterator[str]:
    yield "## auroractl\n"
    yield "Options before the command:\n"
    yield from _table(root_command, root_command.params)


def _command(path: str, command: tree.Command, aws: list[str]) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    yield f"## {path.removeprefix('auroractl ')}\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    yield f"```\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield from _table(command, command.params)
    if aws:
        yield f"AWS name: {', '.join(f'`{name}`' for name in aws)}.\n"
    yield f"{(command.epilog or '').replace('Example: ', 'Example: `', 1)}`\n"


def _table(command: Any, params: list[Any]) -> Iterator[str]:
    context = command.make_context("auroractl", [], resilient_parsing=True)
    rows = [
        record
        for param in params
        if not getattr(param, "hidden", False) and (record := param.get_help_record(context)) is not None
    ]
    if rows:
        yield "| | |\n|---|---|"
        yield "\n".join(f"| `{_cell(name)}` | {_cell(help_)} |" for name, help_ in rows) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
