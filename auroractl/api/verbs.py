"""The table of verbs."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.verb import DryRun, Verb
from auroractl.api.waiting import Condition
from auroractl.core.operation_kinds import OperationKind

_CLUSTER_AVAILABLE = Condition.CLUSTER_AVAILABLE
_BACKTRACK_COMPLETED = Condition.BACKTRACK_COMPLETED

_CLUSTERS = (
    Verb(
        name="create-cluster",
        noun="clusters",
        commands=("create-cluster",),
        aws_action="CreateDBCluster",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        tolerates="IfNotExists",
        operation=OperationKind.CREATE_CLUSTER,
        waits_for=_CLUSTER_AVAILABLE,
    ),
    Verb(
        name="delete-cluster",
        noun="clusters",
        commands=("delete-cluster",),
        aws_action="DeleteDBCluster",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        tolerates="IfExists",
        operation=OperationKind.DELETE_CLUSTER,
        cluster_status="deleting",
        waits_for=Condition.CLUSTER_DELETED,
    ),
    Verb(
        name="start-cluster",
        noun="clusters",
        commands=("start-cluster",),
        aws_action="StartDBCluster",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.START_CLUSTER,
        cluster_status="starting",
        waits_for=_CLUSTER_AVAILABLE,
    ),
    Verb(
        name="stop-cluster",
        noun="clusters",
        commands=("stop-cluster",),
        aws_action="StopDBCluster",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.STOP_CLUSTER,
        cluster_status="stopping",
        waits_for=Condition.CLUSTER_STOPPED,
    ),
    Verb(
        name="scale-readers",
        noun="clusters",
        commands=("scale-readers",),
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.SCALE_READERS,
        waits_for=_CLUSTER_AVAILABLE,
    ),
    Verb(
        name="failover",
        noun="clusters",
        commands=("failover",),
        aws_action="FailoverDBCluster",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.FAILOVER,
        cluster_status="failing-over",
        waits_for=Condition.FAILOVER_COMPLETED,
    ),
    Verb(
        name="cancel-operation",
        noun="clusters",
        commands=("cancel-operation",),
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
    ),
    Verb(
        name="modify-cluster",
        noun="clusters",
        commands=("modify-cluster",),
        aws_action="ModifyDBCluster",
        changes=True,
        dry_run=DryRun.STEPS,
        step="Change the cluster's settings",
    ),
    Verb(
        name="pause-automation",
        noun="clusters",
        commands=("pause-automation", "resume-automation"),
        changes=True,
        dry_run=DryRun.STEPS,
        step="Pause or resume the cluster's automation",
    ),
    Verb(
        name="describe-clusters",
        noun="clusters",
        commands=("describe-clusters",),
        aws_action="DescribeDBClusters",
    ),
    Verb(name="describe-status", noun="clusters", commands=("status",)),
    Verb(name="describe-live", noun="clusters", commands=("watch",)),
    Verb(name="describe-activity", noun="clusters", commands=("top",)),
    Verb(name="describe-events", noun="clusters", commands=("describe-events",), aws_action="DescribeEvents"),
    Verb(name="failover-history", noun="clusters", commands=("failover-history",)),
    Verb(
        name="describe-db-engine-versions",
        noun="clusters",
        commands=("describe-db-engine-versions",),
        aws_action="DescribeDBEngineVersions",
    ),
)

_INSTANCES = (
    Verb(
        name="create-instance",
        noun="instances",
        commands=("create-instance",),
        aws_action="CreateDBInstance",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.CREATE_INSTANCE,
        instance_status="creating",
        waits_for=Condition.INSTANCE_AVAILABLE,
    ),
    Verb(
        name="delete-instance",
        noun="instances",
        commands=("delete-instance",),
        aws_action="DeleteDBInstance",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.DELETE_INSTANCE,
        instance_status="deleting",
    ),
    Verb(
        name="reboot-instance",
        noun="instances",
        commands=("reboot-instance",),
        aws_action="RebootDBInstance",
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.REBOOT_INSTANCE,
        instance_status="rebooting",
        waits_for=Condition.INSTANCE_AVAILABLE,
    ),
    Verb(
        name="modify-instance",
        noun="instances",
        commands=("modify-instance",),
        aws_action="ModifyDBInstance",
        changes=True,
        dry_run=DryRun.STEPS,
        step="Change the instance's settings",
    ),
    Verb(
        name="describe-instances",
        noun="instances",
        commands=("describe-instances",),
        aws_action="DescribeDBInstances",
    ),
    Verb(name="connection", noun="instances", commands=("psql", "pgbench", "uri", "env")),
)

_ENDPOINTS = (
    Verb(
        name="create-endpoint",
        noun="endpoints",
        commands=("create-endpoint",),
        aws_action="CreateDBClusterEndpoint",
        changes=True,
        dry_run=DryRun.STEPS,
        step="Create the endpoint and publish it",
    ),
    Verb(
        name="modify-endpoint",
        noun="endpoints",
        commands=("modify-endpoint",),
        aws_action="ModifyDBClusterEndpoint",
        changes=True,
        dry_run=DryRun.STEPS,
        step="Change the endpoint and publish it",
    ),
    Verb(
        name="delete-endpoint",
        noun="endpoints",
        commands=("delete-endpoint",),
        aws_action="DeleteDBClusterEndpoint",
        changes=True,
        dry_run=DryRun.STEPS,
        step="Remove the endpoint",
    ),
    Verb(
        name="describe-endpoints",
        noun="endpoints",
        commands=("describe-endpoints",),
        aws_action="DescribeDBClusterEndpoints",
    ),
    Verb(name="describe-names", noun="endpoints", commands=("hosts", "dns")),
)

_VOLUMES = (
    Verb(
        name="replace-storage-node",
        noun="volumes",
        commands=("replace-storage-node",),
        changes=True,
        long=True,
        dry_run=DryRun.STEPS,
        answers_early=True,
        operation=OperationKind.REPLACE_STORAGE_NODE,
        waits_for=_CLUSTER_AVAILABLE,
    ),
    Verb(
        name="storage-autogrow",
        noun="volumes",
        commands=("storage-autogrow",),
        changes=True,
        dry_run=DryRun.OWN,
    ),
    Verb(name="scrub-volume", noun="volumes", commands=("scrub-volume",), changes=True, dry_run=DryRun.STEPS),
    Verb(name="describe-volumes", noun="volumes", commands=("describe-volumes",)),
)

_RESTORE = (
    Verb(
        name="backtrack",
        noun="restore",
        commands=("backtrack",),
        aws_action="BacktrackDBCluster",
        changes=True,
        answers_early=True,
        operation=OperationKind.BACKTRACK,
        waits_for=_BACKTRACK_COMPLETED,
    ),
    Verb(name="plan-backtrack", noun="restore", commands=("backtrack",)),
    Verb(
        name="prepare-backtrack",
        noun="restore",
        commands=("backtrack",),
        changes=True,
        waits_for=_BACKTRACK_COMPLETED,
    ),
    Verb(
        name="accept-backtrack",
        noun="restore",
        commands=("backtrack",),
        changes=True,
        answers_early=True,
        operation=OperationKind.BACKTRACK,
        waits_for=_BACKTRACK_COMPLETED,
    ),
    Verb(
        name="cancel-backtrack",
        noun="restore",
        commands=("backtrack",),
        changes=True,
        waits_for=_BACKTRACK_COMPLETED,
    ),
    Verb(
        name="describe-backtracks",
        noun="restore",
        commands=("describe-backtracks",),
        aws_action="DescribeDBClusterBacktracks",
    ),
    Verb(name="peek", noun="restore", commands=("peek",)),
)


def _group_verbs(ours: str, aws: str) -> tuple[Verb, ...]:
    """Return the verbs of one kind of parameter groups; `ours` is its part of our names, `aws` that of AWS's."""

    def verb(name: str, action: str, step: str | None = None) -> Verb:
        dry_run = DryRun.STEPS if step else None
        return Verb(name, "parameter_groups", (name,), action, changes=bool(step), dry_run=dry_run, step=step)

    return (
        verb(f"create-{ours}parameter-group", f"Create{aws}ParameterGroup", "Create the parameter group"),
        verb(f"copy-{ours}parameter-group", f"Copy{aws}ParameterGroup", "Copy the parameter group"),
        verb(f"modify-{ours}parameter-group", f"Modify{aws}ParameterGroup", "Change the group and apply it"),
        verb(f"reset-{ours}parameter-group", f"Reset{aws}ParameterGroup", "Reset the group and apply it"),
        verb(f"delete-{ours}parameter-group", f"Delete{aws}ParameterGroup", "Delete the parameter group"),
        verb(f"describe-{ours}parameter-groups", f"Describe{aws}ParameterGroups"),
        verb(f"describe-{ours}parameters", f"Describe{aws}Parameters"),
        verb(
            f"describe-engine-default-{ours}parameters",
            f"DescribeEngineDefault{aws.removeprefix('DB')}Parameters",
        ),
    )


