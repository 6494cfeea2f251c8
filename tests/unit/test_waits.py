"""Waits for a condition go through system/waiting.py; loops that wait by hand are listed with the reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import auroractl

PACKAGE = Path(auroractl.__file__).parent
PIPE = "reads from a pipe or socket, which wakes it"
BY_HAND = {
    "cli/history.py": "follows events until the user ends it",
    "cli/keys.py": "reads the keyboard, which wakes it",
    "cli/logs.py": "follows logs until the user ends it",
    "cli/supervisor.py": "follows logs until the user ends it",
    "cli/watch.py": "measures rates for a fixed time",
    "drills/workload.py": "is the load of a drill",
    "endpoints/client.py": PIPE,
    "endpoints/router.py": "is asynchronous",
    "endpoints/server.py": "is asynchronous",
    "engine/statement_deadline.py": "runs inside psycopg's own wait",
    "engine/probe.py": PIPE,
    "system/liveness.py": "waits after SIGKILL, where a cancellation must not leave a process unobserved",
    "system/locks.py": "retries a system call a fixed number of times",
    "system/programs.py": PIPE,
    "system/waiting.py": "has the loops that all others use",
    "runtime/locks.py": "waits for a condition variable, which wakes it",
    "services/restore/backtrack_steps.py": "retries a step a fixed number of times, past its point of no return",
    "storage/image_worker.py": PIPE,
    "supervisor/daemon.py": "joins threads, which wakes it",
    "supervisor/launch.py": PIPE,
    "supervisor/watch.py": "is the watch loop",
    "testing/session_home.py": "kills a fixed number of times",
}


def _waits_by_hand(tree: ast.Module) -> Iterator[int]:
    """Lines of loops that look at a deadline or sleep."""
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.While | ast.For):
            continue
        for each in ast.walk(loop):
            name = each.id if isinstance(each, ast.Name) else each.attr if isinstance(each, ast.Attribute) else ""
            if name in {"sleep", "pause"} or name.startswith(("deadline", "left_s", "silent_since")):
                yield loop.lineno
                break


def test_loops_that_wait_by_hand_have_a_reason() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        lines = list(_waits_by_hand(ast.parse(path.read_text())))
        if lines:
            found[str(path.relative_to(PACKAGE))] = lines
    unknown = {name: lines for name, lines in found.items() if name not in BY_HAND}
    assert not unknown, f"use wait_until or holds_in_time of system/waiting.py: {unknown}"
    assert BY_HAND.keys() <= found.keys(), f"wait by hand no more: {BY_HAND.keys() - found.keys()}"
