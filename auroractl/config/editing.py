"""Edits of one value in a settings file that a person wrote, leaving the rest unchanged."""

from __future__ import annotations

from pathlib import Path

import tomli
import tomlkit
from tomlkit.exceptions import TOMLKitError

from auroractl.config.settings import read_settings
from auroractl.core.errors import ConfigurationError


def with_value(text: str, key: str, value: str | None) -> str:
    """Set a text value in a settings file's text, or remove it if None; keep comments and all other lines.

    >>> with_value('# mine\\nregion = "eu-west-1"\\n', "default_cluster", "demo")
    '# mine\\nregion = "eu-west-1"\\ndefault_cluster = "demo"\\n'
    >>> with_value("default_cluster = 'a'  # for now\\n", "default_cluster", "b")
    'default_cluster = "b"  # for now\\n'
    """
    document = tomlkit.parse(text)
    if value is None:
        document.pop(key, None)
    else:
        document[key] = value
    return tomlkit.dumps(document)


def edited(path: Path, key: str, value: str | None) -> str:
    """Return a settings file's text with one value set or removed, read again to verify that nothing else changed.

    Raises ConfigurationError if the file is broken or holds what this leaves to the person.
    """
    text, before = read_settings(path)
    wanted = {**before, key: value} if value is not None else {each: before[each] for each in before if each != key}
    try:
        changed = with_value(text, key, value)
        understood = isinstance(before.get(key, ""), str) and tomli.loads(changed) == wanted
    except (TOMLKitError, tomli.TOMLDecodeError, RecursionError):
        understood = False
    if not understood:
        raise ConfigurationError(f"{path} is written in a way that auroractl does not change.", f"Set {key} by hand")
    return changed
