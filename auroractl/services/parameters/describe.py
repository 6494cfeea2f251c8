"""Descriptions of parameter groups and their parameters, as documents."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.parameter_documents import View, group_view, parameter_views
from auroractl.core.parameters.model import GroupKind
from auroractl.runtime.runtime import Runtime
from auroractl.services.parameters.catalog import catalog, require_family
from auroractl.services.parameters.groups import all_groups, find_group

_PER_SERVER = frozenset(
    """cluster_name listen_addresses port unix_socket_directories synchronous_standby_names primary_conninfo
    restore_command recovery_min_apply_delay""".split()
)
"""Parameters that differ from server to server, and are of no interest as defaults."""


def describe_groups(runtime: Runtime, kind: GroupKind, name: str | None) -> list[View]:
    """Describe all groups of a kind, or one. Raises ParameterGroupNotFound."""
    found = all_groups(runtime, kind) if name is None else [find_group(runtime, kind, name)]
    return [group_view(group) for group in found]


def describe_parameters(runtime: Runtime, kind: GroupKind, name: str, source: str | None) -> list[View]:
    """Describe the parameters of a group, or those from one source. Raises ParameterGroupNotFound."""
    group = find_group(runtime, kind, name)
    views = _views(runtime, kind, group.family, group.settings)
    return [view for view in views if source in {None, view["Source"]}]


def describe_defaults(runtime: Runtime, kind: GroupKind, family: str) -> tuple[str, list[View]]:
    """Describe the defaults of a family. Raises InvalidParameterValue for one that is not here."""
    known = family.lower() if family.lower() in runtime.catalogs else require_family(runtime, family)
    return known, _views(runtime, kind, known, {})


def _views(runtime: Runtime, kind: GroupKind, family: str, settings: Mapping[str, str]) -> list[View]:
    known = catalog(runtime, family)
    system = {name: value for name, value in known.system.items() if name not in _PER_SERVER}
    return parameter_views(known, kind, settings, system)
