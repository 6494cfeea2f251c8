"""The findings of `doctor` about a machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """auroractl works, but something may fail or be slow."""
    FAILED = "failed"
    """auroractl cannot work under these conditions."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its subject, the finding in one sentence, and a remedy if there is a problem."""

    name: str
    outcome: Outcome
    message: str
    hint: str = ""


def ok(name: str, message: str) -> Check:
    """Make a passed check."""
    return Check(name, Outcome.OK, message)


def warning(name: str, message: str, hint: str) -> Check:
    """Make a warning: auroractl works, but something may fail or be slow."""
    return Check(name, Outcome.WARNING, message, hint)


def failed(name: str, message: str, hint: str) -> Check:
    """Make a failed check: auroractl cannot work under these conditions."""
    return Check(name, Outcome.FAILED, message, hint)


def checks_view(checks: Iterable[Check]) -> dict[str, Any]:
    """Build the document of `doctor`."""
    found = list(checks)
    return {
        "Healthy": all(check.outcome is not Outcome.FAILED for check in found),
        "Checks": [
            {"Name": each.name, "Status": each.outcome.value, "Message": each.message, "Hint": each.hint}
            for each in found
        ],
    }
