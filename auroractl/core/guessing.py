"""Suggestions for mistyped names."""

from __future__ import annotations

from collections.abc import Iterable


def closest(typed: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """Return the known name most similar to the typed one; None if none is at least `alike` (0 to 1).

    >>> closest("creat-cluster", ["create-cluster", "delete-cluster"])
    'create-cluster'
    >>> closest("nonsense", ["create-cluster"])
    """
    import difflib  # noqa: PLC0415  (only on the way to an error)

    return next(iter(difflib.get_close_matches(typed.lower(), list(known), 1, alike)), None)


def did_you_mean(typed: str, known: Iterable[str], otherwise: str) -> str:
    """Return a hint with the name most similar to a mistyped one, or else `otherwise`.

    >>> did_you_mean("dmo", ["demo", "prod"], "Existing clusters: demo, prod.")
    'Did you mean demo?'
    """
    guess = closest(typed, known)
    return f"Did you mean {guess}?" if guess else otherwise
