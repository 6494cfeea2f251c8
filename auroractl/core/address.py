"""A listening address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A listening address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
