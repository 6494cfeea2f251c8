"""IAM authentication: the token that a client gives in place of a password, and what it has to say.

A token is the address of a request that is never sent, `HOST:PORT/?Action=connect&DBUser=...`, signed with an AWS access key
(https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from auroractl.core.address import Address

TOKEN_BYTES_MAX = 64 * 1024
"""One with a session token of AWS has about 2,000."""
_LIFE = timedelta(minutes=15)
_SKEW = timedelta(minutes=5)
"""How far a client's clock may be ahead, as with AWS's signatures."""
_SERVICE = "rds-db"
_ALGORITHM = "AWS4-HMAC-SHA256"
_TERMINATOR = "aws4_request"
_DATE = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_DAY_CHARACTERS = 8
_PARAMETERS_MAX = 20
_KEYS_SINCE, _KEYS_AHEAD = timedelta(days=1), timedelta(hours=1)
"""Signing keys are derived for the days of this time: clocks differ, and a supervisor may be away for a moment."""

SigningKeys = Mapping[str, Mapping[str, str]]
"""The keys that check signatures, in hexadecimal, by access key id and day (YYYYMMDD)."""


@dataclass(frozen=True, slots=True)
class IamRules:
    """What the endpoint process needs for IAM authentication."""

    region: str
    hosts: frozenset[str]
    """All that clients may call the cluster, each with its port, in lower case."""
    sockets: Mapping[str, str]
    """The Unix sockets of the servers, by instance."""
    judge: Address
    """Where servers ask over UDP whether a ticket is good."""
    secret: str = field(repr=False)
    """What servers and the endpoint process prove to each other then."""
    keys: SigningKeys | None = field(default=None, repr=False)
    """None: any signature is good."""

    def to_json(self) -> dict[str, Any]:
        """Convert the rules for the endpoint process."""
        return {
            "region": self.region,
            "hosts": sorted(self.hosts),
            "sockets": dict(self.sockets),
            "host": self.judge.host,
            "port": self.judge.port,
            "secret": self.secret,
            "keys": self.keys,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> IamRules:
        """Invert `to_json`. Raises KeyError, TypeError, AttributeError or ValueError for anything else."""
        keys = document["keys"]
        return cls(
            region=str(document["region"]),
            hosts=frozenset(map(str, document["hosts"])),
            sockets={str(name): str(path) for name, path in document["sockets"].items()},
            judge=Address(str(document["host"]), int(document["port"])),
            secret=str(document["secret"]),
            keys=None if keys is None else {str(key): {**days} for key, days in keys.items()},
        )


def signing_days(now: datetime) -> tuple[str, ...]:
    """Return the days (YYYYMMDD) whose signatures may have to be checked: yesterday, today and, just before midnight, tomorrow.

    >>> signing_days(datetime(2026, 1, 1, 23, 30, tzinfo=UTC))
    ('20251231', '20260101', '20260102')
    """
    return tuple(sorted({f"{each:%Y%m%d}" for each in (now - _KEYS_SINCE, now, now + _KEYS_AHEAD)}))


def signing_keys(credentials: Mapping[str, str], region: str, days: Iterable[str]) -> SigningKeys:
    """Derive what checks the signatures of these days. A secret access key cannot be derived from it."""
    days = tuple(days)
    return {key: {day: _signing_key(secret, day, region).hex() for day in days} for key, secret in credentials.items()}


def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, _SERVICE, _TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def why_refused(token: str, user: str, rules: IamRules, now: datetime) -> str:
    """Return why a token does not let a user in now, as a sentence; empty if it does.

    What is not UTF-8 in the user's name is a surrogate (PEP 383): no two names are the same.
    """
    try:
        read = _read(token)
    except ValueError as error:
        return f"This is no token of generate-db-auth-token: {error}."
    return _wrong_subject(read, user, rules) or _wrong_time(read, now) or _wrong_signature(read, rules)


@dataclass(frozen=True, slots=True)
class _Token:
    host: str
    """With its port, as signed."""
    given: Mapping[str, str]
    key: str
    day: str
    scope: tuple[str, str, str]
    """Region, service and terminator."""
    made: datetime
    life: timedelta


def _read(token: str) -> _Token:
    """Take a token apart. Raises ValueError for what is no token."""
    if not (token.isascii() and token.isprintable()):
        raise ValueError("it has characters that no address has")
    host, question, query = token.partition("?")
    parts = query.split("&")
    if not question or len(parts) > _PARAMETERS_MAX:
        raise ValueError("it is not the address of a request")
    given: dict[str, str] = {}
    for part in parts:
        name, _, value = (unquote(text, errors="surrogateescape") for text in part.partition("="))
        if name in given:
            # The message quotes nothing: what is no token may be a password.
            raise ValueError("it says something twice")
        given[name] = value
    needed = ("Action", "DBUser", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature")
    for name in needed:
        if name not in given:
            raise ValueError(f"it has no {name}")
    fields = given["X-Amz-Credential"].split("/")
    if len(fields) != 5 or given.get("X-Amz-Algorithm") != _ALGORITHM or given.get("X-Amz-SignedHeaders") != "host":
        raise ValueError("it is not signed as one")
    if not given["X-Amz-Expires"].isdecimal() or len(given["X-Amz-Expires"]) > 9:
        raise ValueError("it says not how long it is valid")
    made = _date(given["X-Amz-Date"])
    life = timedelta(seconds=int(given["X-Amz-Expires"]))
    return _Token(host.removesuffix("/"), given, fields[0], fields[1], (fields[2], fields[3], fields[4]), made, life)


def _date(text: str) -> datetime:
    """Read a date of AWS's form. Raises ValueError for any other."""
    if not _DATE.fullmatch(text):
        raise ValueError("it says not when it was made")
    try:
        # Not strptime: that loads a module at its first use, which the account of the process may be unable to read.
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("it was made at no time") from None