_PARAMETER_GROUPS = (*_group_verbs("cluster-", "DBCluster"), *_group_verbs("", "DB"))


def _fault(name: str, *commands: str) -> Verb:
    paths = tuple(f"inject-fault {command}" for command in commands or (name,))
    return Verb(name=name, noun="faults", commands=paths, changes=True, dry_run=DryRun.STEPS)


_FAULTS = (
    _fault("crash-storage-node"),
    _fault("hang-storage-node"),
    _fault("wipe-storage-node"),
    _fault("corrupt-segment"),
    _fault("crash-instance"),
    _fault("hang-instance"),
    _fault("replica-lag"),
    _fault("partition-instance"),
    _fault("slow-endpoint"),
    _fault("refuse-endpoint"),
    _fault("dns-lag"),
    _fault("az-outage"),
    _fault("end-fault", "restore", "az-restore"),
)

_SUPERVISOR = (
    Verb(name="names", noun="supervisor"),
    Verb(name="supervisor-status", noun="supervisor", commands=("supervisor status", "supervisor start")),
    Verb(name="supervisor-stop", noun="supervisor", commands=("supervisor stop",)),
)

_CERTIFICATES = (
    Verb(name="describe-ca", noun="certificates", commands=("ca show",)),
    Verb(
        name="rotate-ca",
        noun="certificates",
        commands=("ca rotate",),
        changes=True,
        dry_run=DryRun.STEPS,
    ),
)

VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        *_CLUSTERS,
        *_INSTANCES,
        *_ENDPOINTS,
        *_PARAMETER_GROUPS,
        *_VOLUMES,
        *_RESTORE,
        *_FAULTS,
        *_CERTIFICATES,
        *_SUPERVISOR,
    )
}
"""All verbs by name."""
