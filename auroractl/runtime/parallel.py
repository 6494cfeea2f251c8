"""Concurrent calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

_WORKERS_MAX = 8


def side_by_side(
    call: Callable[..., object], arguments: Sequence[tuple[Any, ...]], workers_max: int = _WORKERS_MAX
) -> None:
    """Make one call per tuple of arguments, several at a time; raise the first error once all have ended."""
    if not arguments:
        return
    with ThreadPoolExecutor(max_workers=min(workers_max, len(arguments))) as pool:
        # A check that ends the caller's waits also ends those of the calls.
        futures = [pool.submit(copy_context().run, call, *each) for each in arguments]
    for future in futures:
        future.result()


def run_all(*calls: Callable[[], object]) -> None:
    """Make different calls, several at a time; raise the first error once all have ended."""
    side_by_side(lambda call: call(), [(each,) for each in calls])
