"""Conversion of result documents to tables for people and to rows of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType


def lazy(name: str) -> Callable[[dict[str, Any]], RenderableType]:
    """Return a function of `tables` that imports it, and Rich with it, on its first call."""

    def render(document: dict[str, Any]) -> RenderableType:
        from auroractl.cli.render import tables  # noqa: PLC0415

        renderable: RenderableType = getattr(tables, name)(document)
        return renderable

    return render
