r"""PostgreSQL's log without client data, as contained in statements, their errors and the details of errors.

A message is a line and the following lines that begin with a tab. The parts of an error are separate messages:

    2026-11-25 04:00:00.000 UTC [12] app@shop ERROR:  invalid input syntax for type integer: "secret"
    2026-11-25 04:00:00.000 UTC [12] app@shop CONTEXT:  COPY orders, line 1, column id: "secret"
    2026-11-25 04:00:00.000 UTC [12] app@shop STATEMENT:  select 1
    <TAB>where a = 'secret'

The names of users and databases before the label are chosen by clients: a label is therefore searched for everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from auroractl.core.text.redaction import INSTEAD
from auroractl.core.text.sql_redaction import without_literals

_DROPPED = re.compile(r"\b(?:DETAIL|HINT|CONTEXT|QUERY):  ")
"""These may contain rows, parameters and lines of COPY."""
_STATEMENT = re.compile(
    r"\bSTATEMENT:  |\bLOG:  (?:duration: [\d.]+ ms  )?(?=statement: |execute |parse |bind |plan:|fastpath |AUDIT: )"
)
_ERROR = re.compile(r"\b(?:ERROR|WARNING|NOTICE|INFO|DEBUG\d?):  ")
_MESSAGE = re.compile(r"\b(?:ERROR|WARNING|NOTICE|INFO|DEBUG\d?|LOG|FATAL|PANIC):  ")
_QUOTED = re.compile(r"""["'].*["']""", re.DOTALL)
"""From the first quote to the last: quotes inside a value are not escaped."""


def without_data(text: str) -> str:
    r"""Replace data in the text of a log with [removed]; keep lines that belong to no statement.

    Lines at the beginning that continue a message are dropped, because they may begin within a literal.

    >>> print(without_data("[7] a@b ERROR:  bad: \"x\"\n[7] a@b DETAIL:  x\n[7] a@b STATEMENT:  select 1,\n\t'x'").expandtabs(4))
    [7] a@b ERROR:  bad: [removed]
    [7] a@b DETAIL:  [removed]
    [7] a@b STATEMENT:  select 1,
        [removed]
    """
    found: list[str] = []
    of_function = False
    for message in reversed(list(_messages(text))):
        part = _DROPPED.search(message) or _STATEMENT.search(message)
        of_function |= part is not None and "CONTEXT:  " in message and "PL/" in message
        found.append(_cleaned(message, of_function=of_function and part is None))
        # Without a label it is the beginning of a line that a line break in a user name split.
        of_function &= part is not None or not _MESSAGE.search(message)
    return "\n".join(reversed(found))


def _messages(text: str) -> Iterator[str]:
    lines = text.split("\n")
    while lines and lines[0].startswith("\t"):
        del lines[0]
    message: list[str] = []
    for line in lines:
        if message and not line.startswith("\t"):
            yield "\n".join(message)
            message = []
        message.append(line)
    if message:
        yield "\n".join(message)


def _cleaned(message: str, *, of_function: bool) -> str:
    """Return a message without data.

    An error that a function raised itself is removed completely, quoted or not: its text is up to the function's
    author.
    """
    if found := _DROPPED.search(message):
        message = message[: found.end()] + INSTEAD
    if of_function and (found := _MESSAGE.search(message)):
        return message[: found.end()] + INSTEAD
    if found := _STATEMENT.search(message):
        message = message[: found.end()] + without_literals(message[found.end() :])
    if found := _ERROR.search(message):
        message = message[: found.end()] + without_literals(_QUOTED.sub(INSTEAD, message[found.end() :]))
    return message
