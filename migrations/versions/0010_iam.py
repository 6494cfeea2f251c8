"""Whether clusters have IAM authentication."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Existing clusters have none."""
    op.add_column("cluster", sa.Column("iam_authentication", sa.Boolean(), nullable=False, server_default=sa.false()))
