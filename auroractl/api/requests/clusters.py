"""Requests about whole clusters."""

from __future__ import annotations

from dataclasses import dataclass, field

from auroractl.api.field_types import DURATION, FLAG, TAGS, TEXT, TEXTS, WHOLE
from auroractl.api.request import Request

READERS_DEFAULT = 2
_EVENTS_DURATION_S = 3600
_EVENTS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class ClusterRequest(Request):
    """A request about a cluster. Without a name it is the only cluster, or all clusters for a verb that lists them."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))


@dataclass(frozen=True, kw_only=True)
class CreateCluster(Request):
    """Create a cluster. A parameter that is None takes its value from the settings or is chosen by the supervisor."""

    cluster: str = field(metadata=TEXT.key("DBClusterIdentifier"))
    readers: int = field(default=READERS_DEFAULT, metadata=WHOLE.key("Readers"))
    no_instances: bool = field(default=False, metadata=FLAG.key("NoInstances"))
    """Create endpoints and a volume only, as AWS does; the number of readers counts for nothing then."""
    engine_version: str | None = field(default=None, metadata=TEXT.key("EngineVersion"))
    locale: str | None = field(default=None, metadata=TEXT.key("Locale"))
    locale_provider: str | None = field(default=None, metadata=TEXT.key("LocaleProvider"))
    database_name: str | None = field(default=None, metadata=TEXT.key("DatabaseName"))
    master_username: str | None = field(default=None, metadata=TEXT.key("MasterUsername"))
    master_user_password: str | None = field(default=None, repr=False, metadata=TEXT.key("MasterUserPassword"))
    port: int | None = field(default=None, metadata=WHOLE.key("Port"))
    region: str | None = field(default=None, metadata=TEXT.key("Region"))
    backtrack_window_s: int | None = field(default=None, metadata=WHOLE.key("BacktrackWindow"))
    durability: str | None = field(default=None, metadata=TEXT.key("Durability"))
    """machine, everywhere or none: what is flushed to disk."""
    deletion_protection: bool = field(default=False, metadata=FLAG.key("DeletionProtection"))
    iam_authentication: bool = field(default=False, metadata=FLAG.key("EnableIAMDatabaseAuthentication"))
    parameter_group: str | None = field(default=None, metadata=TEXT.key("DBClusterParameterGroupName"))
    tags: dict[str, str] = field(default_factory=dict, metadata=TAGS.key("Tags"))
    retain: bool = field(default=False, metadata=FLAG.key("Retain"))
    """Keep a cluster whose creation failed, to inspect it."""


@dataclass(frozen=True, kw_only=True)
class ModifyCluster(ClusterRequest):
    """Change the settings that are given. Tags are added to the existing ones."""

    deletion_protection: bool | None = field(default=None, metadata=FLAG.key("DeletionProtection"))
    backtrack_window_s: int | None = field(default=None, metadata=WHOLE.key("BacktrackWindow"))
    iam_authentication: bool | None = field(default=None, metadata=FLAG.key("EnableIAMDatabaseAuthentication"))
    durability: str | None = field(default=None, metadata=TEXT.key("Durability"))
    parameter_group: str | None = field(default=None, metadata=TEXT.key("DBClusterParameterGroupName"))
    tags: dict[str, str] | None = field(default=None, metadata=TAGS.key("Tags"))
    remove_tags: tuple[str, ...] = field(default=(), metadata=TEXTS.key("RemoveTags"))
    engine_version: str | None = field(default=None, metadata=TEXT.key("EngineVersion"))
    """Only for a stopped cluster, and not together with other changes."""
    master_user_password: str | None = field(default=None, repr=False, metadata=TEXT.key("MasterUserPassword"))


@dataclass(frozen=True, kw_only=True)
class PauseAutomation(ClusterRequest):
    """Pause or resume automatic promotion and restarts."""

    paused: bool = field(default=True, metadata=FLAG.key("Paused"))


@dataclass(frozen=True, kw_only=True)
class ScaleReaders(ClusterRequest):
    """Change the number of readers; give exactly one of the three."""

    to: int | None = field(default=None, metadata=WHOLE.key("To"))
    add: int | None = field(default=None, metadata=WHOLE.key("Add"))
    remove: int | None = field(default=None, metadata=WHOLE.key("Remove"))


@dataclass(frozen=True, kw_only=True)
class Failover(ClusterRequest):
    """Make a reader the writer: the target, or the first by promotion tier."""

    target: str | None = field(default=None, metadata=TEXT.key("TargetDBInstanceIdentifier"))
    allow_data_loss: bool = field(default=False, metadata=FLAG.key("AllowDataLoss"))
    like_aws: bool = field(default=False, metadata=FLAG.key("LikeAws"))
    """Take as long as on AWS, with a writer endpoint that refuses connections meanwhile."""


@dataclass(frozen=True, kw_only=True)
class StartCluster(ClusterRequest):
    """Start a stopped cluster, or the missing parts of a running one."""

    allow_data_loss: bool = field(default=False, metadata=FLAG.key("AllowDataLoss"))
    """After the end of the machine, continue with a copy that may lack commits."""


class StopCluster(ClusterRequest):
    """Stop a cluster; its data stays."""


class DeleteCluster(ClusterRequest):
    """Delete a cluster with all its data."""


class CancelOperation(ClusterRequest):
    """Cancel the running operation of a cluster."""


class DescribeClusters(ClusterRequest):
    """Describe all clusters, or one."""


class DescribeStatus(ClusterRequest):
    """Describe everything about one cluster that fits on a screen."""


class DescribeLive(ClusterRequest):
    """Describe a cluster as describe-status does, with current counters; for clients that poll often."""


class DescribeActivity(ClusterRequest):
    """Describe the sessions on all instances."""


class FailoverHistory(ClusterRequest):
    """List the last failovers of all clusters, or of one."""


@dataclass(frozen=True, kw_only=True)
class DescribeEvents(Request):
    """List events. Times are ISO 8601; a start time replaces the duration."""

    source: str | None = field(default=None, metadata=TEXT.key("SourceIdentifier"))
    source_type: str | None = field(default=None, metadata=TEXT.key("SourceType"))
    duration_s: float = field(default=_EVENTS_DURATION_S, metadata=DURATION.key("DurationSeconds"))
    start: str | None = field(default=None, metadata=TEXT.key("StartTime"))
    end: str | None = field(default=None, metadata=TEXT.key("EndTime"))
    categories: tuple[str, ...] = field(default=(), metadata=TEXTS.key("EventCategories"))
    max_records: int = field(default=_EVENTS_MAX, metadata=WHOLE.key("MaxRecords"))


@dataclass(frozen=True, kw_only=True)
class DescribeDbEngineVersions(Request):
    """List the PostgreSQL builds on this machine."""

    engine_version: str | None = field(default=None, metadata=TEXT.key("EngineVersion"))
    default_only: bool = field(default=False, metadata=FLAG.key("DefaultOnly"))
