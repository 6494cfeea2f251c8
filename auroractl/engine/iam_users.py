"""The members of rds_iam, who log in with a token, and how servers are told of them.

pg_hba.conf cannot name the members of a role for this: there, who may only grant a role counts as a member too, and from 16 on
that is everyone who has created a user, the master user among them. So the supervisor writes their names into a file that
pg_hba.conf names. Over TCP they are refused. At the Unix socket they are asked for a password, and what they give is a
ticket of the endpoint process (`endpoints.tickets`), which is asked whether it is good. The secret of that question is in a
file too, outside the data directory: no log and no base backup has it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from auroractl.core.address import Address
from auroractl.system.files import write_durably
from auroractl.system.safe_open import NotOurs, read_regular

USERS = b"""
WITH RECURSIVE iam (oid) AS (
  SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'rds_iam'
  UNION SELECT oid FROM pg_catalog.pg_authid WHERE rolname = 'rds_iam'
), granted (role, member) AS (
  SELECT m.roleid, m.member FROM pg_catalog.pg_auth_members m CROSS JOIN LATERAL pg_catalog.to_jsonb(m) AS given
  WHERE coalesce(given ->> 'inherit_option', 'true') = 'true' OR given ->> 'set_option' = 'true'
), members (oid) AS (
  SELECT oid FROM iam
  UNION SELECT granted.member FROM granted JOIN members ON granted.role = members.oid
)
SELECT pg_catalog.encode(pg_catalog.namesend(r.rolname), 'hex'),
  EXISTS (SELECT FROM granted JOIN iam ON granted.role = iam.oid WHERE granted.member = r.oid)
FROM pg_catalog.pg_authid r JOIN members ON members.oid = r.oid
WHERE r.rolcanlogin AND NOT r.rolsuper ORDER BY 1
"""
"""Query for the users that are members, directly (true) or through other roles. Before 16 memberships have no options.

The schema tells rds_iam also for the moment in which it has another name (`system_roles`). Names are in hexadecimal: each
is in the encoding of the database in which it was made, and need not be UTF-8.
"""
_USERS_FILE, _SECRET_FILE = "iam_users.conf", "iam_secret.conf"
"""Beside the data directory."""
_NOBODY = "pg_auroractl_nobody"
"""A name that no role can have: an empty list would be no list."""
_USERS_BYTES_MAX = 16 * 1024**2
_PURPOSE = b"tickets of the endpoint process of "


@dataclass(frozen=True, slots=True)
class IamAccess:
    """What servers need for IAM authentication."""

    users: tuple[str, ...]
    """What is not UTF-8 in a name is a surrogate (PEP 383)."""
    judge: Address
    """Where they ask over UDP whether a ticket is good."""
    secret: str = field(repr=False)

    def without(self, user: str) -> IamAccess:
        """Return the same for a server at which a user logs in with a password."""
        return replace(self, users=tuple(each for each in self.users if each != user))

    @property
    def at_socket(self) -> str:
        """Return the line of pg_hba.conf for the Unix socket."""
        return (
            f"local   all          @../{_USERS_FILE} radius"
            f" radiusservers={self.judge.host} radiusports={self.judge.port} @../{_SECRET_FILE}\n"
        )

    @property
    def over_tcp(self) -> str:
        """Return the line of pg_hba.conf for TCP."""
        return f"host    all          @../{_USERS_FILE} 127.0.0.0/8   reject\n"


def secret_of(resource_id: str, password: str) -> str:
    """Derive the secret of a cluster from the password of the internal superuser, which it does not give away."""
    return hmac.new(password.encode(), _PURPOSE + resource_id.encode(), hashlib.sha256).hexdigest()


def members(found: Iterable[tuple[str, bool]], master: str) -> list[str]:
    """Return who logs in with tokens, of those that were found by USERS. The master user does only if it is a direct member.

    Who may grant any role that is a member could grant it to the master user, and so void its password.

    >>> members([("app", False), ("postgres", False)], "postgres"), members([("postgres", True)], "postgres")
    (['app'], ['postgres'])
    """
    return [name for name, direct in found if direct or name != master]


def is_usable(name: str) -> bool:
    r"""Return whether pg_hba.conf can have a name; a leading slash makes a pattern even in quotes.

    >>> [name for name in ("app", 'quo"te', "/.*", "new\nline") if is_usable(name)]
    ['app', 'quo"te']
    """
    return not name.startswith("/") and "\n" not in name


def write_files(data: Path, access: IamAccess) -> None:
    """Write what the lines of pg_hba.conf name. Raises MachineError."""
    names = (name.replace('"', '""') for name in (_NOBODY, *access.users))
    text = "".join(f'"{name}"\n' for name in names)
    write_durably(data.with_name(_USERS_FILE), text)
    write_durably(data.with_name(_SECRET_FILE), f"radiussecrets={access.secret}\n")


def remove_files(data: Path) -> None:
    """Remove what lines of pg_hba.conf named that are no longer there."""
    for name in (_USERS_FILE, _SECRET_FILE):
        data.with_name(name).unlink(missing_ok=True)


def kept_users(data: Path) -> tuple[str, ...] | None:
    """Return the users that were last written for a server; None if none were."""
    try:
        text = read_regular(data.with_name(_USERS_FILE), _USERS_BYTES_MAX).decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError, NotOurs):
        return None
    names = (line[1:-1].replace('""', '"') for line in text.split("\n") if len(line) > 2)
    return tuple(name for name in names if name != _NOBODY and is_usable(name))
