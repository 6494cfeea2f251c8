"""The base class of requests: conversion to JSON, validation of untrusted JSON, and common options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar, Self

from auroractl.api.field_types import FLAG, Kind, shown
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.guessing import did_you_mean

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The parameters of a verb.

    The metadata of each field holds its wire key and its kind. The class name spells the verb: `CreateCluster` is the
    request of create-cluster.
    """

    verb: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls.verb = re.sub(r"(?<=.)(?=[A-Z])", "-", cls.__name__).lower()

    @classmethod
    def keys(cls) -> dict[str, Field[Any]]:
        """The fields by wire key."""
        return {each.metadata["key"]: each for each in fields(cls)}

    @classmethod
    def required(cls) -> list[str]:
        """The wire keys of fields without a default."""
        return [key for key, each in cls.keys().items() if each.default is MISSING and each.default_factory is MISSING]

    def to_json(self) -> Document:
        """Return the request as a document with all keys."""
        document = {}
        for key, each in self.keys().items():
            value = getattr(self, each.name)
            document[key] = None if value is None else _kind(each).dump(value)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a document; an absent or null key takes its default.

        Raises InvalidParameterValue, which names the key, if it is unknown, required and missing, or of another kind.
        """
        known = cls.keys()
        for key in document:
            if key not in known:
                listing = f"It has {', '.join(known)}" if known else "It has none"
                raise InvalidParameterValue(
                    f"{cls.verb} has no parameter {shown(key)}.", did_you_mean(key[:60], known, listing)
                )
        for key in cls.required():
            if document.get(key) is None:
                raise InvalidParameterValue(f"The request lacks {key!r}.", f"Give it: {_kind(known[key]).words}")
        values = {
            known[key].name: _kind(known[key]).read(key, value) for key, value in document.items() if value is not None
        }
        return cls(**values)


def _kind(each: Field[Any]) -> Kind:
    kind: Kind = each.metadata["kind"]
    return kind


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of requests that belong to no verb; the table of verbs says which verbs accept which."""

    dry_run: bool = False
    """Check everything, change nothing, return the steps."""
    no_wait: bool = False
    """Answer as soon as the operation has been accepted."""
    if_not_exists: bool = False
    """Succeed if the cluster to be created exists."""
    if_exists: bool = False
    """Succeed if the cluster to be deleted does not exist."""

    def to_json(self) -> Document:
        """Return the options that are set, as part of a request's document."""
        return {key: True for key, name in OPTIONS.items() if getattr(self, name)}

    @classmethod
    def split(cls, document: Mapping[str, Any], allowed: frozenset[str]) -> tuple[Self, Document]:
        """Separate the options from the rest of a document. Options that are not allowed stay in the rest, which refuses them.

        Raises InvalidParameterValue for an option that is not true, false or null.
        """
        given = {
            OPTIONS[key]: FLAG.read(key, value)
            for key, value in document.items()
            if key in allowed and value is not None
        }
        return cls(**given), {key: value for key, value in document.items() if key not in allowed}


OPTIONS = {"DryRun": "dry_run", "NoWait": "no_wait", "IfNotExists": "if_not_exists", "IfExists": "if_exists"}
"""Names of the options' fields by their keys on the wire."""
