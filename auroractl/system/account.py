"""An operating system account."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """An account that runs programs and owns their files."""

    name: str
    uid: int
    gid: int
