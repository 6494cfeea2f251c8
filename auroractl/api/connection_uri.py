"""The connection URI of what a connection document describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote


def usual_sslmode(there: Mapping[str, Any]) -> str:
    """Return the mode of TLS of a client that did not ask for one.

    On one machine TLS hides nothing and has its price, and without a mode libpq takes it where it is offered
    (https://www.postgresql.org/docs/18/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS).
    """
    return "require" if there.get("TlsRequired") else "disable"


def connection_uri(
    there: Mapping[str, Any],
    *,
    host: str | None = None,
    database: str | None = None,
    sslmode: str | None = None,
    **parameters: str,
) -> str:
    """Build the URI with the password; the document's host and database unless others are given.

    >>> there = {"User": "me", "Password": "a b", "Host": "127.1.2.3", "Port": 5432, "Database": "app"}
    >>> connection_uri(there)
    'postgresql://me:a%20b@127.1.2.3:5432/app?sslmode=disable'
    """
    user, password = quote(there["User"], safe=""), quote(there["Password"], safe="")
    query = {"sslmode": sslmode or usual_sslmode(there), **parameters}
    written = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    where = f"{host or there['Host']}:{there['Port']}/{quote(database or there['Database'], safe='')}"
    return f"postgresql://{user}:{password}@{where}?{written}"
