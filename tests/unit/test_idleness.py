"""How long nobody has asked, by a clock of the test's own."""

from __future__ import annotations

import pytest

from auroractl.supervisor.idleness import Idleness


def test_idleness_counts_from_the_end_of_the_last_request(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("auroractl.supervisor.idleness.time.monotonic", lambda: now_s)
    idleness = Idleness()
    now_s += 5
    assert idleness.lasted_s() == 5
    with idleness.asking():
        with idleness.asking():
            now_s += 60
        assert idleness.lasted_s() == 0
        now_s += 60
    now_s += 2
    assert idleness.lasted_s() == 2
