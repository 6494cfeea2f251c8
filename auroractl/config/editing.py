"""Changing one line of a settings file that a person wrote, and nothing else of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import tomli

from auroractl.config.settings import read_settings
from auroractl.core.errors import ConfigurationError


def with_value(text: str, key: str, value: str | None) -> str:
    """A settings file's text with a text value set, or with None taken out; comments and all other lines stay.

    >>> with_value('# mine\\nregion = "eu-west-1"\\n', "default_cluster", "demo")
    '# mine\\nregion = "eu-west-1"\\ndefault_cluster = "demo"\\n'
    >>> with_value("default_cluster = 'a'  # for now\\n", "default_cluster", "b")
    'default_cluster = "b"  # for now\\n'
    """
    line = re.compile(
        rf"^(?P<key>[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=[ \t]*)(?P<value>\"[^\"\n]*\"|'[^'\n]*')", re.M
    )
    match = line.search(text)
    quoted = None if value is None else json.dumps(value)
    if match is None:
        return text if quoted is None else _with_line(text, f"{key} = {quoted}\n")
    if quoted is None:
        end = text.find("\n", match.end())
        return text[: match.start()] + (text[end + 1 :] if end >= 0 else "")
    return text[: match.start("value")] + quoted + text[match.end("value") :]


def _with_line(text: str, line: str) -> str:
    """Before the first table: what stands after its head belongs to it."""
    table = re.search(r"^[ \t]*\[", text, re.M)
    before, after = (text[: table.start()], text[table.start() :]) if table else (text, "")
    return before + ("\n" if before and not before.endswith("\n") else "") + line + after


def edited(path: Path, key: str, value: str | None) -> str:
    """The text of a settings file with one value set or taken out, read back to make sure that nothing else changed.

    Raises ConfigurationError where the file is broken or written in a way that this does not understand.
    """
    text, before = read_settings(path)
    changed = with_value(text, key, value)
    wanted = {**before, key: value} if value is not None else {each: before[each] for each in before if each != key}
    try:
        understood = tomli.loads(changed) == wanted
    except tomli.TOMLDecodeError:
        understood = False
    if not understood:
        raise ConfigurationError(f"{path} is written in a way that auroractl does not change.", f"Set {key} by hand")
    return changed
