"""Keyboard input for live screens."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def quit_key() -> Iterator[Callable[[float], bool]]:
    """Yield a function that waits a number of seconds, and returns early with True if q is pressed.

    Within the context, the terminal neither echoes nor buffers keys. Without a terminal, the function only waits.
    """
    if not sys.stdin.isatty():
        yield _wait
        return
    import termios  # noqa: PLC0415  (only for live screens)
    import tty  # noqa: PLC0415

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield _wait_for_q
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wait(timeout_s: float) -> bool:
    time.sleep(timeout_s)
    return False


def _wait_for_q(timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while (left_s := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([sys.stdin], [], [], left_s)
        if ready and os.read(sys.stdin.fileno(), 1) in {b"q", b"Q", b""}:
            return True
    return False
