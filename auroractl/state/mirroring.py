"""Rows whose columns mirror the fields of a core type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Generic, Self, TypeVar

Core = TypeVar("Core")


class Mirror(Generic[Core]):
    """Copies each field of a core type to the column of the same name and back.

    Tuples and mappings are stored as JSON lists and objects.
    """

    core: ClassVar[type[Any]]
    apart: ClassVar[tuple[str, ...]] = ()
    """Fields that are not copied; they take their default in the core type unless the row sets them."""

    @classmethod
    def mirrored(cls) -> list[str]:
        """List the fields that are copied."""
        return [field.name for field in fields(cls.core) if field.name not in cls.apart]

    @classmethod
    def from_core(cls, value: Core) -> Self:
        """Make a new row."""
        row = cls()
        for name in cls.mirrored():
            setattr(row, name, _stored(getattr(value, name)))
        return row

    def to_core(self) -> Core:
        """Convert the row to its core type."""
        core: Core = self.core(**{name: _restored(getattr(self, name)) for name in self.mirrored()})
        return core


def change(row: object, **values: object) -> None:
    """Set the columns of a row whose values are given: not None."""
    for name, value in values.items():
        if value is not None:
            setattr(row, name, value)


def _stored(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _restored(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
