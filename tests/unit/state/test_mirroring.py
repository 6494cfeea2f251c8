"""Rows and core types: each field has a column, and its value travels there and back."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from auroractl.core.address import Address
from auroractl.core.engine.locales import Locale, Provider
from auroractl.state import backtrack_models, volume_models
from auroractl.state.mirroring import Mirror
from auroractl.state.models import Base, OperationRow

ROWS = sorted(Mirror.__subclasses__(), key=lambda row: row.__name__)


def _sample(hint: Any, number: int) -> Any:
    """A value of a type that differs from every default and from its neighbours."""
    if isinstance(hint, types.UnionType):
        hint = get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return list(hint)[-1]
    samples: dict[Any, Any] = {
        str: f"text {number}", int: number, float: number + 0.5, bool: True, Address: Address("127.0.0.1", number),
        datetime: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=number),
        Locale: Locale(Provider.ICU, f"text {number}"), tuple: (f"one {number}", "two"), dict: {"key": f"value {number}"}, Mapping: {"key": f"value {number}"},
    }  # fmt: skip
    return samples[get_origin(hint) or hint]


def test_all_rows_of_core_types_are_here() -> None:
    assert {volume_models.StorageNodeRow, backtrack_models.BacktrackRow, OperationRow} < set(ROWS)
    assert len(ROWS) == 13
    assert {row.__name__: row.apart for row in ROWS if row.apart} == {"OperationRow": ("steps", "error")}


@pytest.mark.parametrize("row_type", ROWS, ids=lambda row: row.__name__)
def test_every_field_is_a_column_and_travels_there_and_back(row_type: type[Any]) -> None:
    hints = get_type_hints(row_type.core)
    names = row_type.mirrored()
    assert {*names, *row_type.apart} == {field.name for field in fields(row_type.core)}
    assert set(names) <= {attribute.key for attribute in row_type.__mapper__.attrs}
    value = row_type.core(**{name: _sample(hints[name], 10 + number) for number, name in enumerate(names)})
    row = row_type.from_core(value)
    for column in row_type.__table__.columns:
        if column.name not in (*names, "id", "host", "port", "locale_provider", "locale_name") and not column.nullable:
            setattr(row, column.name, "other")
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(row)
        session.commit()
        session.expire_all()
        back = row.to_core()
    engine.dispose()
    assert [getattr(back, name) for name in names] == [getattr(value, name) for name in names]
    assert [type(getattr(back, name)) for name in names] == [type(getattr(value, name)) for name in names]
