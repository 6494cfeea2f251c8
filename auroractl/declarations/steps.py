"""A plan: differences, and the requests that remove them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from auroractl.api.request import Request

CLUSTER = "DBClusterIdentifier"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference, with values in the notation of a file; None for an absent value."""

    name: str
    key: str
    before: Any
    after: Any
    named: str = CLUSTER
    """The key of the name in a document: of a cluster, or of a parameter group of one kind."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a document."""
        names = dict.fromkeys((CLUSTER, "DBClusterParameterGroupName", "DBParameterGroupName"))
        return {**names, self.named: self.name, "Key": self.key, "Before": self.before, "After": self.after}


@dataclass(frozen=True, slots=True)
class Step:
    """One request to the control plane."""

    request: Request

    @property
    def verb(self) -> str:
        """The verb of the request."""
        return self.request.verb

    @property
    def name(self) -> str:
        """The name of the step, in the form of a command.

        >>> from auroractl.api.requests.instances import DeleteInstance
        >>> Step(DeleteInstance(instance="demo-instance-3")).name
        'delete-instance demo-instance-3'
        """
        names = (getattr(self.request, about, None) for about in ("endpoint", "instance", "cluster", "group"))
        return f"{self.verb} {next(name for name in names if name is not None)}"


@dataclass(slots=True)
class Plan:
    """Differences, and steps in their order of execution."""

    changes: list[Change] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a document; `Changed` says whether there are differences."""
        return {
            "Changed": bool(self.changes),
            "Changes": [each.to_json() for each in self.changes],
            "Steps": [{"Name": each.name, "Verb": each.verb, "Request": each.request.to_json()} for each in self.steps],
        }
