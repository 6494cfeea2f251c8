"""The differences between declared and existing parameter groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from auroractl.api.request import Request
from auroractl.core.guessing import did_you_mean
from auroractl.core.parameters.model import GroupKind, ParameterChange, family_of
from auroractl.core.parameters.values import stored_form
from auroractl.declarations import requests
from auroractl.declarations.kinds import DeclarationError, Keys
from auroractl.declarations.model import DeclaredGroup, GroupKey, Groups
from auroractl.declarations.steps import Change, Plan, Step
from auroractl.declarations.views import ExistingGroup


def plan_groups(wanted: Groups, existing: Mapping[GroupKey, ExistingGroup]) -> Plan:
    """Plan the changes of parameter groups. Raises DeclarationError for an impossible one."""
    plan = Plan()
    for key, group in wanted.items():
        _plan_group(plan, key, group, existing.get(key))
    return plan


def _plan_group(plan: Plan, key: GroupKey, wanted: DeclaredGroup, now: ExistingGroup | None) -> None:
    def note(name: str, before: str | None, after: str | None) -> None:
        plan.changes.append(Change(key.name, name, before, after, f"{key.kind.words}Name"))

    def step(request: Request) -> None:
        plan.steps.append(Step(request))

    if now is None:
        if wanted.family is None:
            raise DeclarationError(key.keys, "needs a family to be created.", 'Add family = "aurora-postgresql18"')
        note("family", None, wanted.family)
        if wanted.description:
            note("description", None, wanted.description)
        step(requests.create_group(key, wanted.family, wanted.description or ""))
    else:
        for name in ("family", "description"):
            value, fixed = getattr(wanted, name), getattr(now, name)
            if value is not None and value != fixed:
                raise DeclarationError(
                    (*key.keys, name), f"is {fixed!r} and cannot be changed after creation.", "Correct or remove it"
                )
    if wanted.parameters is None:
        return
    before = now.parameters if now else {}
    changed = {
        name: value
        for name, value in wanted.parameters.items()
        if name not in before or stored_form(name, *before[name].kind, value) != before[name].value
    }
    reset = [name for name in before if name not in wanted.parameters]
    for name, value in changed.items():
        note(f"parameters.{name}", before[name].value if name in before else None, value)
    for name in reset:
        note(f"parameters.{name}", before[name].value, None)
    for request in (
        *requests.modify_group(key, [ParameterChange(name, value) for name, value in changed.items()]),
        *requests.reset_group(key, [ParameterChange(name) for name in reset]),
    ):
        step(request)


@dataclass(frozen=True, slots=True)
class Families:
    """The families of all groups that exist or are declared."""

    declared: Groups
    existing: Mapping[GroupKey, ExistingGroup]

    def check(self, keys: Keys, kind: GroupKind, name: str, version: str | None) -> None:
        """Raise DeclarationError at `keys` for an unknown group, or one of another engine version than `version`."""
        if name.startswith("default."):
            family = name.removeprefix("default.")
        else:
            key = GroupKey(kind, name)
            if key in self.existing:
                family = self.existing[key].family
            elif key in self.declared:
                family = self.declared[key].family or ""
            else:
                known = [each.name for each in (*self.existing, *self.declared) if each.kind is kind]
                otherwise = f"Declare it: [{key.keys[0]}.{name}]"
                raise DeclarationError(
                    keys, f"names the group {name}, which does not exist.", did_you_mean(name, known, otherwise)
                )
        if version is not None and family != family_of(version):
            raise DeclarationError(
                keys,
                f"is a group of {family}, and the cluster has engine version {version}.",
                f"Use a group of {family_of(version)}",
            )
