"""Every error that a user can see.

Each has an AWS error code, a sentence, a hint that says what to do next, and an exit code.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from auroractl.core.guessing import did_you_mean


class ExitCode(IntEnum):
    """Exit codes of the command line, documented in README.md and stable for scripts."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    NOT_FOUND = 4
    WRONG_STATE = 5
    TIMEOUT = 6
    QUORUM_LOST = 7
    UNSUPPORTED = 8
    BUG = 70
    INTERRUPTED = 130
    READER_LEFT = 141


class AuroraError(Exception):
    """Base of all errors that are meant for a user.

    `message` is one sentence that states the problem, `hint` one that says what to do next (may be empty). `code` is
    the AWS error code if AWS has one.
    """

    code: str = "InternalFailure"
    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_json(self) -> dict[str, Any]:
        """Return the error as it is sent over the supervisor's socket and shown by `--output json`."""
        return {
            "Code": self.code,
            "Message": self.message,
            "Hint": self.hint,
            "ExitCode": int(self.exit_code),
        }


class RemoteError(AuroraError):
    """An error that another process reported, rebuilt from its JSON."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(str(document["Message"]), str(document.get("Hint", "")))
        self.code = str(document.get("Code", AuroraError.code))
        self.exit_code = ExitCode(int(document.get("ExitCode", ExitCode.FAILED)))


class UsageError(AuroraError):
    """The command is incomplete or contradicts itself."""

    code = "InvalidParameterCombination"
    exit_code = ExitCode.USAGE


class InvalidParameterValue(AuroraError):
    """A value breaks one of Aurora's rules."""

    code = "InvalidParameterValue"
    exit_code = ExitCode.USAGE


class ConfigurationError(AuroraError):
    """A configuration file or a home folder cannot be used."""

    code = "InvalidConfiguration"
    exit_code = ExitCode.USAGE


class NotFound(AuroraError):
    """A named object does not exist."""

    code = "ResourceNotFoundFault"
    exit_code = ExitCode.NOT_FOUND


class ClusterNotFound(AuroraError):
    """No cluster has that name."""

    code = "DBClusterNotFoundFault"
    exit_code = ExitCode.NOT_FOUND

    def __init__(self, cluster: str, known: list[str]) -> None:
        listing = f"Existing clusters: {', '.join(known)}." if known else "Create one: auroractl create-cluster NAME"
        super().__init__(f"DBCluster {cluster} not found.", did_you_mean(cluster, known, listing))


class InstanceNotFound(AuroraError):
    """No instance has that name."""

    code = "DBInstanceNotFound"
    exit_code = ExitCode.NOT_FOUND

    def __init__(self, instance: str, known: list[str]) -> None:
        listing = f"Existing instances: {', '.join(known)}." if known else ""
        super().__init__(f"DBInstance {instance} not found.", did_you_mean(instance, known, listing))


class ClusterAlreadyExists(AuroraError):
    """A cluster with that name exists."""

    code = "DBClusterAlreadyExistsFault"
    exit_code = ExitCode.WRONG_STATE

    def __init__(self, cluster: str) -> None:
        super().__init__(
            f"DBCluster {cluster} already exists.", f"Choose another name, or: auroractl delete-cluster {cluster}"
        )


class InstanceAlreadyExists(AuroraError):
    """An instance with that name exists, in this cluster or in another one."""

    code = "DBInstanceAlreadyExists"
    exit_code = ExitCode.WRONG_STATE

    def __init__(self, instance: str) -> None:
        super().__init__(f"DBInstance {instance} already exists.", "Choose another name")


class BacktrackNotFound(NotFound):
    """No backtrack has that identifier."""

    code = "DBClusterBacktrackNotFoundFault"


class EndpointNotFound(AuroraError):
    """No custom endpoint has that name."""

    code = "DBClusterEndpointNotFoundFault"
    exit_code = ExitCode.NOT_FOUND


class EndpointAlreadyExists(AuroraError):
    """An endpoint with that name exists."""

    code = "DBClusterEndpointAlreadyExistsFault"
    exit_code = ExitCode.WRONG_STATE


class EndpointQuotaExceeded(AuroraError):
    """A cluster has the maximum number of custom endpoints."""

    code = "DBClusterEndpointQuotaExceededFault"
    exit_code = ExitCode.WRONG_STATE


class InvalidClusterState(AuroraError):
    """The cluster's state does not allow the request, or the cluster is busy."""

    code = "InvalidDBClusterStateFault"
    exit_code = ExitCode.WRONG_STATE


class InvalidInstanceState(AuroraError):
    """The instance's state does not allow the request."""

    code = "InvalidDBInstanceState"
    exit_code = ExitCode.WRONG_STATE


class ParameterGroupNotFound(NotFound):
    """No parameter group has that name."""

    code = "DBParameterGroupNotFound"


class ParameterGroupAlreadyExists(AuroraError):
    """A parameter group with that name exists."""

    code = "DBParameterGroupAlreadyExists"
    exit_code = ExitCode.WRONG_STATE


class ParameterGroupQuotaExceeded(AuroraError):
    """A home has the maximum number of parameter groups."""

    code = "DBParameterGroupQuotaExceeded"
    exit_code = ExitCode.WRONG_STATE


class InvalidParameterGroupState(AuroraError):
    """The parameter group is in use, or is a default one."""

    code = "InvalidDBParameterGroupState"
    exit_code = ExitCode.WRONG_STATE


class InvalidParameterCombination(AuroraError):
    """Two parameters contradict each other; AWS uses this code for deletion protection too."""

    code = "InvalidParameterCombination"
    exit_code = ExitCode.WRONG_STATE


class QuotaExceeded(AuroraError):
    """A cluster would have too many instances."""

    code = "InstanceQuotaExceeded"
    exit_code = ExitCode.USAGE


class Unsupported(AuroraError):
    """AWS supports it, auroractl does not."""

    code = "InvalidParameterValue"
    exit_code = ExitCode.UNSUPPORTED


class TimedOut(AuroraError):
    """Something did not happen in time; the sentence names it, the limit and the last observation."""

    code = "Timeout"
    exit_code = ExitCode.TIMEOUT


class Cancelled(AuroraError):
    """An operation was cancelled before its point of no return."""

    code = "OperationCancelled"


class Stopped(Exception):
    """Raised by waits of a cancelled operation; outside the operation it becomes Cancelled.

    It is not an AuroraError, because code that ignores a failed attempt must not ignore this.
    """


class QuorumLost(AuroraError):
    """Too few storage nodes are available for the request."""

    code = "StorageQuorumLost"
    exit_code = ExitCode.QUORUM_LOST


class EngineError(AuroraError):
    """A PostgreSQL program failed; the sentence contains the end of its output."""

    code = "EngineFailure"


class MachineError(AuroraError):
    """The machine lacks something: an account, an address, a program, disk space."""

    code = "MachineNotReady"


class StateError(AuroraError):
    """state.db cannot be used: it is damaged, or a newer version wrote it."""

    code = "InvalidState"


class SupervisorUnavailable(AuroraError):
    """The supervisor is not running, did not start, or ended during the request."""

    code = "ServiceUnavailable"
    exit_code = ExitCode.NOT_RUNNING
