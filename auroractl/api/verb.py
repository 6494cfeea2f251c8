"""What is known of a verb: its request type, its effects, and how commands and the supervisor treat it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from auroractl.api import requests
from auroractl.api.waiting import Condition
from auroractl.core.operation_kinds import OperationKind

if TYPE_CHECKING:
    from auroractl.api.request import Document, Options, Request


class DryRun(Enum):
    """How a verb handles DryRun."""

    STEPS = "steps"
    """The service runs up to its first write, and the names of its steps are returned."""
    OWN = "own"
    """Its handler performs the dry run."""


class Verb(NamedTuple):
    """A verb of the control API. A tuple, because a frozen dataclass takes each command a millisecond more."""

    name: str
    noun: str
    """The file of its request in `requests`, and of its handler in the supervisor."""
    commands: tuple[str, ...] = ()
    """The commands that send it, with the name of their group."""
    aws_action: str | None = None
    """The RDS API action that it corresponds to."""
    changes: bool = False
    """Whether it changes anything permanently."""
    long: bool = False
    """Whether its command has --no-wait because it may take a while."""
    dry_run: DryRun | None = None
    step: str | None = None
    """The name of its only step, for a change without a journalled operation."""
    answers_early: bool = False
    """Whether it accepts NoWait."""
    tolerates: str | None = None
    """The option with which it succeeds if there is nothing to do."""
    operation: OperationKind | None = None
    """The journalled operation that it starts."""
    cluster_status: str | None = None
    """The cluster status that AWS reports meanwhile."""
    instance_status: str | None = None
    """The instance status that AWS reports meanwhile."""
    waits_for: Condition | None = None
    """What `auroractl wait` waits for after the verb was sent without waiting."""

    @property
    def local_only(self) -> bool:
        """Whether AWS has no equivalent action."""
        return self.aws_action is None

    @property
    def request(self) -> type[Request]:
        """Return its request type."""
        name = "".join(map(str.capitalize, self.name.split("-")))
        found: type[Request] = getattr(getattr(requests, self.noun), name)
        return found

    @property
    def plan_name(self) -> str:
        """Return its name in a plan: that of its command, or of its command group."""
        return self.commands[0].partition(" ")[0] if self.commands else self.name

    @property
    def options(self) -> frozenset[str]:
        """Return the wire keys of the options that it accepts."""
        found = {"DryRun": self.dry_run is not None, "NoWait": self.answers_early}
        return frozenset({key for key, has in found.items() if has} | ({self.tolerates} if self.tolerates else set()))

    def read(self, document: Document) -> tuple[Request, Options]:
        """Read the request and its options. Raises InvalidParameterValue as `Request.from_json` does."""
        from auroractl.api.request import Options  # noqa: PLC0415  (commands start without it)

        options, rest = Options.split(document, self.options)
        return self.request.from_json(rest), options
