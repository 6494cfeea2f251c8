"""Changes of parameter groups: what AWS and the server's own description refuse, before anything is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from auroractl.core import identifiers
from auroractl.core.errors import (
    InvalidParameterCombination,
    InvalidParameterGroupState,
    InvalidParameterValue,
    UsageError,
)
from auroractl.core.guessing import did_you_mean
from auroractl.core.parameters.model import (
    ApplyMethod,
    ApplyType,
    Catalog,
    Definition,
    GroupKind,
    ParameterChange,
    ParameterGroup,
    default_group,
)
from auroractl.core.parameters.ownership import why_closed, why_not_per_instance
from auroractl.core.parameters.values import checked

CHANGES_MAX = 20
"""AWS: "A maximum of 20 parameters can be modified in a single request"."""
_NAME_LENGTH_MAX = 255


def group_name(value: str) -> str:
    """Return a new group's name in lower case. Raises InvalidParameterValue for what AWS would refuse."""
    name = value.lower()
    if name.startswith("default."):
        raise InvalidParameterValue(
            f"{value} is the name of a default parameter group, which exists already.", "Choose a name without default."
        )
    if len(name) > _NAME_LENGTH_MAX or not identifiers.has_identifier_form(name):
        raise InvalidParameterValue(
            f"The parameter DBParameterGroupName is not provided correctly: {value[:60]!r}.",
            "A name has up to 255 letters, digits and single hyphens, begins with a letter and does not end with a hyphen",
        )
    return name


def require_changeable(group: ParameterGroup) -> None:
    """Raise InvalidParameterValue for a default group."""
    if group.is_default:
        raise InvalidParameterValue(
            f"Cannot modify a default parameter group: {group.name}.",
            f"Create one of your own: auroractl create-{_word(group.kind)}parameter-group NAME --family {group.family}",
        )


def require_deletable(group: ParameterGroup, users: Sequence[str]) -> None:
    """Raise InvalidParameterGroupState for a default group, or one that clusters or instances use."""
    if group.is_default:
        raise InvalidParameterGroupState(f"Default {group.kind.words} cannot be deleted: {group.name}.", "")
    if users:
        raise InvalidParameterGroupState(
            "One or more database instances are still members of this parameter group "
            f"{group.name}, so the group cannot be deleted: {', '.join(users)}.",
            f"Give them another group first, such as {default_group(group.family)}",
        )


def _word(kind: GroupKind) -> str:
    return "cluster-" if kind is GroupKind.CLUSTER else ""


def modified(group: ParameterGroup, changes: Sequence[ParameterChange], catalog: Catalog) -> dict[str, str]:
    """Return the settings of a group after changes. Raises the error of the first change that is refused."""
    _require_changes(changes)
    settings = dict(group.settings)
    for change in changes:
        definition = _definition(change.name, catalog)
        if change.value is None:
            raise InvalidParameterValue(
                f"The value of {definition.name} is missing.", f"Write --parameters {definition.name}=VALUE"
            )
        _require_open(definition, group.kind)
        _require_method(definition, change)
        settings[definition.name] = checked(definition, change.value, catalog)
    return settings


def without(
    group: ParameterGroup, changes: Sequence[ParameterChange], catalog: Catalog, *, everything: bool
) -> dict[str, str]:
    """Return the settings of a group after a reset of the named parameters, or of all."""
    if everything:
        if changes:
            raise UsageError("Either all parameters or the named ones are reset, not both.", "Omit one of the options")
        return {}
    _require_changes(changes)
    settings = dict(group.settings)
    for change in changes:
        definition = _definition(change.name, catalog)
        _require_method(definition, change)
        settings.pop(definition.name, None)
    return settings


def definitions_by_name(settings: Mapping[str, str], catalog: Catalog) -> dict[str, Definition]:
    """Return the definitions of those settings that the engine version knows."""
    return {name: catalog.definitions[name] for name in settings if name in catalog.definitions}


def _require_changes(changes: Sequence[ParameterChange]) -> None:
    if not changes:
        raise UsageError("No parameter was named.", "Name at least one with --parameters")
    if len(changes) > CHANGES_MAX:
        raise InvalidParameterValue(
            f"At most {CHANGES_MAX} parameters can be changed at a time, not {len(changes)}.", "Use several commands"
        )
    names = [change.name.lower() for change in changes]
    for name in names:
        if names.count(name) > 1:
            raise InvalidParameterValue(f"The parameter {name[:60]} is named twice.", "Name it once")


def _definition(name: str, catalog: Catalog) -> Definition:
    found = catalog.definitions.get(name.lower())
    if found is None:
        otherwise = "See auroractl describe-engine-default-cluster-parameters"
        raise InvalidParameterValue(
            f"Could not find parameter with name: {name[:60]}.",
            did_you_mean(name.lower()[:60], catalog.definitions, otherwise),
        )
    return found


def _require_open(definition: Definition, kind: GroupKind) -> None:
    why = why_closed(definition) or (why_not_per_instance(definition) if kind is GroupKind.INSTANCE else "")
    if why:
        raise InvalidParameterValue(
            f"The parameter {definition.name} cannot be modified: {why}.",
            f"Leave it out; auroractl describe-{_word(kind)}parameters GROUP shows which can be (CHANGE)",
        )


def _require_method(definition: Definition, change: ParameterChange) -> None:
    if change.method is ApplyMethod.IMMEDIATE and definition.apply_type is ApplyType.STATIC:
        raise InvalidParameterCombination(
            f"Cannot use immediate apply method for static parameter {definition.name}.",
            "Use ApplyMethod=pending-reboot, then reboot the instances",
        )
