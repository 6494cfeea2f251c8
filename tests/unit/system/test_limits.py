"""Errors that mean that a limit is reached, and all others."""

from __future__ import annotations

import errno
import resource

import pytest

from auroractl.system.limits import raise_soft_limits, shortage


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "cgroup"),
        (RuntimeError("can't start new thread"), "cgroup"),
        (MemoryError(), "cgroup"),
    ],
)
def test_a_shortage_names_its_limit(error: Exception, command: str) -> None:
    found = shortage(error)
    assert found is not None
    # Of processes and memory the one who runs this has no limit as a rule.
    assert command in found.message or "ulimit -" in found.message
    assert "Errno" in found.message


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(errno.ENOENT, "No such file"), RuntimeError("x"), KeyError("a")]
)
def test_other_errors_are_none(error: Exception) -> None:
    assert shortage(error) is None


def test_what_is_higher_already_is_not_lowered(monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = []
    monkeypatch.setattr(resource, "getrlimit", lambda _limit: (100_000, 200_000))
    monkeypatch.setattr(resource, "setrlimit", lambda limit, limits: lowered.append((limit, limits)))
    raise_soft_limits()
    assert resource.RLIMIT_NOFILE not in [limit for limit, _ in lowered]
    assert all(limits == (200_000, 200_000) for _, limits in lowered)
