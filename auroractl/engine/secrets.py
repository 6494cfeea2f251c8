"""Passwords of the internal database users, and generation of new ones."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from pathlib import Path

from auroractl.system.file_credentials import as_self
from auroractl.system.files import make_folder, read_json, write_json

ADMIN = "rdsadmin"
"""The internal superuser; it has the same name on AWS."""
REPLICATION = "rdsrepladmin"
"""The user of WAL receivers; it has the same name on AWS."""
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class InternalSecrets:
    """The passwords of the two internal users, the same for all clusters of a home."""

    admin: str
    replication: str


def generate_password(length: int = 24) -> str:
    """Generate a random password of letters and digits, which needs no quoting in any context."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def load_internal_secrets(path: Path) -> InternalSecrets:
    """Read the internal passwords; on first use generate and store them (0600)."""
    with as_self():
        document = read_json(path)
        if document is None:
            document = {"admin": generate_password(32), "replication": generate_password(32)}
            make_folder(path.parent)
            write_json(path, document)
    return InternalSecrets(document["admin"], document["replication"])
