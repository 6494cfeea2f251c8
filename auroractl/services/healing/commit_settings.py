"""Monitoring of synchronous_commit: shows weaker settings in `status`, and resets them if it is enforced."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

import psycopg

from auroractl.core.synchronous_commit.setting import NAME
from auroractl.engine import commit_settings, sql
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster

log = logging.getLogger(__name__)

_INTERVAL_S = 60.0
_UNDO_INTERVAL_S = 3.0
_SHARE_MAX = 0.02
"""The share of time to spend on reading statistics, which takes longer with more statements."""
_TIMEOUT_S = 2.0
"""The timeout of one statement."""


def due(cluster: ManagedCluster) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the tasks that are due for a cluster, each with its subject."""
    undo_due = time.monotonic() >= cluster.memory.commits.undo_due_s
    if cluster.settings.enforce_synchronous_commit and undo_due and cluster.observer.commit_settings(cluster.name):
        yield "commit-settings", lambda: undo(cluster)
    if time.monotonic() >= cluster.memory.commits.due_s:
        yield "commit-statements", lambda: record_statements(cluster)


def undo(cluster: ManagedCluster) -> None:
    """Reset the database and role settings that weaken commits, and record an event for each.

    Settings that cannot be reset, for example because a transaction locks them, are retried later. Raises EngineError.
    """
    memory = cluster.memory.commits
    memory.undo_due_s = time.monotonic() + _UNDO_INTERVAL_S
    access = cluster.installation.access(cluster.writer())
    with sql.session(access, statement_timeout_s=_TIMEOUT_S) as connection:
        for found in commit_settings.settings(connection):
            try:
                commit_settings.reset(connection, found)
            except psycopg.Error as error:
                log.warning("%s: %s of %s cannot be reset: %s", cluster.name, NAME, found.subject, str(error).strip())
                continue
            said = f"The setting {NAME} = {found.value} of {found.subject} was reset, because {NAME} is enforced."
            events.record(cluster, events.COMMITS, cluster.name, said)
    cluster.observer.forget_internals(cluster.name)


def record_statements(cluster: ManagedCluster) -> None:
    """Record which users have run statements that set synchronous_commit. Raises EngineError."""
    memory, began_s = cluster.memory.commits, time.monotonic()
    memory.due_s = began_s + _INTERVAL_S
    access = cluster.installation.access(cluster.writer())
    with sql.session(access, statement_timeout_s=_TIMEOUT_S) as connection:
        found = commit_settings.statements(connection)
    now_s = time.monotonic()
    memory.due_s = now_s + max(_INTERVAL_S, (now_s - began_s) / _SHARE_MAX)
    memory.note(found, now_s)
