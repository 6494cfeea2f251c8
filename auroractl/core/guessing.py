"""What somebody meant who mistyped a name."""

from __future__ import annotations

from collections.abc import Iterable


def closest(typed: str, known: Iterable[str]) -> str | None:
    """The known name that is most like what was typed; None where none is like it.

    >>> closest("creat-cluster", ["create-cluster", "delete-cluster"])
    'create-cluster'
    >>> closest("nonsense", ["create-cluster"])
    """
    import difflib  # noqa: PLC0415  (only on the way to an error)

    return next(iter(difflib.get_close_matches(typed.lower(), list(known), 1)), None)


def did_you_mean(typed: str, known: Iterable[str], otherwise: str) -> str:
    """A hint that names what is most like a mistyped name, or else `otherwise`.

    >>> did_you_mean("dmo", ["demo", "prod"], "Existing clusters: demo, prod.")
    'Did you mean demo?'
    """
    guess = closest(typed, known)
    return f"Did you mean {guess}?" if guess else otherwise
