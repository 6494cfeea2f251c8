"""DNS names below a table, whose 80 columns have no room for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def with_names(table: Table, views: Sequence[dict[str, Any]], identifier: str) -> RenderableType:
    """Show the names of endpoints below their table; `identifier` is the key of what they are called."""
    names = Table.grid(padding=(0, 2, 0, 0))
    for view in views:
        names.add_row(view[identifier], Text(view["EndpointName"] or "", overflow="fold"))
    return Group(table, Text(), names)
