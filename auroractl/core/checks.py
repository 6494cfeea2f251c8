"""What `doctor` found out about a machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something may go wrong or be slow."""
    FAILED = "failed"
    """auroractl cannot work like this."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, how it is in one sentence, and what to do where it is not well."""

    name: str
    outcome: Outcome
    message: str
    hint: str = ""


def ok(name: str, message: str) -> Check:
    """All is well."""
    return Check(name, Outcome.OK, message)


def warning(name: str, message: str, hint: str) -> Check:
    """It works, and something may go wrong or be slow."""
    return Check(name, Outcome.WARNING, message, hint)


def failed(name: str, message: str, hint: str) -> Check:
    """auroractl cannot work like this."""
    return Check(name, Outcome.FAILED, message, hint)


def checks_view(checks: Iterable[Check]) -> dict[str, Any]:
    """The document of `doctor`."""
    found = list(checks)
    return {
        "Healthy": all(check.outcome is not Outcome.FAILED for check in found),
        "Checks": [
            {"Name": each.name, "Status": each.outcome.value, "Message": each.message, "Hint": each.hint}
            for each in found
        ],
    }
