"""Clusters for tests of declarations: described, and changed by requests, without servers."""

from __future__ import annotations

from typing import Any

import tomli

from auroractl.core.parameters.model import GroupKind
from auroractl.core.parameters.values import stored_form
from auroractl.core.topology import instance_names
from auroractl.core.volume.growth import MAX_CAPACITY_BYTES
from auroractl.declarations.model import Declared, GroupKey, read_declarations
from auroractl.declarations.plan import plan_apply
from auroractl.declarations.steps import Plan
from auroractl.declarations.views import ExistingGroup, Facts

GIB = 1024**3
DEFAULT_GROUP = "default.aurora-postgresql18"
TYPES = {"max_connections": ("integer", ""), "work_mem": ("integer", "kB")}
"""The types and units of parameters; others are texts."""


class World:
    """Clusters as the describe verbs show them, changed by requests as the supervisor changes them."""

    def __init__(self) -> None:
        self.clusters: dict[str, dict[str, Any]] = {}
        self.instances: list[dict[str, Any]] = []
        self.endpoints: list[dict[str, Any]] = []
        self.volumes: dict[str, dict[str, Any]] = {}
        self.groups: dict[GroupKey, dict[str, Any]] = {}
        self._created = 0

    def facts(self) -> Facts:
        return Facts(
            list(self.clusters.values()),
            self.instances,
            self.endpoints,
            list(self.volumes.values()),
            10 * GIB,
            {key: ExistingGroup.of(view, view["Parameters"]) for key, view in self.groups.items()},
        )

    def carry_out(self, plan: Plan) -> None:
        for step in plan.steps:
            if step.verb.endswith("parameter-group"):
                self._group(step.verb, step.request.to_json())
            else:
                getattr(self, step.verb.replace("-", "_"))(**step.request.to_json())

    def _group(self, verb: str, body: dict[str, Any]) -> None:
        kind = GroupKind.CLUSTER if "cluster" in verb else GroupKind.INSTANCE
        key = GroupKey(kind, body[f"{kind.words}Name"])
        if verb.startswith("create"):
            assert key not in self.groups
            self.groups[key] = {**body, "Parameters": []}
            return
        named = body["Parameters"]
        assert 0 < len(named) <= 20
        names = {each["ParameterName"] for each in named}
        kept = [each for each in self.groups[key]["Parameters"] if each["ParameterName"] not in names]
        if verb.startswith("modify"):
            kept += [self._parameter(each["ParameterName"], each["ParameterValue"]) for each in named]
        else:
            assert names <= {each["ParameterName"] for each in self.groups[key]["Parameters"]}
        self.groups[key]["Parameters"] = kept

    def _parameter(self, name: str, value: str) -> dict[str, Any]:
        type_, unit = TYPES.get(name, ("string", ""))
        kept = stored_form(name, type_, unit, value)
        return {"ParameterName": name, "ParameterValue": kept, "DataType": type_, "Unit": unit}

    def create_cluster(self, **body: Any) -> None:
        name = body["DBClusterIdentifier"]
        assert name not in self.clusters
        self.clusters[name] = {
            "DBClusterIdentifier": name,
            "Status": "available",
            "Operation": None,
            "EngineVersion": "18.6",
            "Locale": "C.UTF-8",
            "LocaleProvider": "builtin",
            "DatabaseName": body["DatabaseName"] or "postgres",
            "MasterUsername": body["MasterUsername"] or "postgres",
            "Port": body["Port"] or 5432,
            "AvailabilityZones": [(body["Region"] or "us-east-1") + zone for zone in "abc"],
            "BacktrackWindow": 86_400 if body["BacktrackWindow"] is None else body["BacktrackWindow"],
            "Durability": body.get("Durability") or "everywhere",
            "DeletionProtection": body["DeletionProtection"],
            "IAMDatabaseAuthenticationEnabled": body["EnableIAMDatabaseAuthentication"],
            "DBClusterParameterGroup": body["DBClusterParameterGroupName"] or DEFAULT_GROUP,
            "TagList": [{"Key": key, "Value": value} for key, value in body["Tags"].items()],
        }
        self.volumes[name] = {
            "DBClusterIdentifier": name,
            "AutoGrow": True,
            "MaxAllocatedBytes": MAX_CAPACITY_BYTES,
            "IncrementBytes": 10 * GIB,
            "HeadroomPercent": 10,
            "ProtectionGroupBytes": 10 * GIB,
        }
        for type_ in ("WRITER", "READER"):
            self._endpoint(name, f"{name}-{type_.lower()}", type_, None, [], [])
        self._add(name, body["Readers"] + 1, with_writer=True)

    def _endpoint(self, cluster: str, name: str, type_: str, custom: str | None, *members: list[str]) -> None:
        view = {"DBClusterIdentifier": cluster, "DBClusterEndpointIdentifier": name, "EndpointType": type_}
        self.endpoints.append(
            {**view, "CustomEndpointType": custom, "StaticMembers": members[0], "ExcludedMembers": members[1]}
        )

    def _add(self, cluster: str, count: int, *, with_writer: bool = False) -> None:
        names = instance_names(cluster, {view["DBInstanceIdentifier"] for view in self.instances})
        for position in range(count):
            self._created += 1
            view = {"DBInstanceIdentifier": next(names), "DBClusterIdentifier": cluster, "PromotionTier": 1}
            view["IsClusterWriter"] = with_writer and position == 0
            view["DBParameterGroups"] = [{"DBParameterGroupName": DEFAULT_GROUP}]
            self.instances.append({**view, "InstanceCreateTime": f"{self._created:09}"})

    def modify_cluster(self, **body: Any) -> None:
        view = self.clusters[body["DBClusterIdentifier"]]
        for key in ("DeletionProtection", "BacktrackWindow", "Durability"):
            if body[key] is not None:
                view[key] = body[key]
        if body["EnableIAMDatabaseAuthentication"] is not None:
            view["IAMDatabaseAuthenticationEnabled"] = body["EnableIAMDatabaseAuthentication"]
        group = body["DBClusterParameterGroupName"]
        if group is not None:
            assert group == DEFAULT_GROUP or GroupKey(GroupKind.CLUSTER, group) in self.groups
            view["DBClusterParameterGroup"] = group
        tags = {tag["Key"]: tag["Value"] for tag in view["TagList"]} | (body["Tags"] or {})
        kept = {key: value for key, value in tags.items() if key not in body["RemoveTags"]}
        view["TagList"] = [{"Key": key, "Value": value} for key, value in kept.items()]

    def storage_autogrow(self, **body: Any) -> None:
        view = self.volumes[body["DBClusterIdentifier"]]
        view.update({key: value for key, value in body.items() if key in view and value is not None})

    def scale_readers(self, **body: Any) -> None:
        name = body["DBClusterIdentifier"]
        present = sum(view["DBClusterIdentifier"] == name for view in self.instances)
        assert body["To"] + 1 > present
        self._add(name, body["To"] + 1 - present)

    def modify_instance(self, **body: Any) -> None:
        view, group = self._instance(body["DBInstanceIdentifier"]), body["DBParameterGroupName"]
        if body["PromotionTier"] is not None:
            view["PromotionTier"] = body["PromotionTier"]
        if group is not None:
            assert group == DEFAULT_GROUP or GroupKey(GroupKind.INSTANCE, group) in self.groups
            view["DBParameterGroups"] = [{"DBParameterGroupName": group}]

    def delete_instance(self, **body: Any) -> None:
        view = self._instance(body["DBInstanceIdentifier"])
        assert not view["IsClusterWriter"]
        self.instances.remove(view)

    def _instance(self, name: str) -> dict[str, Any]:
        return next(view for view in self.instances if view["DBInstanceIdentifier"] == name)

    def create_endpoint(self, **body: Any) -> None:
        name, cluster = body["DBClusterEndpointIdentifier"], body["DBClusterIdentifier"]
        assert name not in {view["DBClusterEndpointIdentifier"] for view in self.endpoints}
        for member in (*body["StaticMembers"], *body["ExcludedMembers"]):
            assert self._instance(member)["DBClusterIdentifier"] == cluster
        self._endpoint(cluster, name, "CUSTOM", body["EndpointType"], body["StaticMembers"], body["ExcludedMembers"])

    def modify_endpoint(self, **body: Any) -> None:
        view = next(
            each
            for each in self.endpoints
            if each["DBClusterEndpointIdentifier"] == body["DBClusterEndpointIdentifier"]
        )
        self.delete_endpoint(DBClusterEndpointIdentifier=body["DBClusterEndpointIdentifier"])
        self.create_endpoint(**body, DBClusterIdentifier=view["DBClusterIdentifier"])

    def delete_endpoint(self, **body: Any) -> None:
        name = body["DBClusterEndpointIdentifier"]
        self.endpoints = [view for view in self.endpoints if view["DBClusterEndpointIdentifier"] != name]


def made(text: str) -> World:
    """A world in which a file was applied to nothing."""
    world = World()
    world.carry_out(plan_apply(read(text), world.facts()))
    return world


def read(text: str) -> Declared:
    return read_declarations(tomli.loads(text))


def planned(world: World, text: str) -> Plan:
    return plan_apply(read(text), world.facts())


def verbs(plan: Plan) -> list[str]:
    return [step.verb for step in plan.steps]
