"""Reading of the file that declares clusters; errors name the line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli

from auroractl.config.reading import read_file_text, read_text
from auroractl.config.toml_lines import line_of
from auroractl.core.errors import ConfigurationError, InvalidParameterValue
from auroractl.declarations.kinds import DeclarationError
from auroractl.declarations.model import Declared, read_declarations

STDIN = "-"
_DEPTH_MAX = 16
_NOTHING = Declared([], {})


@dataclass(frozen=True, slots=True)
class DeclarationFile:
    """The contents of a file."""

    name: str
    text: str
    declared: Declared = _NOTHING

    @contextmanager
    def telling_lines(self) -> Iterator[None]:
        """Add the name of the file and the line to a DeclarationError that is raised inside."""
        try:
            yield
        except DeclarationError as error:
            line = line_of(self.text, error.keys)
            raise InvalidParameterValue(f"{self.name}, line {line}: {error.message}", error.hint) from error


def read_file(path: str) -> DeclarationFile:
    """Read a regular file, or stdin for `-`, of at most 1 MiB.

    Raises ConfigurationError and InvalidParameterValue, which name file, line and key.
    """
    name = "stdin" if path == STDIN else path
    try:
        text = read_text(sys.stdin.buffer) if path == STDIN else read_file_text(Path(path))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{name} cannot be read: {error}.",
            "Give a TOML file, or - for stdin; auroractl export writes one",
        ) from error
    file = DeclarationFile(name, text)
    with file.telling_lines():
        return replace(file, declared=read_declarations(_parsed(name, text)))


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        document = tomli.loads(text)
    except ValueError as error:
        # This includes TOMLDecodeError and numbers with too many digits.
        raise ConfigurationError(f"{name}: {error}", "Correct the line; the format is TOML") from error
    except RecursionError as error:
        raise _too_deep(name) from error
    if not _nested_at_most(document, _DEPTH_MAX):
        raise _too_deep(name)
    return document


def _nested_at_most(value: Any, depth: int) -> bool:
    """Return whether tables and lists are nested at most `depth` deep, without recursion."""
    level = [value]
    for _ in range(depth + 1):
        nested = [each for each in level if isinstance(each, dict | list)]
        level = [each for one in nested for each in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return True
    return False


def _too_deep(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name} nests tables or lists deeper than {_DEPTH_MAX} levels.", "See docs/declarative.md for the format"
    )