def _wrong_subject(token: _Token, user: str, rules: IamRules) -> str:
    region, service, terminator = token.scope
    if token.given["Action"] != "connect" or (service, terminator) != (_SERVICE, _TERMINATOR):
        return f"The token is for the service {service!r:.40}, not for logging in to a database."
    if token.given["DBUser"] != user:
        return f"The token is for the user {token.given['DBUser']!r:.80}."
    if region != rules.region:
        return f"The token is for the region {region!r:.40}, and the cluster is in {rules.region}."
    if token.host.lower() not in rules.hosts:
        return f"The token is for {token.host!r:.200}, which is no endpoint of this cluster with its port."
    return ""


def _wrong_time(token: _Token, now: datetime) -> str:
    if token.made > now + _SKEW:
        return f"The token is from the future: it was made at {token.made:%H:%M:%S} UTC, and it is {now:%H:%M:%S}."
    if now >= token.made + min(token.life, _LIFE):
        return f"The token has expired: it was made at {token.made:%Y-%m-%d %H:%M:%S} UTC. Make a new one."
    return ""


def _wrong_signature(token: _Token, rules: IamRules) -> str:
    if rules.keys is None:
        return ""
    if token.key not in rules.keys:
        return f"The access key {token.key!r:.40} is not among api_credentials."
    key = rules.keys[token.key].get(token.day)
    if token.given["X-Amz-Date"][:_DAY_CHARACTERS] != token.day:
        return "The day in the token's credential is another one than that of its signature."
    if key is None:
        return f"No supervisor has given the key to check tokens of {token.made:%Y-%m-%d}; start one."
    given = token.given["X-Amz-Signature"].encode(errors="surrogateescape")
    # botocore signs the name of the host in lower case, others as it was given.
    signatures = (_signature(token, host, bytes.fromhex(key)) for host in (token.host, token.host.lower()))
    if any(hmac.compare_digest(each.encode(), given) for each in signatures):
        return ""
    return f"The signature was not made with the secret that api_credentials has for {token.key!r:.40}."


def _signature(token: _Token, host: str, key: bytes) -> str:
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in token.given.items() if name != "X-Amz-Signature")
    query = "&".join(f"{name}={value}" for name, value in pairs)
    request = "\n".join(["GET", "/", query, f"host:{host}", "", "host", hashlib.sha256(b"").hexdigest()])
    scope = "/".join((token.day, *token.scope))
    text = "\n".join([_ALGORITHM, token.given["X-Amz-Date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _quoted(text: str) -> str:
    return quote(text, safe="-_.~", errors="surrogateescape")
