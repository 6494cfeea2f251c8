"""The certificate in use while another one cannot be issued."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auroractl.certificates import files
from auroractl.config.paths import Home
from auroractl.runtime.certificates import current_pem, forget
from auroractl.runtime.cluster_memory import ClusterMemory

NOW = datetime(2026, 11, 27, tzinfo=UTC)
HOSTS = {"127.16.0.1", "localhost"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.cluster("demo").endpoint.mkdir(parents=True)
    return home


def _pem(home: Home, memory: ClusterMemory, now: datetime = NOW) -> str:
    return current_pem(home, home.cluster("demo"), memory, HOSTS, now)


def test_the_kept_certificate_is_used_until_its_end_while_no_other_can_be_issued(home: Home) -> None:
    first = _pem(home, ClusterMemory())
    home.ca_key.write_text("nothing")
    assert _pem(home, ClusterMemory()) == first
    assert _pem(home, ClusterMemory(), NOW + timedelta(days=80)) == first
    assert _pem(home, ClusterMemory(), NOW + timedelta(days=91)) == ""


def test_issuing_is_tried_again_and_reported_once_a_minute(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    memory, now_s = ClusterMemory(), 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    first = _pem(home, memory)
    home.ca_key.write_text("nothing")
    assert {_pem(home, memory) for _ in range(5)} == {first}
    assert len(caplog.records) == 1
    now_s += 61
    _pem(home, memory)
    assert len(caplog.records) == 2
    files.rotate(home, NOW, keep_previous=False)
    forget(memory)
    assert _pem(home, memory) not in {first, ""}


def test_a_removed_authority_is_noticed_while_its_certificate_is_in_memory(home: Home) -> None:
    memory = ClusterMemory()
    first = _pem(home, memory)
    assert _pem(home, memory) == first
    home.ca_key.unlink()
    assert _pem(home, memory) not in {first, ""}
