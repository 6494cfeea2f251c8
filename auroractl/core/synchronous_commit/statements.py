"""Recognition of SQL text that sets synchronous_commit to anything but `on`.

It reads text as PostgreSQL's scanner does, so that a mention in a string or a comment does not count. It cannot
recognise anything that is known only at run time: a concatenated or escaped name, or a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import NamedTuple

from auroractl.core.synchronous_commit.setting import NAME, weakens
from auroractl.core.text.sql_redaction import WORD, end_of_quoted

_DEPTH_MAX = 4
"""Maximum nesting of code in strings within code in strings."""
_ARGUMENTS_MAX = 40
"""Maximum number of tokens examined in one call of set_config."""
_COLUMNS_SET = frozenset({"update", "insert", "merge", "with"})
"""A statement that begins like this can set columns, but no parameters."""
_BEFORE_CODE = frozenset({"do", "as", "execute"})
_HARMLESS = frozenset({"text", "varchar", "new_value"})
"""Words that may accompany the value in a call of set_config."""


class _Kind(Enum):
    WORD = auto()
    NAME = auto()
    STRING = auto()
    SYMBOL = auto()


class _Token(NamedTuple):
    kind: _Kind
    text: str

    def is_word(self, *words: str) -> bool:
        return self.kind is _Kind.WORD and self.text in words

    def is_name(self, name: str) -> bool:
        return self.kind in {_Kind.WORD, _Kind.NAME} and self.text == name

    def is_string(self, text: str) -> bool:
        return self.kind is _Kind.STRING and self.text.strip().lower() == text


def weakens_commits(text: str, depth: int = _DEPTH_MAX) -> bool:
    """Return whether a text of one or more statements sets synchronous_commit to anything but `on`.

    >>> [weakens_commits(text) for text in ("SET LOCAL synchronous_commit TO off", "SET synchronous_commit = on")]
    [True, False]
    >>> weakens_commits("SELECT 'SET synchronous_commit = off'")
    False
    """
    if depth == 0 or NAME not in text.lower():
        return False
    return any(_weakens(statement, depth) for statement in _statements(text))


def _statements(text: str) -> Iterator[list[_Token]]:
    statement: list[_Token] = []
    for token in _tokens(text):
        if token.kind is _Kind.SYMBOL and token.text == ";":
            yield statement
            statement = []
        else:
            statement.append(token)
    yield statement


def _tokens(text: str) -> Iterator[_Token]:
    position, word = 0, ""
    while position < len(text):
        if found := WORD.match(text, position):
            word, position = found[0].lower(), found.end()
            yield _Token(_Kind.WORD, word)
            continue
        end = end_of_quoted(text, position, word, conforming=True)
        if end is None:
            # An end is missing, so PostgreSQL refuses all of it.
            return
        word = ""
        if end > position:
            yield from _quoted(text[position:end])
        elif not text[position].isspace():
            yield _Token(_Kind.SYMBOL, text[position])
        position = max(end, position + 1)


def _quoted(text: str) -> Iterator[_Token]:
    if text[0] == '"':
        yield _Token(_Kind.NAME, text[1:-1].replace('""', '"').lower())
    elif text[0] == "'":
        yield _Token(_Kind.STRING, text[1:-1].replace("''", "'"))
    elif text[0] == "$":
        edge = text.index("$", 1) + 1
        yield _Token(_Kind.STRING, text[edge:-edge])


def _weakens(statement: Sequence[_Token], depth: int) -> bool:
    if not statement:
        return False
    columns = statement[0].is_word(*_COLUMNS_SET)
    if columns and _updates_settings(statement):
        return True
    for at, token in enumerate(statement):
        if token.is_word("set") and not columns and _sets(statement[at + 1 : at + 5]):
            return True
        if token.is_name("set_config") and _configures(statement[at + 1 : at + 1 + _ARGUMENTS_MAX]):
            return True
        if _is_code(statement, at) and weakens_commits(token.text, depth - 1):
            return True
    return False


def _sets(rest: Sequence[_Token]) -> bool:
    if rest and rest[0].is_word("local", "session"):
        rest = rest[1:]
    if len(rest) < 3 or not rest[0].is_name(NAME) or rest[1].text not in {"=", "to"}:
        return False
    return not rest[2].is_word("default") and weakens(rest[2].text)


def _updates_settings(statement: Sequence[_Token]) -> bool:
    return (
        statement[0].is_word("update")
        and any(token.is_name("pg_settings") for token in statement)
        and any(token.is_string(NAME) for token in statement)
    )


def _configures(rest: Sequence[_Token]) -> bool:
    """Return whether the arguments after set_config name the parameter and a value other than `on`."""
    arguments = _arguments(rest)
    if not any(token.is_string(NAME) for argument in arguments for token in argument):
        return False
    value = arguments[1] if len(arguments) > 1 else []
    strings = [token.text for token in value if token.kind is _Kind.STRING]
    unknown = [token for token in value if token.kind is _Kind.WORD and token.text not in _HARMLESS]
    return len(strings) != 1 or weakens(strings[0]) or bool(unknown)


def _arguments(rest: Sequence[_Token]) -> list[list[_Token]]:
    arguments: list[list[_Token]] = [[]]
    depth = 0
    for token in rest:
        symbol = token.text if token.kind is _Kind.SYMBOL else ""
        depth += (symbol == "(") - (symbol == ")")
        if depth == 0:
            break
        if symbol == "," and depth == 1:
            arguments.append([])
        else:
            arguments[-1].append(token)
    return arguments


def _is_code(statement: Sequence[_Token], at: int) -> bool:
    """Return whether a string is the body of a function or of DO, or the argument of EXECUTE."""
    if statement[at].kind is not _Kind.STRING or at == 0:
        return False
    return statement[at - 1].is_word(*_BEFORE_CODE) or (at > 1 and statement[at - 2].is_word("language"))
