"""The table of parameter groups, and the conversion of its rows to and from core types."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from auroractl.core.parameters.model import GroupKind, ParameterGroup
from auroractl.state.mirroring import Mirror
from auroractl.state.models import Base


class ParameterGroupRow(Mirror[ParameterGroup], Base):
    """A parameter group; clusters and instances name it."""

    core = ParameterGroup

    __tablename__ = "parameter_group"
    __table_args__ = (UniqueConstraint("kind", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[GroupKind]
    family: Mapped[str]
    description: Mapped[str]
    settings: Mapped[dict[str, str]]
    tags: Mapped[dict[str, str]]
    created_at: Mapped[datetime]
