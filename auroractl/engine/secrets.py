"""Passwords of the internal database users, and new ones."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from auroractl.process.files import make_folder, read_json, write_json

ADMIN = "rdsadmin"
"""The internal superuser; the name that it has on AWS."""
REPLICATION = "rdsrepladmin"
"""The user of WAL receivers; the name that it has on AWS."""
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class InternalSecrets:
    """The passwords of the two internal users, the same for all clusters of a home."""

    admin: str
    replication: str


def generate_password(length: int = 24) -> str:
    """A random password of letters and digits, which needs no quoting anywhere."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def load_internal_secrets(path: Path) -> InternalSecrets:
    """Read the internal passwords, or generate and keep them (0600) on first use."""
    document = read_json(path)
    if document is None:
        document = {"admin": generate_password(32), "replication": generate_password(32)}
        make_folder(path.parent)
        write_json(path, document)
    return InternalSecrets(document["admin"], document["replication"])
