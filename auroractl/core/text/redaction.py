"""Removal of secrets from texts that are given to others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

INSTEAD = "[removed]"
_LENGTH_MIN = 4
"""Shorter secrets would match everywhere."""
_PATTERNS = (
    # URIs with a password: postgresql://user:secret@host
    re.compile(r"(?P<before>\b[a-z][a-z0-9+]*://[^\s:/@]*:)[^\s@]+(?=@)", re.IGNORECASE),
    # Connection strings, environments, JSON and TOML: password = secret, "Password": "secret", PGPASSWORD=secret
    re.compile(r"(?P<before>\w*password[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;}]+)", re.IGNORECASE),
    # SQL: ALTER ROLE someone PASSWORD 'secret'
    re.compile(r"(?P<before>\bpassword\s+)'(?:[^']|'')*'", re.IGNORECASE),
    re.compile(r"(?P<before>)SCRAM-SHA-256\$[^\s'\"]+"),
)


def replacements(secrets: Iterable[str]) -> dict[str, str]:
    """Map every form in which a secret may occur in a text, longest first, to its replacement.

    >>> list(replacements(["a b#c"]))
    ['a%20b%23c', 'a b#c']
    """
    forms = set()
    for secret in secrets:
        if len(secret) >= _LENGTH_MIN:
            escaped = json.dumps(secret)[1:-1]
            forms |= {secret, quote(secret, safe=""), escaped, secret.replace("'", "''")}
    return dict.fromkeys(sorted(forms, key=lambda form: (-len(form), form)), INSTEAD)


def redact(text: str, known: dict[str, str]) -> str:
    """Remove known secrets (from `replacements`) from a text, and anything that looks like one.

    >>> redact("host=x password=abc postgresql://me:pw@h/db; ALTER ROLE a PASSWORD 'it''s'", {})
    'host=x password=[removed] postgresql://me:[removed]@h/db; ALTER ROLE a PASSWORD [removed]'
    """
    for form, instead in known.items():
        text = text.replace(form, instead)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<before>{INSTEAD}", text)
    return text
