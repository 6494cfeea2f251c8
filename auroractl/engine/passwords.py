"""Passwords of clients: set so that no log has them, and compared with what the server keeps (RFC 5803)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

import psycopg
from psycopg import sql

_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):[A-Za-z0-9+/=]+")


def verifier_literal(connection: psycopg.Connection, user: str, password: str) -> sql.Literal:
    """Return the SCRAM verifier of a password for a statement; the server never receives the password itself."""
    verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
    return sql.Literal(verifier.decode())


def hide_statements(connection: psycopg.Connection) -> None:
    """Keep what this session does to roles out of the server's log and pg_stat_statements. Raises psycopg.Error."""
    connection.execute("SET log_min_error_statement = panic")
    connection.execute("SET pg_stat_statements.track_utility = off")


def set_password(connection: psycopg.Connection, user: str, password: str) -> None:
    """Give a user a password; no log has it. Raises psycopg.Error."""
    hide_statements(connection)
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(user), verifier_literal(connection, user, password)))


def stored_verifier(connection: psycopg.Connection, user: str) -> str:
    """Return what the server keeps of a user's password; empty if it keeps nothing. Raises psycopg.Error."""
    query = "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = %s"
    row = connection.execute(query, [user]).fetchone()
    return str(row[0]) if row and row[0] else ""


def verifies(verifier: str, password: str) -> bool:
    """Return whether a SCRAM verifier was made of a password of printable ASCII characters.

    >>> verifies("SCRAM-SHA-256$1:c2FsdA==$invalid:invalid", "pencil")
    False
    """
    found = _VERIFIER.fullmatch(verifier)
    if found is None:
        return False
    try:
        salt, stored = (base64.b64decode(part, validate=True) for part in (found[2], found[3]))
    except binascii.Error:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, int(found[1]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(key).digest(), stored)
