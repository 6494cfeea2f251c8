"""Whether a cluster heals by itself."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Clusters that exist heal by themselves, as they did before."""
    op.add_column("cluster", sa.Column("automation_paused", sa.Boolean(), nullable=False, server_default=sa.false()))
