"""The parameters that only AWS has, and their effect on the server's own."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.core.parameters.model import Definition
from auroractl.core.parameters.ownership import CLOSED, LIBRARIES
from auroractl.core.parameters.standby import STANDBY_PARAMETERS
from auroractl.core.parameters.values import is_on


def _definition(name: str, type_: str, context: str, default: str | None, text: str, low: str, high: str) -> Definition:
    return Definition(name, type_, "", context, "Customized Options", low, high, (), default, text)


DEFINITIONS: Mapping[str, Definition] = {
    each.name: each
    for each in (
        _definition(
            "rds.logical_replication", "bool", "postmaster", "0", "Enables logical decoding (wal_level = logical).", "", ""
        ),
        _definition("rds.force_ssl", "bool", "sighup", "0", "Endpoints refuse clients without TLS.", "", ""),
        _definition(
            "rds.global_db_rpo", "integer", "sighup", None,
            "The recovery point objective of a global database in seconds; without effect here.", "20", "2147483647",
        ),
        _definition(
            "rds.log_retention_period", "integer", "sighup", "4320",
            "How long AWS keeps logs, in minutes; without effect here.", "1440", "10080",
        ),
    )
}  # fmt: skip
SHOWN: Mapping[str, str] = {
    "rds.logical_replication": "off",
    "rds.force_ssl": "off",
    "rds.log_retention_period": "4320",
}
"""What `SHOW` says on a server without a parameter group."""
_OF_THE_SERVER = frozenset({*STANDBY_PARAMETERS, "max_replication_slots", "shared_buffers", "timezone", *SHOWN})
"""Parameters with a default of auroractl that a group may replace."""


def server_parameters(settings: Mapping[str, str], own: Mapping[str, str | int]) -> dict[str, str | int]:
    """Return what the settings of groups change in a server's configuration, whose other values are `own`.

    What auroractl owns is never replaced, even by a group that an earlier version let have it.
    """
    found: dict[str, str | int] = {}
    for name, value in settings.items():
        if name in CLOSED or name == "shared_preload_libraries" or (name in own and name not in _OF_THE_SERVER):
            continue
        found[name] = value
    if "shared_preload_libraries" in settings:
        named = f"{own.get('shared_preload_libraries', '')},{settings['shared_preload_libraries']}"
        libraries = [each.strip() for each in named.split(",") if each.strip() in LIBRARIES]
        found["shared_preload_libraries"] = ",".join(dict.fromkeys(libraries))
    if "rds.logical_replication" in settings:
        decoding = is_on(settings, "rds.logical_replication")
        found["rds.logical_replication"] = "on" if decoding else "off"
        if decoding:
            found["wal_level"] = "logical"
    if "rds.force_ssl" in settings:
        found["rds.force_ssl"] = "on" if is_on(settings, "rds.force_ssl") else "off"
    return found
