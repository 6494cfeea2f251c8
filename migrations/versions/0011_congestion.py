"""Faults that are late by different times, and not always."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Other faults have neither."""
    op.add_column("fault", sa.Column("delay_min_ms", sa.Double(), nullable=True))
    op.add_column("fault", sa.Column("percentage", sa.Double(), nullable=True))
