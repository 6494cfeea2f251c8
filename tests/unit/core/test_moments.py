"""How moments are written, and where in the log each of them lies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auroractl.core.errors import ExitCode, InvalidParameterValue
from auroractl.core.restore.target import Commit, Cut, Target, cut_at, parse_target

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ABROAD = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T04:14:08Z", datetime(2026, 11, 23, 4, 14, 8, tzinfo=UTC)),
        ("2026-11-23T04:14:08+02:00", datetime(2026, 11, 23, 2, 14, 8, tzinfo=UTC)),
        ("2026-11-23T04:14:08.250001Z", datetime(2026, 11, 23, 4, 14, 8, 250001, tzinfo=UTC)),
        ("2026-11-23 04:14:08", datetime(2026, 11, 23, 2, 14, 8, tzinfo=UTC)),
        ("2026-11-23 04:14", datetime(2026, 11, 23, 2, 14, tzinfo=UTC)),
        ("  2026-11-23   04:14 ", datetime(2026, 11, 23, 2, 14, tzinfo=UTC)),
        ("2026-11-23", datetime(2026, 11, 22, 22, 0, tzinfo=UTC)),
        ("14:00", NOW),
        ("14:01", datetime(2026, 11, 22, 12, 1, tzinfo=UTC)),
        ("4:03", datetime(2026, 11, 23, 2, 3, tzinfo=UTC)),
        ("04:03:21.5", datetime(2026, 11, 23, 2, 3, 21, 500000, tzinfo=UTC)),
        ("-90s", NOW - timedelta(seconds=90)),
        ("- 90 S", NOW - timedelta(seconds=90)),
        ("-5m", NOW - timedelta(minutes=5)),
        ("-1.5h", NOW - timedelta(minutes=90)),
        ("-2d", NOW - timedelta(days=2)),
        ("10 minutes ago", NOW - timedelta(minutes=10)),
        ("1 Hour Ago", NOW - timedelta(hours=1)),
        ("3 days  ago", NOW - timedelta(days=3)),
        ("45 secs ago", NOW - timedelta(seconds=45)),
        ("0s ago", NOW),
        ("now", NOW),
    ],
)
def test_every_way_to_write_a_moment(text: str, expected: datetime) -> None:
    target = parse_target(text, NOW, ABROAD)
    assert target == Target(at=expected)
    assert target.at is not None
    assert target.at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["earliest", " Earliest "])
def test_as_far_back_as_there_is(text: str) -> None:
    assert parse_target(text, NOW, UTC).earliest


@pytest.mark.parametrize(("text", "lsn"), [("0/3B5A2C8", 0x3B5A2C8), ("1/0", 2**32), ("ff/FF", 255 * 2**32 + 255)])
def test_a_place_in_the_log(text: str, lsn: int) -> None:
    target = parse_target(text, NOW, UTC)
    assert (target.at, target.lsn, target.earliest) == (None, lsn, False)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "yesterday", "5m", "+5m", "-5", "-5w", "--5m", "-1.m", "5 fortnights ago", "ago", "24:00", "12:60",
        "123:45", "2026-13-01", "2026-02-30T10:00:00Z", "0/G", "0/123456789", "/", "0/", "-99999999999d",
        "999999999999999 days ago", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "earliest!", "\x00",
    ],
)  # fmt: skip
def test_what_is_not_a_moment(text: str) -> None:
    with pytest.raises(InvalidParameterValue, match="is not a point in time") as caught:
        parse_target(text, NOW, ABROAD)
    assert "earliest" in caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


@given(st.text(max_size=30))
def test_any_text_is_a_target_or_one_clear_sentence(text: str) -> None:
    try:
        target = parse_target(text, NOW, ABROAD)
    except InvalidParameterValue:
        return
    assert target.at is None or target.at.tzinfo is UTC


@given(st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_an_iso_moment_is_read_back_to_the_microsecond(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert parse_target(aware.isoformat(), NOW, ABROAD).at == aware


def _at(second: int) -> datetime:
    return NOW + timedelta(seconds=second)


@st.composite
def _logs(draw: st.DrawFn) -> list[Commit]:
    """Commits in the order of the log, with times that need not be in that order and may be equal."""
    seconds = draw(st.lists(st.integers(0, 12), max_size=12))
    lsn = 0
    commits = []
    for second in seconds:
        lsn += draw(st.integers(1, 100))
        commits.append(Commit(lsn, _at(second)))
    return commits


def _by_trying_every_place(commits: list[Commit], target: datetime) -> Cut | None:
    exact = [
        number
        for number in range(1, len(commits) + 1)
        if max(each.at for each in commits[:number]) <= target
        and all(each.at > max(kept.at for kept in commits[:number]) for each in commits[number:])
    ]
    if not exact:
        return None
    kept = commits[: exact[-1]]
    return Cut(kept[-1].lsn, max(each.at for each in kept))


@given(_logs(), st.integers(-1, 13))
@example([Commit(1, _at(1)), Commit(2, _at(1))], 1)
@example([Commit(1, _at(3)), Commit(2, _at(1))], 2)
def test_the_cut_is_the_last_exact_one(commits: list[Commit], second: int) -> None:
    assert cut_at(commits, _at(second)) == _by_trying_every_place(commits, _at(second))


@given(_logs(), st.integers(-1, 13))
def test_what_is_kept_is_what_was_committed_until_the_moment_that_is_told(commits: list[Commit], second: int) -> None:
    cut = cut_at(commits, _at(second))
    if cut is not None:
        assert {each for each in commits if each.lsn <= cut.lsn} == {each for each in commits if each.at <= cut.at}
        assert cut.at <= _at(second)
