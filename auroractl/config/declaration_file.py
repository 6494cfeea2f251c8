"""Reading the file that declares clusters; what is wrong in it is told with its line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomli

from auroractl.core.declarations.kinds import DeclarationError
from auroractl.core.declarations.model import Declaration, read_declarations
from auroractl.core.declarations.toml import line_of
from auroractl.core.errors import ConfigurationError

STDIN = "-"


@dataclass(frozen=True, slots=True)
class DeclarationFile:
    """A file that was read."""

    name: str
    text: str
    declarations: tuple[Declaration, ...]

    @contextmanager
    def telling_lines(self) -> Iterator[None]:
        """A DeclarationError that is raised inside is raised with the name of the file and the line."""
        with _telling_lines(self.name, self.text):
            yield


def read_file(path: str) -> DeclarationFile:
    """Read a file, or stdin for `-`. Raises ConfigurationError and InvalidParameterValue naming file, line and key."""
    name = "stdin" if path == STDIN else path
    try:
        text = (sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{name} cannot be read: {error}", "Name a TOML file; auroractl export writes one"
        ) from error
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigurationError(f"{name}: {error}", "Correct the line; the format is TOML") from error
    with _telling_lines(name, text):
        return DeclarationFile(name, text, tuple(read_declarations(document)))


@contextmanager
def _telling_lines(name: str, text: str) -> Iterator[None]:
    try:
        yield
    except DeclarationError as error:
        raise error.at(f"{name}, line {line_of(text, error.keys)}") from error
