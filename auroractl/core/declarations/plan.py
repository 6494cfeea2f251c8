"""What differs between clusters as declared and as they are, and the requests that mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from auroractl.core import identifiers
from auroractl.core.declarations import requests
from auroractl.core.declarations.kinds import DeclarationError
from auroractl.core.declarations.model import Declaration, DeclaredEndpoint, Growth
from auroractl.core.declarations.views import Facts, as_duration, as_size, declared, endpoint_document
from auroractl.core.errors import AuroraError, InvalidClusterState
from auroractl.core.model import EndpointType
from auroractl.core.sizes import format_size
from auroractl.core.topology import instance_names
from auroractl.core.views import View

READERS_DEFAULT = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; values as a file has them, None where there is nothing."""

    cluster: str
    key: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """One request to the backend."""

    verb: str
    request: dict[str, Any]

    @property
    def name(self) -> str:
        """What it does, in the words of a command.

        >>> Step("delete-instance", {"DBInstanceIdentifier": "demo-instance-3"}).name
        'delete-instance demo-instance-3'
        """
        keys = ("DBClusterEndpointIdentifier", "DBInstanceIdentifier", "DBClusterIdentifier")
        return f"{self.verb} {next(self.request[key] for key in keys if key in self.request)}"


@dataclass(slots=True)
class Plan:
    """Differences, and steps in the order in which they are done."""

    changes: list[Change] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The plan as a person or a script sees it; `Changed` says whether anything differs."""
        return {
            "Changed": bool(self.changes),
            "Changes": [
                {"DBClusterIdentifier": each.cluster, "Key": each.key, "Before": each.before, "After": each.after}
                for each in self.changes
            ],
            "Steps": [{"Name": each.name, "Verb": each.verb, "Request": each.request} for each in self.steps],
        }


def plan_apply(wanted: Sequence[Declaration], facts: Facts) -> Plan:
    """What makes the clusters that are wanted out of those there are; empty where nothing differs.

    Clusters that are not declared are left alone. Raises DeclarationError for what cannot be done, and
    InvalidClusterState for a cluster that is stopped or busy and would have to change.
    """
    plan = Plan()
    names = {view["DBInstanceIdentifier"] for view in facts.instances}
    for each in wanted:
        made = _ClusterPlan(each, facts, names)
        made.build()
        if made.changes:
            _require_changeable(facts.cluster(each.name))
        plan.changes += made.changes
        plan.steps += made.steps
    return plan


def _require_changeable(view: View | None) -> None:
    if view is None:
        return
    name = view["DBClusterIdentifier"]
    if view["Operation"] is not None:
        raise InvalidClusterState(
            f"DBCluster {name} is busy: {view['Operation']['Kind']}.", f"See how far it is: auroractl status {name}"
        )
    if view["Status"] == "stopped":
        raise InvalidClusterState(f"DBCluster {name} is stopped.", f"Start it first: auroractl start-cluster {name}")


class _ClusterPlan:
    """The plan of one cluster. `taken` holds the names of all instances there are and will be."""

    def __init__(self, wanted: Declaration, facts: Facts, taken: set[str]) -> None:
        self.changes: list[Change] = []
        self.steps: list[Step] = []
        self._wanted = wanted
        self._facts = facts
        self._taken = taken
        self._name = wanted.name
        self._now = declared(facts, wanted.name)
        self._instances = {view["DBInstanceIdentifier"]: view for view in facts.instances_of(wanted.name)}

    def build(self) -> None:
        """First what exists or grows, then what refers to it, last what goes."""
        readers = self._wanted.readers
        if self._now is None:
            readers = READERS_DEFAULT if readers is None else readers
            self._create(readers)
        else:
            self._check_fixed(self._now)
            self._modify(self._now)
        self._grow()
        leaving, coming = self._scale(readers)
        staying = [name for name in (*self._instances, *coming) if name not in leaving]
        self._set_tiers(staying, coming)
        if self._wanted.endpoints is not None:
            self._set_endpoints(self._wanted.endpoints, staying)
        for name in leaving:
            tier = self._instances[name]["PromotionTier"]
            self.changes.append(Change(self._name, f"instances.{name}", {"promotion_tier": tier}, None))
            self._step("delete-instance", requests.delete_instance(name))

    def _step(self, verb: str, request: dict[str, Any]) -> None:
        self.steps.append(Step(verb, request))

    def _differs(self, key: str, before: Any, after: Any) -> bool:
        """Record a difference; False where there is none or nothing is wanted."""
        if after is None or before == after:
            return False
        self.changes.append(Change(self._name, key, before, after))
        return True

    def _refuse(self, key: tuple[str, ...], problem: str, hint: str) -> DeclarationError:
        return DeclarationError(("clusters", self._name, *key), problem, hint)

    def _create(self, readers: int) -> None:
        wanted = self._wanted
        self._differs("readers", None, readers)
        self._differs("backtrack_window", None, as_duration(wanted.backtrack_window_s))
        self._differs("deletion_protection", None, wanted.deletion_protection)
        for key, value in {
            **wanted.fixed,
            **{f"tags.{tag}": text for tag, text in (wanted.tags or {}).items()},
        }.items():
            self._differs(key, None, value)
        self._step("create-cluster", requests.create_cluster(wanted, readers))

    def _check_fixed(self, now: Declaration) -> None:
        for key, value in self._wanted.fixed.items():
            if key == "engine_version":
                try:
                    identifiers.engine_version(value, now.fixed[key])
                    continue
                except AuroraError:
                    pass
            if value != now.fixed[key]:
                raise self._refuse(
                    (key,), f"is {now.fixed[key]!r} since the cluster was created and stays.", "Correct or remove it"
                )

    def _modify(self, now: Declaration) -> None:
        wanted, tags = self._wanted, now.tags or {}
        protection = self._differs("deletion_protection", now.deletion_protection, wanted.deletion_protection)
        window = self._differs(
            "backtrack_window", as_duration(now.backtrack_window_s), as_duration(wanted.backtrack_window_s)
        )
        added, removed = {}, []
        if wanted.tags is not None:
            added = {key: value for key, value in wanted.tags.items() if tags.get(key) != value}
            removed = [key for key in tags if key not in wanted.tags]
        self.changes += [Change(self._name, f"tags.{key}", tags.get(key), value) for key, value in added.items()]
        self.changes += [Change(self._name, f"tags.{key}", tags[key], None) for key in removed]
        if protection or window or added or removed:
            request = requests.modify_cluster(
                self._name,
                deletion_protection=wanted.deletion_protection if protection else None,
                backtrack_window_s=wanted.backtrack_window_s if window else None,
                tags=added,
                remove_tags=removed,
            )
            self._step("modify-cluster", request)

    def _grow(self) -> None:
        wanted, now = self._wanted.growth, self._now.growth if self._now else Growth()
        volume = self._facts.volume(self._name)
        group_bytes = volume["ProtectionGroupBytes"] if volume else self._facts.new_group_bytes
        if wanted.max_capacity_bytes is not None and wanted.max_capacity_bytes < group_bytes:
            raise self._refuse(
                ("growth", "max_capacity"), f"is less than one protection group ({format_size(group_bytes)}).", ""
            )
        auto_grow = self._differs("growth.auto_grow", now.auto_grow, wanted.auto_grow)
        cap = self._differs("growth.max_capacity", as_size(now.max_capacity_bytes), as_size(wanted.max_capacity_bytes))
        increment = self._differs("growth.increment", as_size(now.increment_bytes), as_size(wanted.increment_bytes))
        headroom = self._differs("growth.headroom_percent", now.headroom_percent, wanted.headroom_percent)
        if auto_grow or cap or increment or headroom:
            changed = Growth(
                wanted.auto_grow if auto_grow else None,
                wanted.max_capacity_bytes if cap else None,
                wanted.increment_bytes if increment else None,
                wanted.headroom_percent if headroom else None,
            )
            self._step("storage-autogrow", requests.storage_autogrow(self._name, changed))

    def _scale(self, readers: int | None) -> tuple[list[str], list[str]]:
        """The instances that leave and those that come."""
        if self._now is None:
            return [], self._new_names((readers or 0) + 1)
        present = self._now.readers or 0
        if readers is None or not self._differs("readers", present, readers):
            return [], []
        if readers > present:
            self._step("scale-readers", requests.scale_readers(self._name, readers))
            return [], self._new_names(readers - present)
        return self._leaving(present - readers), []

    def _new_names(self, count: int) -> list[str]:
        """As the supervisor will call them."""
        free = instance_names(self._name, self._taken)
        names = [next(free) for _ in range(count)]
        self._taken.update(names)
        return names

    def _leaving(self, count: int) -> list[str]:
        """Readers that the file does not name, in the order in which scaling in removes them."""
        endpoints = (self._wanted.endpoints or {}).values()
        kept = {*self._wanted.tiers, *(name for each in endpoints for name in each.static_members)}
        readers = [view for view in self._instances.values() if not view["IsClusterWriter"]]
        free = [view for view in readers if view["DBInstanceIdentifier"] not in kept]
        if len(free) < count:
            raise self._refuse(
                ("readers",),
                f"is {self._wanted.readers}, and the file names more readers than that.",
                "Remove some from instances and from static_members",
            )
        free.sort(key=self._removal_key, reverse=True)
        return [view["DBInstanceIdentifier"] for view in free[:count]]

    def _removal_key(self, view: View) -> tuple[int, str, str]:
        return self._tier(view["DBInstanceIdentifier"]) or 0, view["InstanceCreateTime"], view["DBInstanceIdentifier"]

    def _tier(self, instance: str) -> int | None:
        """The tier that is wanted; without one that it has, None for an instance that does not exist yet."""
        view = self._instances.get(instance)
        usual = self._wanted.promotion_tier
        tier = self._wanted.tiers.get(instance, usual)
        return tier if tier is not None or view is None else int(view["PromotionTier"])

    def _set_tiers(self, staying: Sequence[str], coming: Sequence[str]) -> None:
        for name in self._wanted.tiers:
            if name not in staying:
                raise self._refuse(
                    ("instances", name), "is no instance of the cluster.", f"It has: {', '.join(staying)}"
                )
        for name in staying:
            view = self._instances.get(name)
            wanted, tier = self._tier(name), view["PromotionTier"] if view else identifiers.PROMOTION_TIER_DEFAULT
            if wanted is not None and wanted != tier:
                self._differs(f"instances.{name}.promotion_tier", None if name in coming else tier, wanted)
                self._step("modify-instance", requests.modify_instance(name, wanted))

    def _set_endpoints(self, wanted: Mapping[str, DeclaredEndpoint], staying: Sequence[str]) -> None:
        now = (self._now.endpoints if self._now else None) or {}
        for name, endpoint in now.items():
            if name not in wanted:
                self.changes.append(Change(self._name, f"endpoints.{name}", endpoint_document(endpoint), None))
                self._step("delete-endpoint", requests.delete_endpoint(name))
        for name, endpoint in wanted.items():
            before = now.get(name)
            if before is not None and _same(before, endpoint):
                continue
            self._check_endpoint(name, endpoint, staying, new=before is None)
            self._differs(f"endpoints.{name}", before and endpoint_document(before), endpoint_document(endpoint))
            if before is None:
                self._step("create-endpoint", requests.create_endpoint(self._name, name, endpoint))
            else:
                self._step("modify-endpoint", requests.modify_endpoint(name, endpoint))

    def _check_endpoint(self, name: str, endpoint: DeclaredEndpoint, staying: Sequence[str], *, new: bool) -> None:
        built_in = {f"{self._name}-{type_.value.lower()}" for type_ in (EndpointType.WRITER, EndpointType.READER)}
        if new and name in {*built_in, *(view["DBClusterEndpointIdentifier"] for view in self._facts.endpoints)}:
            raise self._refuse(("endpoints", name), "is taken by another endpoint.", "Choose another name")
        for key in ("static_members", "excluded_members"):
            for member in getattr(endpoint, key):
                if member not in staying:
                    raise self._refuse(
                        ("endpoints", name, key),
                        f"names {member}, which is no instance of the cluster.",
                        f"It has: {', '.join(staying)}",
                    )


def _same(one: DeclaredEndpoint, other: DeclaredEndpoint) -> bool:
    """The order of members does not matter."""
    return (
        one.type == other.type
        and set(one.static_members) == set(other.static_members)
        and set(one.excluded_members) == set(other.excluded_members)
    )
