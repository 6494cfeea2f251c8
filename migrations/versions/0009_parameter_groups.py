"""Parameter groups, and which of them clusters and instances use."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table. Existing clusters and instances use the default groups."""
    op.create_table(
        "parameter_group",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("family", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parameter_group"),
        sa.UniqueConstraint("kind", "name", name="uq_parameter_group_kind_name"),
    )
    op.add_column("cluster", sa.Column("parameter_group", sa.String(), nullable=False, server_default=sa.text("''")))
    op.add_column("cluster", sa.Column("standby_floor", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("instance", sa.Column("parameter_group", sa.String(), nullable=False, server_default=sa.text("''")))
