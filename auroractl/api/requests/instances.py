"""Requests about instances."""

from __future__ import annotations

from dataclasses import dataclass, field

from auroractl.api.field_types import TEXT, WHOLE, one_of
from auroractl.api.request import Request
from auroractl.core.identifiers import PROMOTION_TIER_DEFAULT

_ROLE = one_of(["writer", "reader"])


@dataclass(frozen=True, kw_only=True)
class InstanceRequest(Request):
    """A request about one instance."""

    instance: str = field(metadata=TEXT.key("DBInstanceIdentifier"))


@dataclass(frozen=True, kw_only=True)
class CreateInstance(Request):
    """Create an instance: the writer of a cluster without instances, else a reader. What is None is chosen."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))
    instance: str | None = field(default=None, metadata=TEXT.key("DBInstanceIdentifier"))
    promotion_tier: int = field(default=PROMOTION_TIER_DEFAULT, metadata=WHOLE.key("PromotionTier"))
    availability_zone: str | None = field(default=None, metadata=TEXT.key("AvailabilityZone"))
    parameter_group: str | None = field(default=None, metadata=TEXT.key("DBParameterGroupName"))


@dataclass(frozen=True, kw_only=True)
class ModifyInstance(InstanceRequest):
    """Change an instance's promotion tier or its DB parameter group."""

    promotion_tier: int | None = field(default=None, metadata=WHOLE.key("PromotionTier"))
    parameter_group: str | None = field(default=None, metadata=TEXT.key("DBParameterGroupName"))


class RebootInstance(InstanceRequest):
    """Stop an instance and start it again, in the same role."""


class DeleteInstance(InstanceRequest):
    """Delete an instance; for the writer a reader is promoted first, and the last leaves its data with the volume."""


@dataclass(frozen=True, kw_only=True)
class DescribeInstances(Request):
    """Describe instances: all, those of a cluster, or one."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))
    instance: str | None = field(default=None, metadata=TEXT.key("DBInstanceIdentifier"))


@dataclass(frozen=True, kw_only=True)
class Connection(Request):
    """Return how to connect as the master user: through the endpoint of a role, or to one instance."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))
    role: str = field(default="writer", metadata=_ROLE.key("Role"))
    instance: str | None = field(default=None, metadata=TEXT.key("DBInstanceIdentifier"))
