"""Types of custom endpoints; apart from the model, so that a command loads no more."""

from __future__ import annotations

from enum import StrEnum


class CustomEndpointType(StrEnum):
    """Which instances a custom endpoint may go to: readers only, or the writer too."""

    READER = "READER"
    ANY = "ANY"
