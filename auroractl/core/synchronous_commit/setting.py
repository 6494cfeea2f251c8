"""Settings of synchronous_commit with which an acknowledged commit can be lost, or a commit never returns.

Only with `on` does a commit wait until the write quorum has flushed it. Every user may change the parameter for a
session, a transaction, a function, a role or a database, and PostgreSQL cannot forbid it
(https://www.postgresql.org/docs/18/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from auroractl.core.text.timestamps import timestamp

NAME = "synchronous_commit"
ON = frozenset({"on", "true", "yes", "1"})
"""All spellings that PostgreSQL accepts for `on` (src/backend/utils/misc/guc_tables.c)."""
REFUSAL = f"{NAME} is enforced: it must stay on"
_APPLY = "remote_apply"
_SHOWN_MAX = 5


def weakens(value: str) -> bool:
    """Return whether a value of synchronous_commit is not `on`.

    >>> [weakens(value) for value in ("on", "TRUE", "1", "off", "0", "local", "remote_apply")]
    [False, False, False, True, True, True, True]
    """
    return value.strip().lower() not in ON


@dataclass(frozen=True, slots=True)
class CommitSetting:
    """A database or role setting of synchronous_commit that is not `on`."""

    role: str
    """Empty for all roles."""
    database: str
    """Empty for all databases."""
    value: str

    @property
    def subject(self) -> str:
        """Return whose setting it is, as part of a sentence."""
        where = f"database {self.database}" if self.database else ""
        who = f"role {self.role}" if self.role else ""
        return " in ".join(filter(None, (who, where))) or "all roles"

    @property
    def reset(self) -> str:
        """Return the statement that resets it.

        >>> CommitSetting("app", "Shop", "off").reset
        'ALTER ROLE "app" IN DATABASE "Shop" RESET synchronous_commit'
        """
        if self.database and not self.role:
            return f"ALTER DATABASE {_quoted(self.database)} RESET {NAME}"
        where = f" IN DATABASE {_quoted(self.database)}" if self.database else ""
        return f"ALTER ROLE {_quoted(self.role) if self.role else 'ALL'}{where} RESET {NAME}"


@dataclass(frozen=True, slots=True)
class CommitStatements:
    """How often a user has run statements that set synchronous_commit; PostgreSQL does not record the value."""

    role: str
    database: str
    calls: int
    since: datetime


@dataclass(frozen=True, slots=True)
class CommitSettings:
    """Everything known about a cluster's synchronous_commit."""

    settings: Sequence[CommitSetting] = ()
    statements: Sequence[CommitStatements] = ()


def warnings(found: CommitSettings) -> list[str]:
    """Return one sentence for each thing that weakens commits, or may; their number is bounded."""
    told = [*map(_of_setting, found.settings), *map(_of_statements, found.statements)]
    more = len(told) - _SHOWN_MAX
    return told if more <= 0 else [*told[:_SHOWN_MAX], f"{more} more settings or users change {NAME}."]


def _of_setting(found: CommitSetting) -> str:
    if found.value.lower() == _APPLY:
        effect = "its commits wait until they are cancelled, because storage nodes never apply WAL"
    else:
        effect = "its acknowledged commits can be lost"
    return f"For {found.subject}, {NAME} = {found.value}: {effect}. Undo it: {found.reset}"


def _of_statements(found: CommitStatements) -> str:
    return (
        f"User {found.role} has run statements in database {found.database} that set {NAME}, {found.calls} since "
        f"{timestamp(found.since)}. PostgreSQL does not record the value; with any but on, acknowledged commits "
        "can be lost."
    )


def _quoted(name: str) -> str:
    # Quote always: a role may be called "all" or "current_user".
    return '"' + name.replace('"', '""') + '"'
