"""Doing several things at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_WORKERS_MAX = 8


def side_by_side(
    call: Callable[..., object], arguments: Sequence[tuple[Any, ...]], workers_max: int = _WORKERS_MAX
) -> None:
    """Make one call per tuple of arguments, several at a time; the first error is raised once all have ended."""
    if not arguments:
        return
    with ThreadPoolExecutor(max_workers=min(workers_max, len(arguments))) as pool:
        futures = [pool.submit(call, *each) for each in arguments]
    for future in futures:
        future.result()
