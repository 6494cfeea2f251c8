"""The differences between declared and existing clusters, and the requests that remove them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auroractl.api.documents import View
from auroractl.api.request import Request
from auroractl.api.requests.clusters import READERS_DEFAULT, ModifyCluster, ScaleReaders
from auroractl.api.requests.endpoints import DeleteEndpoint
from auroractl.api.requests.instances import CreateInstance, DeleteInstance, ModifyInstance
from auroractl.api.requests.volumes import StorageAutogrow
from auroractl.core import identifiers
from auroractl.core.engine import versions
from auroractl.core.errors import InvalidClusterState
from auroractl.core.model import EndpointType
from auroractl.core.parameters.model import GroupKind
from auroractl.core.text.sizes import format_size
from auroractl.core.topology import instance_names
from auroractl.declarations import requests
from auroractl.declarations.group_plan import Families, plan_groups
from auroractl.declarations.kinds import DeclarationError, Keys, as_duration, as_size
from auroractl.declarations.model import Declaration, Declared, DeclaredEndpoint, Growth
from auroractl.declarations.steps import Change, Plan, Step
from auroractl.declarations.views import Facts, declared, endpoint_document, group_of_instance


def plan_apply(wanted: Declared, facts: Facts) -> Plan:
    """Plan the changes from what exists to what is declared; the plan is empty if there are no differences.

    Clusters and parameter groups that are not declared are left alone. Raises DeclarationError for an impossible change, and
    InvalidClusterState for a cluster that would have to change but is stopped or busy.
    """
    plan = plan_groups(wanted.groups, facts.groups)
    families = Families(wanted.groups, facts.groups)
    names = {view["DBInstanceIdentifier"] for view in facts.instances}
    for each in wanted.clusters:
        made = _ClusterPlan(each, facts, names, families)
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
            f"DBCluster {name} is busy: {view['Operation']['Kind']}.", f"See its progress: auroractl status {name}"
        )
    if view["Status"] == "stopped":
        raise InvalidClusterState(f"DBCluster {name} is stopped.", f"Start it first: auroractl start-cluster {name}")


class _ClusterPlan:
    """The plan of one cluster. `taken` has the names of all existing and planned instances."""

    def __init__(self, wanted: Declaration, facts: Facts, taken: set[str], families: Families) -> None:
        self.changes: list[Change] = []
        self.steps: list[Step] = []
        self._wanted = wanted
        self._facts = facts
        self._taken = taken
        self._families = families
        self._name = wanted.name
        self._now = declared(facts, wanted.name)
        self._instances = {view["DBInstanceIdentifier"]: view for view in facts.instances_of(wanted.name)}

    def build(self) -> None:
        """Plan additions and growth first, then references to them, and removals last."""
        self._check_groups()
        readers = self._wanted.readers
        if self._now is None:
            readers = READERS_DEFAULT if readers is None else readers
            self._create(readers)
        else:
            self._check_fixed(self._now)
            self._modify(self._now)
        # The size of a volume is unknown without an instance, so instances come first then.
        empty = self._now is not None and not self._instances
        if not empty:
            self._grow()
        leaving, coming = self._scale(readers)
        if empty:
            self._grow()
        staying = [name for name in (*self._instances, *coming) if name not in leaving]
        self._set_instances(staying, coming)
        if self._wanted.endpoints is not None:
            self._set_endpoints(self._wanted.endpoints, staying)
        for name in leaving:
            tier = self._instances[name]["PromotionTier"]
            self.changes.append(Change(self._name, f"instances.{name}", {"promotion_tier": tier}, None))
            self._step(DeleteInstance(instance=name))

    def _step(self, request: Request) -> None:
        self.steps.append(Step(request))

    def _differs(self, key: str, before: Any, after: Any) -> bool:
        """Record a difference; return False if there is none or nothing is declared."""
        if after is None or before == after:
            return False
        self.changes.append(Change(self._name, key, before, after))
        return True

    def _refuse(self, key: tuple[str, ...], problem: str, hint: str) -> DeclarationError:
        return DeclarationError(("clusters", self._name, *key), problem, hint)

    def _check_groups(self) -> None:
        """Refuse parameter groups that are neither declared nor there, or that are for another version."""
        wanted = self._wanted
        version = self._now.engine_version if self._now else wanted.engine_version
        named: dict[Keys, tuple[GroupKind, str | None]] = {}
        named["parameter_group",] = (GroupKind.CLUSTER, wanted.parameter_group)
        for name, each in wanted.instances.items():
            named["instances", name, "parameter_group"] = (GroupKind.INSTANCE, each.parameter_group)
        for keys, (kind, group) in named.items():
            if group is not None:
                self._families.check(("clusters", self._name, *keys), kind, group, version)

    def _create(self, readers: int) -> None:
        wanted = self._wanted
        self._differs("readers", None, readers)
        self._differs("backtrack_window", None, as_duration(wanted.backtrack_window_s))
        self._differs("durability", None, wanted.durability)
        self._differs("deletion_protection", None, wanted.deletion_protection)
        self._differs("iam_database_authentication", None, wanted.iam_database_authentication)
        self._differs("parameter_group", None, wanted.parameter_group)
        for key, value in {
            **wanted.fixed,
            **{f"tags.{tag}": text for tag, text in (wanted.tags or {}).items()},
        }.items():
            self._differs(key, None, value)
        self._step(requests.create_cluster(wanted, readers))

    def _check_fixed(self, now: Declaration) -> None:
        for key, value in self._wanted.fixed.items():
            if key == "engine_version" and versions.serves(value, now.fixed[key]):
                continue
            if value != now.fixed[key]:
                raise self._refuse(
                    (key,), f"is {now.fixed[key]!r} and cannot be changed after creation.", "Correct or remove it"
                )

    def _modify(self, now: Declaration) -> None:
        wanted, tags = self._wanted, now.tags or {}
        protection = self._differs("deletion_protection", now.deletion_protection, wanted.deletion_protection)
        iam = self._differs(
            "iam_database_authentication", now.iam_database_authentication, wanted.iam_database_authentication
        )
        window = self._differs(
            "backtrack_window", as_duration(now.backtrack_window_s), as_duration(wanted.backtrack_window_s)
        )
        durability = self._differs("durability", now.durability, wanted.durability)
        group = self._differs("parameter_group", now.parameter_group, wanted.parameter_group)
        added, removed = {}, []
        if wanted.tags is not None:
            added = {key: value for key, value in wanted.tags.items() if tags.get(key) != value}
            removed = [key for key in tags if key not in wanted.tags]
        self.changes += [Change(self._name, f"tags.{key}", tags.get(key), value) for key, value in added.items()]
        self.changes += [Change(self._name, f"tags.{key}", tags[key], None) for key in removed]
        if protection or iam or window or durability or group or added or removed:
            request = ModifyCluster(
                cluster=self._name,
                deletion_protection=wanted.deletion_protection if protection else None,
                iam_authentication=wanted.iam_database_authentication if iam else None,
                backtrack_window_s=wanted.backtrack_window_s if window else None,
                durability=wanted.durability if durability else None,
                parameter_group=wanted.parameter_group if group else None,
                tags=added or None,
                remove_tags=tuple(removed),
            )
            self._step(request)

    def _grow(self) -> None:
        wanted, now = self._wanted.growth or Growth(), (self._now and self._now.growth) or Growth()
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
            request = StorageAutogrow(
                cluster=self._name,
                auto_grow=wanted.auto_grow if auto_grow else None,
                max_capacity_bytes=wanted.max_capacity_bytes if cap else None,
                increment_bytes=wanted.increment_bytes if increment else None,
                headroom_percent=wanted.headroom_percent if headroom else None,
            )
            self._step(request)

    def _scale(self, readers: int | None) -> tuple[list[str], list[str]]:
        """Return the instances to remove and those to add."""
        if self._now is None:
            return [], self._new_names((readers or 0) + 1)
        if readers is not None and not self._instances:
            return [], self._create_instances(readers)
        present = self._now.readers or 0
        if readers is None or not self._differs("readers", present, readers):
            return [], []
        if readers > present:
            self._step(ScaleReaders(cluster=self._name, to=readers))
            return [], self._new_names(readers - present)
        return self._leaving(present - readers), []

    def _create_instances(self, readers: int) -> list[str]:
        """Of a cluster without instances the first is the writer."""
        self._differs("readers", None, readers)
        names = self._new_names(readers + 1)
        for name in names:
            self._step(CreateInstance(cluster=self._name, instance=name))
        return names

    def _new_names(self, count: int) -> list[str]:
        """Return the names that the supervisor will choose."""
        free = instance_names(self._name, self._taken)
        names = [next(free) for _ in range(count)]
        self._taken.update(names)
        return names

    def _leaving(self, count: int) -> list[str]:
        """Return readers that the file does not name, in the order of removal."""
        endpoints = (self._wanted.endpoints or {}).values()
        kept = {*self._wanted.instances, *(name for each in endpoints for name in each.static_members)}
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
        """Return the declared tier, or else the current one; None for an instance that does not exist yet."""
        view = self._instances.get(instance)
        usual = self._wanted.promotion_tier
        tier = self._wanted.tiers.get(instance, usual)
        return tier if tier is not None or view is None else int(view["PromotionTier"])

    def _set_instances(self, staying: Sequence[str], coming: Sequence[str]) -> None:
        for name in self._wanted.instances:
            if name not in staying:
                raise self._refuse(
                    ("instances", name), "is not an instance of the cluster.", f"It has: {', '.join(staying)}"
                )
        for name in staying:
            view, own = self._instances.get(name), self._wanted.instances.get(name)
            wanted, tier = self._tier(name), view["PromotionTier"] if view else identifiers.PROMOTION_TIER_DEFAULT
            moved = wanted is not None and wanted != tier
            if moved:
                self._differs(f"instances.{name}.promotion_tier", None if name in coming else tier, wanted)
            group = own.parameter_group if own else None
            before = group_of_instance(view) if view else None
            regrouped = self._differs(f"instances.{name}.parameter_group", before, group)
            if moved or regrouped:
                self._step(
                    ModifyInstance(
                        instance=name,
                        promotion_tier=wanted if moved else None,
                        parameter_group=group if regrouped else None,
                    )
                )

    def _set_endpoints(self, wanted: Mapping[str, DeclaredEndpoint], staying: Sequence[str]) -> None:
        now = (self._now.endpoints if self._now else None) or {}
        for name, endpoint in now.items():
            if name not in wanted:
                self.changes.append(Change(self._name, f"endpoints.{name}", endpoint_document(endpoint), None))
                self._step(DeleteEndpoint(endpoint=name))
        for name, endpoint in wanted.items():
            before = now.get(name)
            if before is not None and _same(before, endpoint):
                continue
            self._check_endpoint(name, endpoint, staying, new=before is None)
            self._differs(f"endpoints.{name}", before and endpoint_document(before), endpoint_document(endpoint))
            if before is None:
                self._step(requests.create_endpoint(self._name, name, endpoint))
            else:
                self._step(requests.modify_endpoint(name, endpoint))

    def _check_endpoint(self, name: str, endpoint: DeclaredEndpoint, staying: Sequence[str], *, new: bool) -> None:
        built_in = {f"{self._name}-{type_.value.lower()}" for type_ in (EndpointType.WRITER, EndpointType.READER)}
        if new and name in {*built_in, *(view["DBClusterEndpointIdentifier"] for view in self._facts.endpoints)}:
            raise self._refuse(("endpoints", name), "is the name of another endpoint.", "Choose another name")
        for key in ("static_members", "excluded_members"):
            for member in getattr(endpoint, key):
                if member not in staying:
                    raise self._refuse(
                        ("endpoints", name, key),
                        f"names {member}, which is not an instance of the cluster.",
                        f"It has: {', '.join(staying)}",
                    )


def _same(one: DeclaredEndpoint, other: DeclaredEndpoint) -> bool:
    """Compare two endpoints; the order of members does not matter."""
    return (
        one.type == other.type
        and set(one.static_members) == set(other.static_members)
        and set(one.excluded_members) == set(other.excluded_members)
    )
