"""What clusters flush to disk, and what a power cut leaves to be believed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the columns. Existing clusters flush everywhere, as they did."""
    for name, kind, default in (
        ("durability", sa.String(32), "'everywhere'"),
        ("unflushed_boot", sa.String(), "''"),
        ("durable_instance", sa.String(), "''"),
    ):
        op.add_column("cluster", sa.Column(name, kind, nullable=False, server_default=sa.text(default)))
