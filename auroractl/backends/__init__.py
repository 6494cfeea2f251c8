"""What a command talks to: one request per verb, JSON in and out; `local` asks the supervisor on this machine.

The verbs are the names of the commands and the documents have AWS's shape, so that another backend (AWS itself) can
answer the same requests.
"""

from __future__ import annotations

from typing import Any, Protocol

Document = dict[str, Any]


class Progress(Protocol):
    """Who is told how long work gets on."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """A step is `started`, `done`, `failed`, `undoing` or `undone`."""

    def message(self, text: str) -> None:
        """Something worth saying happened."""


class Backend(Protocol):
    """Answers requests."""

    def request(self, verb: str, body: Document, progress: Progress) -> Document:
        """The result document of a verb. Raises AuroraError, also for what went wrong on the other side."""
