"""Handlers of requests about parameter groups, the same for both kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auroractl.api.requests import parameter_groups as requests
from auroractl.core.parameters.model import GroupKind
from auroractl.services.parameters import describe, groups
from auroractl.supervisor.handlers.call import Call, Handler
from auroractl.supervisor.results import Document, GroupChanged, GroupCreated


def create_group(
    call: Call, request: requests.CreateClusterParameterGroup | requests.CreateParameterGroup
) -> GroupCreated:
    """Create a group."""
    made = groups.create_group(
        call.runtime, request.kind, request.group, request.family, request.description, request.tags
    )
    return GroupCreated(made)


def copy_group(call: Call, request: requests.CopyClusterParameterGroup | requests.CopyParameterGroup) -> GroupCreated:
    """Copy a group."""
    made = groups.copy_group(
        call.runtime, request.kind, request.source, request.target, request.description, request.tags
    )
    return GroupCreated(made)


def modify_group(
    call: Call, request: requests.ModifyClusterParameterGroup | requests.ModifyParameterGroup
) -> GroupChanged:
    """Change parameters of a group."""
    group = groups.modify_group(call.runtime, request.kind, request.group, request.parameters)
    return GroupChanged(request.kind, group.name)


def reset_group(
    call: Call, request: requests.ResetClusterParameterGroup | requests.ResetParameterGroup
) -> GroupChanged:
    """Reset parameters of a group."""
    group = groups.reset_group(
        call.runtime, request.kind, request.group, request.parameters, everything=request.everything
    )
    return GroupChanged(request.kind, group.name)


def delete_group(
    call: Call, request: requests.DeleteClusterParameterGroup | requests.DeleteParameterGroup
) -> GroupChanged:
    """Delete a group."""
    groups.delete_group(call.runtime, request.kind, request.group)
    return GroupChanged(request.kind, request.group.lower())


def describe_groups(
    call: Call, request: requests.DescribeClusterParameterGroups | requests.DescribeParameterGroups
) -> Document:
    """Describe groups."""
    return {f"{request.kind.words}s": describe.describe_groups(call.runtime, request.kind, request.group)}


def describe_parameters(
    call: Call, request: requests.DescribeClusterParameters | requests.DescribeParameters
) -> Document:
    """Describe the parameters of a group."""
    return {"Parameters": describe.describe_parameters(call.runtime, request.kind, request.group, request.source)}


def describe_defaults(
    call: Call, request: requests.DescribeEngineDefaultClusterParameters | requests.DescribeEngineDefaultParameters
) -> Document:
    """Describe the defaults of a family."""
    family, views = describe.describe_defaults(call.runtime, request.kind, request.family)
    return {"EngineDefaults": {"DBParameterGroupFamily": family, "Parameters": views}}


def _both(handlers: Mapping[str, Any]) -> dict[str, Handler]:
    """Return handlers under the names of the verbs of both kinds; `*` stands for the kind's part of a name."""
    parts = {GroupKind.CLUSTER: "cluster-", GroupKind.INSTANCE: ""}
    return {name.replace("*", part): handler for part in parts.values() for name, handler in handlers.items()}


HANDLERS: Mapping[str, Handler] = _both(
    {
        "create-*parameter-group": create_group,
        "copy-*parameter-group": copy_group,
        "modify-*parameter-group": modify_group,
        "reset-*parameter-group": reset_group,
        "delete-*parameter-group": delete_group,
        "describe-*parameter-groups": describe_groups,
        "describe-*parameters": describe_parameters,
        "describe-engine-default-*parameters": describe_defaults,
    }
)
