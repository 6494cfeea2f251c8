"""From result documents to tables for people and to rows of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType


def lazy(name: str) -> Callable[[dict[str, Any]], RenderableType]:
    """A function of `tables` that is imported, and Rich with it, only when it is called."""

    def render(document: dict[str, Any]) -> RenderableType:
        from auroractl.cli.render import tables  # noqa: PLC0415

        renderable: RenderableType = getattr(tables, name)(document)
        return renderable

    return render
