"""What custom endpoints go to."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Built-in endpoints have none of this."""
    op.add_column("endpoint", sa.Column("custom_type", sa.String(32), nullable=True))
    op.add_column("endpoint", sa.Column("static_members", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("endpoint", sa.Column("excluded_members", sa.JSON(), nullable=False, server_default="[]"))
