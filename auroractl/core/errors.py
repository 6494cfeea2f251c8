"""Every error a person can meet: an AWS error code, a sentence, what to do next, and an exit code."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from auroractl.core.guessing import did_you_mean


class ExitCode(IntEnum):
    """Exit codes of the command line; documented in README.md and stable for scripts."""

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


class AuroraError(Exception):
    """The root of all errors that are meant for a person.

    `message` is one sentence saying what is wrong, `hint` one saying what to do next (may be empty).
    `code` is the AWS error code where AWS has one.
    """

    code: str = "InternalFailure"
    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_json(self) -> dict[str, Any]:
        """The error as it crosses the supervisor's socket and as `--output json` shows it."""
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
    """The command does not say enough, or says two things at once."""

    code = "InvalidParameterCombination"
    exit_code = ExitCode.USAGE


class InvalidParameterValue(AuroraError):
    """A value breaks one of Aurora's rules."""

    code = "InvalidParameterValue"
    exit_code = ExitCode.USAGE


class ConfigurationError(AuroraError):
    """A configuration file or a home folder cannot be used as it is."""

    code = "InvalidConfiguration"
    exit_code = ExitCode.USAGE


class NotFound(AuroraError):
    """Something that was named does not exist."""

    code = "ResourceNotFoundFault"
    exit_code = ExitCode.NOT_FOUND


class ClusterNotFound(AuroraError):
    """No cluster of that name."""

    code = "DBClusterNotFoundFault"
    exit_code = ExitCode.NOT_FOUND

    def __init__(self, cluster: str, known: list[str]) -> None:
        listing = f"Existing clusters: {', '.join(known)}." if known else "Create one: auroractl create-cluster NAME"
        super().__init__(f"DBCluster {cluster} not found.", did_you_mean(cluster, known, listing))


class InstanceNotFound(AuroraError):
    """No instance of that name."""

    code = "DBInstanceNotFound"
    exit_code = ExitCode.NOT_FOUND

    def __init__(self, instance: str, known: list[str]) -> None:
        listing = f"Existing instances: {', '.join(known)}." if known else ""
        super().__init__(f"DBInstance {instance} not found.", did_you_mean(instance, known, listing))


class ClusterAlreadyExists(AuroraError):
    """The name is taken."""

    code = "DBClusterAlreadyExistsFault"
    exit_code = ExitCode.WRONG_STATE

    def __init__(self, cluster: str) -> None:
        super().__init__(
            f"DBCluster {cluster} already exists.", f"Choose another name, or: auroractl delete-cluster {cluster}"
        )


class InstanceAlreadyExists(AuroraError):
    """The name is taken, in this cluster or in another one."""

    code = "DBInstanceAlreadyExists"
    exit_code = ExitCode.WRONG_STATE

    def __init__(self, instance: str) -> None:
        super().__init__(f"DBInstance {instance} already exists.", "Choose another name")


class BacktrackNotFound(NotFound):
    """There is no such backtrack."""

    code = "DBClusterBacktrackNotFoundFault"


class EndpointNotFound(AuroraError):
    """There is no such custom endpoint."""

    code = "DBClusterEndpointNotFoundFault"
    exit_code = ExitCode.NOT_FOUND


class EndpointAlreadyExists(AuroraError):
    """The name of an endpoint is taken."""

    code = "DBClusterEndpointAlreadyExistsFault"
    exit_code = ExitCode.WRONG_STATE


class EndpointQuotaExceeded(AuroraError):
    """A cluster has as many custom endpoints as it may."""

    code = "DBClusterEndpointQuotaExceededFault"
    exit_code = ExitCode.WRONG_STATE


class InvalidClusterState(AuroraError):
    """The cluster is not in a state in which this can be done, or is busy."""

    code = "InvalidDBClusterStateFault"
    exit_code = ExitCode.WRONG_STATE


class InvalidInstanceState(AuroraError):
    """The instance is not in a state in which this can be done."""

    code = "InvalidDBInstanceState"
    exit_code = ExitCode.WRONG_STATE


class InvalidParameterCombination(AuroraError):
    """Two things that do not go together; AWS uses this code for deletion protection too."""

    code = "InvalidParameterCombination"
    exit_code = ExitCode.WRONG_STATE


class QuotaExceeded(AuroraError):
    """More instances than a cluster may have."""

    code = "InstanceQuotaExceeded"
    exit_code = ExitCode.USAGE


class Unsupported(AuroraError):
    """AWS has it, auroractl does not."""

    code = "InvalidParameterValue"
    exit_code = ExitCode.UNSUPPORTED


class TimedOut(AuroraError):
    """Something did not happen in time; the sentence names it, the limit and the last thing seen."""

    code = "Timeout"
    exit_code = ExitCode.TIMEOUT


class QuorumLost(AuroraError):
    """Too few storage nodes are there for what was asked."""

    code = "StorageQuorumLost"
    exit_code = ExitCode.QUORUM_LOST


class EngineError(AuroraError):
    """A PostgreSQL program failed; the sentence carries the end of what it printed."""

    code = "EngineFailure"


class MachineError(AuroraError):
    """The machine lacks something: an account, an address, a program, room on the disk."""

    code = "MachineNotReady"


class StateError(AuroraError):
    """state.db cannot be used: damaged, or written by a newer version."""

    code = "InvalidState"


class SupervisorUnavailable(AuroraError):
    """The supervisor is not running, did not start, or went away while it was working."""

    code = "ServiceUnavailable"
    exit_code = ExitCode.NOT_RUNNING
