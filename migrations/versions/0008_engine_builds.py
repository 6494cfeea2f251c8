"""The PostgreSQL build that a cluster uses."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column; clusters that exist get their build when it is first needed."""
    op.add_column("cluster", sa.Column("engine_build", sa.String(), nullable=False, server_default=sa.text("''")))
