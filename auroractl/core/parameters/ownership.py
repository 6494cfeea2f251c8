"""Which parameters can be changed in a parameter group, and why the others cannot.

A category that is not listed as open is closed, so that a parameter of a later PostgreSQL is closed until it is known.
The categories are those of pg_settings (https://www.postgresql.org/docs/18/view-pg-settings.html).
"""

from __future__ import annotations

from fractions import Fraction

from auroractl.core.parameters.model import Definition, GroupKind
from auroractl.core.parameters.standby import STANDBY_PARAMETERS

LIBRARIES = ("pg_stat_statements", "pgaudit", "pg_cron", "auto_explain", "pg_hint_plan")
"""Libraries that a group may preload, if the build has them."""
_CLASSES = ("pg_stat_statements.", "pgaudit.", "cron.", "auto_explain.", "pg_hint_plan.")

_OPEN = (
    "Autovacuum",
    "Client Connection Defaults / Locale and Formatting",
    "Client Connection Defaults / Statement Behavior",
    "Connections and Authentication / TCP Settings",
    "Lock Management",
    "Query Tuning",
    "Replication / Subscribers",
    "Reporting and Logging / Process Title",
    "Reporting and Logging / What to Log",
    "Reporting and Logging / When to Log",
    "Resource Usage",
    "Statistics",
    "Vacuuming",
    "Version and Platform Compatibility",
)
_OPEN_NAMES = frozenset(
    """max_connections authentication_timeout scram_iterations md5_password_warnings max_wal_senders
    max_replication_slots max_slot_wal_keep_size idle_replication_slot_timeout track_commit_timestamp
    max_standby_streaming_delay max_standby_archive_delay checkpoint_timeout checkpoint_warning wal_buffers
    gin_fuzzy_search_limit shared_preload_libraries""".split()
)
_READS_THE_LOG = "auroractl reads the server's log and recognises its lines by it"
_OBSERVES = "auroractl observes the server with it"
_ONE_TRANSACTION = "it belongs to one transaction"
_SHARED_MEMORY = "auroractl releases the shared memory of a killed server, and knows only this kind"
CLOSED: dict[str, str] = {
    "allow_alter_system": "no client may run ALTER SYSTEM in any case",
    "application_name": "each client sets its own",
    "cluster_name": "it is the name of the instance",
    "default_transaction_read_only": "auroractl sets it while the storage volume is full",
    "dynamic_shared_memory_type": _SHARED_MEMORY,
    "event_triggers": "switching event triggers off is for the superuser",
    "lc_messages": _READS_THE_LOG,
    "log_line_prefix": _READS_THE_LOG,
    "log_timezone": _READS_THE_LOG,
    "pg_stat_statements.track_utility": "auroractl finds sessions that weaken synchronous_commit with it",
    "shared_memory_type": _SHARED_MEMORY,
    "synchronous_commit": "a commit is acknowledged by the write quorum; a session, a role or a database can set it",
    "track_activities": _OBSERVES,
    "transaction_deferrable": _ONE_TRANSACTION,
    "transaction_isolation": _ONE_TRANSACTION,
    "transaction_read_only": _ONE_TRANSACTION,
    "wal_level": "set rds.logical_replication to 1 instead",
    "hot_standby_feedback": "readers depend on it, as there is no shared volume here",
    "password_encryption": "clients prove their passwords with SCRAM only",
}
"""Why a parameter cannot be changed, whatever its category."""
_REASONS = (
    ("Connections and Authentication / SSL", "the endpoints end TLS, not the server"),
    ("Connections and Authentication", "auroractl decides where servers listen and how clients are authenticated"),
    ("File Locations", "auroractl decides where the files of a cluster are"),
    ("Replication", "readers and storage nodes receive WAL by it"),
    ("Write-Ahead Log", "the storage volume and backtrack depend on it"),
    ("Reporting and Logging / Where to Log", "auroractl writes and rotates the logs; see auroractl logs"),
    ("Client Connection Defaults", "servers load libraries of their own build only; set shared_preload_libraries"),
    ("Error Handling", "auroractl restarts servers itself"),
    ("Preset Options", "it is fixed when PostgreSQL is compiled or the cluster is created"),
    ("Developer Options", "it is for developers of PostgreSQL and can damage data"),
    ("Customized Options", "it belongs to a library that servers here do not load"),
)
_MINIMA = {
    "max_connections": ("50", "auroractl itself needs up to 30"),
    "max_wal_senders": ("40", "15 readers and six storage nodes need up to 40"),
    "max_replication_slots": ("40", "the default is the least"),
    "transaction_timeout": ("5000", "it also ends connections that are just being made; 0 sets no limit"),
}
_OR_ZERO = frozenset({"transaction_timeout"})
"""Parameters of which 0 means that there is no limit."""
"""The least that auroractl needs of a parameter, and why."""
_CLUSTER_WIDE = frozenset(
    {
        *STANDBY_PARAMETERS, "max_replication_slots", "track_commit_timestamp", "checkpoint_timeout", "timezone",
        "shared_preload_libraries", "max_slot_wal_keep_size", "idle_replication_slot_timeout",
    }
)  # fmt: skip
"""Parameters of which all instances of a cluster need the same value, because each may become the writer."""


def why_closed(definition: Definition) -> str:
    """Return why a parameter cannot be changed; empty if it can."""
    name = definition.name
    if name in CLOSED:
        return CLOSED[name]
    if name in _OPEN_NAMES or name.startswith("rds."):
        return ""
    if definition.context == "internal":
        return "it shows a fact of the server"
    if definition.category == "Customized Options" and name.startswith(_CLASSES):
        return ""
    if any(_within(definition.category, each) for each in _OPEN):
        return ""
    return next(
        (reason for start, reason in _REASONS if _within(definition.category, start)), "auroractl does not know it"
    )


def why_not_per_instance(definition: Definition) -> str:
    """Return why a parameter is set for the whole cluster only; empty if an instance may have its own value."""
    if definition.name.startswith("rds.") or definition.name in _CLUSTER_WIDE:
        return "all instances of a cluster need the same value; set it in the DB cluster parameter group"
    return ""


def is_modifiable(definition: Definition, kind: GroupKind) -> bool:
    """Return whether a group of a kind can hold a value of a parameter."""
    return not (why_closed(definition) or (kind is GroupKind.INSTANCE and why_not_per_instance(definition)))


def permits(name: str, number: Fraction) -> bool:
    """Return whether a number, in the parameter's unit, leaves auroractl what it needs."""
    needed, _ = least(name)
    return not needed or number >= Fraction(needed) or (name in _OR_ZERO and number == 0)


def least(name: str) -> tuple[str, str]:
    """Return the least value that auroractl needs, and why; two empty strings if there is none."""
    return _MINIMA.get(name, ("", ""))


def _within(category: str, start: str) -> bool:
    return category == start or category.startswith(f"{start} / ")
