"""Requests about storage volumes."""

from __future__ import annotations

from dataclasses import dataclass, field

from auroractl.api.field_types import FLAG, TEXT, WHOLE
from auroractl.api.request import Request


@dataclass(frozen=True, kw_only=True)
class VolumeRequest(Request):
    """A request about the volume of a cluster."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))


@dataclass(frozen=True, kw_only=True)
class StorageAutogrow(VolumeRequest):
    """Change how a volume grows, and grow it now if that is due."""

    auto_grow: bool | None = field(default=None, metadata=FLAG.key("AutoGrow"))
    max_capacity_bytes: int | None = field(default=None, metadata=WHOLE.key("MaxAllocatedBytes"))
    increment_bytes: int | None = field(default=None, metadata=WHOLE.key("IncrementBytes"))
    headroom_percent: int | None = field(default=None, metadata=WHOLE.key("HeadroomPercent"))


@dataclass(frozen=True, kw_only=True)
class ReplaceStorageNode(VolumeRequest):
    """Replace a storage node with a new one."""

    node: str = field(metadata=TEXT.key("StorageNodeIdentifier"))


class ScrubVolume(VolumeRequest):
    """Read all finished WAL on all storage nodes and repair damage."""


class DescribeVolumes(VolumeRequest):
    """Describe all volumes, or that of a cluster."""
