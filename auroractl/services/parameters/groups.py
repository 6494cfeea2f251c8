"""The verbs of parameter groups, the same for those of clusters and those of instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from auroractl.core import identifiers
from auroractl.core.errors import (
    InvalidParameterCombination,
    InvalidParameterValue,
    ParameterGroupNotFound,
    ParameterGroupQuotaExceeded,
)
from auroractl.core.guessing import did_you_mean
from auroractl.core.parameters import changes
from auroractl.core.parameters.model import GroupKind, ParameterChange, ParameterGroup, default_group, family_of
from auroractl.runtime.installation import Engine
from auroractl.runtime.parameters import chosen_settings
from auroractl.runtime.runtime import Runtime
from auroractl.services.parameters import apply, trial
from auroractl.services.parameters.catalog import FAMILIES, catalog, require_family

_GROUPS_MAX = 50
_DESCRIPTION_LENGTH_MAX = 1000


def find_group(runtime: Runtime, kind: GroupKind, name: str) -> ParameterGroup:
    """Return a group of one's own or a default one. Raises ParameterGroupNotFound."""
    known = all_groups(runtime, kind)
    for group in known:
        if group.name == name.lower():
            return group
    names = [group.name for group in known]
    raise ParameterGroupNotFound(
        f"{kind.words} not found: {name[:80]}.", did_you_mean(name[:80], names, f"There are {', '.join(names)}")
    )


def all_groups(runtime: Runtime, kind: GroupKind) -> list[ParameterGroup]:
    """List the default groups of all families, and then the groups of one's own."""
    defaults = [
        ParameterGroup(
            name=default_group(family),
            kind=kind,
            family=family,
            description=f"Default {'cluster ' if kind is GroupKind.CLUSTER else ''}parameter group for {family}",
            settings={},
            tags={},
            created_at=runtime.started_at,
        )
        for family in FAMILIES
    ]
    return [*defaults, *runtime.repository.parameter_groups(kind)]


def create_group(
    runtime: Runtime, kind: GroupKind, name: str, family: str, description: str, tags: Mapping[str, str]
) -> ParameterGroup:
    """Create a group with the defaults of a family.

    Raises InvalidParameterValue, ParameterGroupAlreadyExists, ParameterGroupQuotaExceeded.
    """
    chosen = changes.group_name(name)
    known = require_family(runtime, family)
    return _add(
        runtime, ParameterGroup(chosen, kind, known, description, {}, identifiers.tags(dict(tags)), runtime.now())
    )


def copy_group(
    runtime: Runtime, kind: GroupKind, source: str, target: str, description: str, tags: Mapping[str, str]
) -> ParameterGroup:
    """Create a group with the values of another one. Raises as `create_group`, ParameterGroupNotFound."""
    found = find_group(runtime, kind, source)
    made = replace(
        found,
        name=changes.group_name(target),
        description=description or found.description,
        tags=identifiers.tags(dict(tags)),
        created_at=runtime.now(),
    )
    return _add(runtime, made)


def _add(runtime: Runtime, group: ParameterGroup) -> ParameterGroup:
    if len(group.description) > _DESCRIPTION_LENGTH_MAX or not group.description.isprintable():
        raise InvalidParameterValue(
            f"A description has at most {_DESCRIPTION_LENGTH_MAX} printable characters.", "Shorten it"
        )
    if len(runtime.repository.parameter_groups(group.kind)) >= _GROUPS_MAX:
        raise ParameterGroupQuotaExceeded(f"There are {_GROUPS_MAX} parameter groups, the maximum.", "Delete one first")
    runtime.repository.add_parameter_group(group)
    return group


def modify_group(runtime: Runtime, kind: GroupKind, name: str, wanted: Sequence[ParameterChange]) -> ParameterGroup:
    """Change parameters of a group, and apply them to the clusters that use it.

    Dynamic parameters take effect at once, static ones when an instance is rebooted. Raises InvalidParameterValue and
    others for what is refused, also by a server; nothing is changed then.
    """
    group = find_group(runtime, kind, name)
    changes.require_changeable(group)
    settings = changes.modified(group, wanted, catalog(runtime, group.family))
    return apply.change_group(runtime, group, settings)


def reset_group(
    runtime: Runtime, kind: GroupKind, name: str, wanted: Sequence[ParameterChange], *, everything: bool
) -> ParameterGroup:
    """Reset parameters of a group, or all, to their defaults. Raises as `modify_group`."""
    group = find_group(runtime, kind, name)
    changes.require_changeable(group)
    settings = changes.without(group, wanted, catalog(runtime, group.family), everything=everything)
    return apply.change_group(runtime, group, settings)


def delete_group(runtime: Runtime, kind: GroupKind, name: str) -> None:
    """Delete a group. Raises ParameterGroupNotFound, InvalidParameterGroupState if it is in use or a default one."""
    group = find_group(runtime, kind, name)
    changes.require_deletable(group, runtime.repository.parameter_group_users(group.kind, group.name))
    runtime.repository.delete_parameter_group(group)


def take(runtime: Runtime, name: str | None, version: str, engine: Engine) -> tuple[str, Mapping[str, str]]:
    """Return the stored name and the settings of the group of a new cluster, which have been tried.

    Raises as `resolve`, and InvalidParameterValue if a server does not start with them.
    """
    group = resolve(runtime, GroupKind.CLUSTER, name, version)
    settings = chosen_settings(runtime.repository, GroupKind.CLUSTER, group)
    if settings:
        trial.tried(runtime, engine, settings)
    return group, settings


def resolve(runtime: Runtime, kind: GroupKind, name: str | None, version: str) -> str:
    """Return the stored name of a group for an engine version; empty for the default one.

    Raises ParameterGroupNotFound, InvalidParameterCombination if it is of another family.
    """
    if name is None:
        return ""
    group, family = find_group(runtime, kind, name), family_of(version)
    if group.family != family:
        raise InvalidParameterCombination(
            f"The Parameter Group {group.name} with DBParameterGroupFamily {group.family} cannot be used with engine "
            f"version {version}.",
            f"Use a Parameter Group with DBParameterGroupFamily {family}",
        )
    return "" if group.is_default else group.name
