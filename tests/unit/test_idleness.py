"""How long nobody has asked, by a clock of the test's own."""

from __future__ import annotations

import pytest

from auroractl.supervisor.idleness import Idleness


def test_one_leaves_only_after_the_last_request_has_ended_for_long_and_then_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = 100.0
    monkeypatch.setattr("auroractl.supervisor.idleness.time.monotonic", lambda: now_s)
    idleness = Idleness()
    now_s += 5
    assert not idleness.leave(after_s=5)
    with idleness.request() as accepted:
        assert accepted
        now_s += 60
        assert not idleness.leave(after_s=5)
    now_s += 5
    assert not idleness.leave(after_s=5)
    now_s += 1
    assert idleness.leave(after_s=5)
    with idleness.request() as accepted:
        assert not accepted
        assert idleness.leave(after_s=5)
