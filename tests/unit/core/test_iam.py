"""Tokens of IAM authentication: what AWS's signers make is accepted, and what is wrong in one thing is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import botocore.session  # type: ignore[import-untyped]
import pytest
from botocore.signers import generate_db_auth_token  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from auroractl.core.address import Address
from auroractl.core.iam import IamRules, signing_days, signing_keys, why_refused

HOST, PORT, REGION, USER = "demo.cluster-abc.us-east-1.rds.amazonaws.com", 5432, "us-east-1", "app"
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
JUDGE = Address("127.0.0.1", PORT)
UNSIGNED = (
    f"{HOST}:{PORT}/?Action=connect&DBUser=app&X-Amz-Algorithm=AWS4-HMAC-SHA256"
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260102%2Fus-east-1%2Frds-db%2Faws4_request"
    "&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
)


def _rules(now: datetime, *, checked: bool = True) -> IamRules:
    keys = signing_keys({KEY: SECRET}, REGION, signing_days(now)) if checked else None
    return IamRules(REGION, frozenset({f"{HOST}:{PORT}"}), {}, JUDGE, "", keys)


def _made(host: str = HOST, *, user: str = USER, port: int = PORT, region: str = REGION, **credentials: str) -> str:
    """A token of boto3's."""
    session = botocore.session.get_session()
    client = session.create_client(
        "rds",
        region_name=region,
        **{"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, **credentials},
    )
    return str(generate_db_auth_token(client, host, port, user, Region=region))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"host": HOST.replace("demo", "Demo")},
        {"user": "we ird+é&=/?%"},
        {"aws_session_token": "FwoGZXIvYXdzE/+=" * 80},
    ],
)
def test_what_boto3_makes_is_accepted(given: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    assert why_refused(_made(**given), given.get("user", USER), _rules(now), now) == ""


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"user": "other"}, "for the user 'other'"),
        ({"host": "other.example"}, "for 'other.example:5432'"),
        ({"port": 5433}, f"for '{HOST}:5433'"),
        ({"region": "eu-west-1"}, "for the region 'eu-west-1'"),
        ({"aws_access_key_id": "AKIAOTHER"}, "'AKIAOTHER' is not among"),
        ({"aws_secret_access_key": "other"}, "not made with the secret"),
    ],
)
def test_what_is_for_something_else_is_refused(given: dict[str, Any], why: str) -> None:
    now = datetime.now(UTC)
    assert why in why_refused(_made(**given), USER, _rules(now), now)


def test_a_token_is_good_for_fifteen_minutes_and_clocks_may_differ_by_five() -> None:
    token, now = _made(), datetime.now(UTC)

    def why(**later: float) -> str:
        at = now + timedelta(**later)
        return why_refused(token, USER, _rules(at), at)

    assert why(minutes=14, seconds=50) == why(minutes=-4, seconds=-50) == ""
    assert "has expired" in why(minutes=15)
    assert "from the future" in why(minutes=-5, seconds=-10)


def test_signatures_are_checked_only_against_keys() -> None:
    now = datetime.now(UTC)
    token = _made(aws_access_key_id="anyone", aws_secret_access_key="anything")
    assert why_refused(token, USER, _rules(now, checked=False), now) == ""
    assert "for the user" in why_refused(token, "other", _rules(now, checked=False), now)


def test_the_forms_of_other_signers_are_accepted() -> None:
    """Go's were without a path; JavaScript's have the parameters in another order."""
    now = datetime.now(UTC)
    host, query = _made().split("/?")
    assert why_refused(f"{host}?{query}", USER, _rules(now), now) == ""
    assert why_refused(f"{host}/?{'&'.join(reversed(query.split('&')))}", USER, _rules(now), now) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Action=connect", "Action=drop"),
        ("rds-db", "s3"),
        ("Action=connect", "Action=connect&DBUser=app"),
        ("X-Amz-Expires=900", "X-Amz-Expires=1"),
        ("X-Amz-Expires=900", "X-Amz-Expires=-1"),
        ("X-Amz-Expires=900", "X-Amz-Expires=9999999999999999999"),
        ("X-Amz-Date=2026", "X-Amz-Date=9026"),
        ("20260102T030405Z", "20260102T990405Z"),
        ("20260102T030405Z", "2026-01-02"),
        ("AWS4-HMAC-SHA256", "none"),
        ("SignedHeaders=host", "SignedHeaders=host;x"),
        ("%2Faws4_request", ""),
        ("DBUser=app", "DBUser=app%00"),
        ("DBUser=app", "DBUser=app\n"),
        ("&", "&a=b&" * 30),
        ("?", ""),
        ("app", "äpp"),
    ],
)
def test_what_is_damaged_is_refused(old: str, new: str) -> None:
    now = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
    token = f"{UNSIGNED}&X-Amz-Signature=0"
    rules = _rules(now, checked=False)
    assert why_refused(token, USER, rules, now) == ""
    assert why_refused(token.replace(old, new), USER, rules, now)


@given(st.text(max_size=200))
def test_nothing_else_is_a_token(text: str) -> None:
    now = datetime.now(UTC)
    assert why_refused(text, USER, _rules(now, checked=False), now)


def test_names_in_another_encoding_are_not_the_same() -> None:
    """Nor is U+FFFD, as which they are shown."""
    now = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
    names = (b"a\xe9", b"a\xff", "a\ufffd".encode(), "a\xe9".encode())
    for signed in names:
        token = UNSIGNED.replace("DBUser=app", f"DBUser={quote(signed)}") + "&X-Amz-Signature=%FF"
        for user in names:
            why = why_refused(token, user.decode(errors="surrogateescape"), _rules(now, checked=False), now)
            assert (why == "") == (user == signed)
            why.encode()
    assert "not made with" in why_refused(token, names[-1].decode(), _rules(now), now)


def test_what_boto3_makes_for_a_name_in_another_encoding_is_checked_as_it_is_signed() -> None:
    now = datetime.now(UTC)
    token = _made(user="a\xe9").replace("a%C3%A9", "a%E9")
    assert "not made with" in why_refused(token, "a\udce9", _rules(now), now)


@pytest.mark.parametrize("password", ["?Hunter2&Hunter2", "Hunter2", "a?Hunter2=1&b&Hunter2", "?Action=Hunter2"])
def test_nothing_of_a_password_is_quoted(password: str) -> None:
    now = datetime.now(UTC)
    assert "Hunter2" not in why_refused(password, USER, _rules(now), now)


def test_keys_are_good_for_few_days() -> None:
    noon = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
    assert signing_days(noon) == ("20260101", "20260102")
    rules, at = _rules(noon), noon + timedelta(days=1)
    token = UNSIGNED.replace("20260102", f"{at:%Y%m%d}").replace("T030405Z", f"T{at:%H%M%S}Z")
    assert "No supervisor has given the key" in why_refused(f"{token}&X-Amz-Signature=0", USER, rules, at)


def test_rules_survive_json() -> None:
    rules = _rules(datetime.now(UTC))
    assert IamRules.from_json(json.loads(json.dumps(rules.to_json()))) == rules
    assert SECRET not in json.dumps(rules.to_json())
