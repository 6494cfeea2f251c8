"""Parameter groups and the definitions of server parameters, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

FAMILY_PREFIX = "aurora-postgresql"


class GroupKind(StrEnum):
    """What a parameter group belongs to."""

    CLUSTER = "cluster"
    INSTANCE = "instance"

    @property
    def words(self) -> str:
        """Return AWS's name for a group of this kind."""
        return "DBClusterParameterGroup" if self is GroupKind.CLUSTER else "DBParameterGroup"


class ApplyType(StrEnum):
    """When a changed value takes effect."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class ApplyMethod(StrEnum):
    """AWS's words for when a change is to take effect."""

    IMMEDIATE = "immediate"
    PENDING_REBOOT = "pending-reboot"


class ParameterChange(NamedTuple):
    """One parameter of a request to modify or reset a group."""

    name: str
    value: str | None = None
    """None to reset it."""
    method: ApplyMethod | None = None


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """A parameter group: the values that differ from the defaults of its family."""

    name: str
    kind: GroupKind
    family: str
    description: str
    settings: Mapping[str, str]
    tags: Mapping[str, str]
    created_at: datetime

    @property
    def is_default(self) -> bool:
        """Return whether this is the default group of its family, which is never stored."""
        return self.name == default_group(self.family)


@dataclass(frozen=True, slots=True)
class Definition:
    """A parameter as the server itself describes it in pg_settings."""

    name: str
    """In lower case, as AWS spells it."""
    type: str
    """bool, integer, real, enum or string."""
    unit: str
    context: str
    category: str
    minimum: str
    maximum: str
    choices: tuple[str, ...]
    default: str | None
    description: str

    @property
    def apply_type(self) -> ApplyType:
        """Return whether a change needs a restart."""
        return ApplyType.STATIC if self.context in {"postmaster", "internal"} else ApplyType.DYNAMIC

    def to_json(self) -> dict[str, Any]:
        """Return a document from which `from_json` makes the same definition."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Definition:
        """Invert `to_json`. Raises TypeError or KeyError for anything else."""
        return cls(**{**document, "choices": tuple(document["choices"])})


@dataclass(frozen=True, slots=True)
class Catalog:
    """All parameters of one engine version."""

    definitions: Mapping[str, Definition]
    libraries: tuple[str, ...]
    """The libraries of the allow-list that the build has."""
    system: Mapping[str, str | int]
    """What auroractl sets on a server without groups."""
    packages: Mapping[str, str] = field(default_factory=dict)
    """By library that the build lacks: how it is installed on this machine, as a sentence."""


def family_of(version: str) -> str:
    """Return the parameter group family of an engine version.

    >>> family_of("18.6")
    'aurora-postgresql18'
    """
    return f"{FAMILY_PREFIX}{version.partition('.')[0]}"


def group_in_use(stored: str, version: str) -> str:
    """Return the name of the group in use for what a row has, which is empty for the default one."""
    return stored or default_group(family_of(version))


def default_group(family: str) -> str:
    """Return the name of a family's default group, which cannot be changed."""
    return f"default.{family}"
