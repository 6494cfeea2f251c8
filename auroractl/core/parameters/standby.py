"""The parameters of which a standby needs at least its writer's value, and the order of restarts that follows.

A standby does not start with less than its WAL was written with, and pauses its replay if the writer is restarted with
more (https://www.postgresql.org/docs/18/hot-standby.html#HOT-STANDBY-ADMIN). So readers are restarted first when a value
is raised, and the writer first when it is lowered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

STANDBY_PARAMETERS: Mapping[str, str] = {
    "max_connections": "max_connections setting",
    "max_worker_processes": "max_worker_processes setting",
    "max_wal_senders": "max_wal_senders setting",
    "max_prepared_transactions": "max_prepared_xacts setting",
    "max_locks_per_transaction": "max_locks_per_xact setting",
}
"""The parameters, each with its name in the output of pg_controldata."""

Values = Mapping[str, int]


def values_in(control: Mapping[str, str]) -> dict[str, int]:
    """Return the values with which the WAL of a data directory was written, from the output of pg_controldata."""
    return {name: int(control[label]) for name, label in STANDBY_PARAMETERS.items()}


def values_of(parameters: Mapping[str, str | int]) -> dict[str, int]:
    """Return those of a server's parameters that are of this kind."""
    return {name: int(parameters[name]) for name in STANDBY_PARAMETERS if name in parameters}


def highest(*each: Values) -> dict[str, int]:
    """Return the highest value of each parameter.

    >>> highest({"max_connections": 130}, {"max_connections": 100, "max_wal_senders": 40})
    {'max_connections': 130, 'max_wal_senders': 40}
    """
    names = dict.fromkeys(name for values in each for name in values)
    return {name: max(values[name] for values in each if name in values) for name in names}


def below(values: Values, wanted: Values) -> list[str]:
    """List the parameters of which a server has less than is wanted."""
    return [name for name, value in wanted.items() if values.get(name, value) < value]


def writer_values(wanted: Values, written: Values, readers: Sequence[Values]) -> dict[str, int]:
    """Return the values with which the writer may start now.

    A raised value waits until all running readers have it. `written` are the writer's own last values.

    >>> writer_values({"max_connections": 200}, {"max_connections": 100}, [{"max_connections": 100}])
    {'max_connections': 100}
    >>> writer_values({"max_connections": 200}, {"max_connections": 100}, [{"max_connections": 200}])
    {'max_connections': 200}
    >>> writer_values({"max_connections": 50}, {"max_connections": 100}, [{"max_connections": 100}])
    {'max_connections': 50}
    """
    allowed = {}
    for name, value in wanted.items():
        lowest = min((reader.get(name, value) for reader in readers), default=value)
        allowed[name] = value if value <= written.get(name, value) else max(written[name], min(value, lowest))
    return allowed


def readers_first(wanted: Values, readers: Mapping[str, Values]) -> list[str]:
    """List the readers to restart before the writer, because they run with less than it is going to have."""
    return [reader for reader, values in readers.items() if below(values, wanted)]
