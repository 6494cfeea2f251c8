"""Points in time that must stay reachable while work on them is in progress."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table, with a pin for every backtrack that is in progress or waits for a decision."""
    op.create_table(
        "pin",
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "holder", name="pk_pin"),
        sa.ForeignKeyConstraint(["cluster"], ["cluster.identifier"], name="fk_pin_cluster_cluster", ondelete="CASCADE"),
    )
    op.execute(
        "INSERT INTO pin (cluster, holder, at) SELECT cluster, identifier, consistent_at FROM backtrack"
        " WHERE status IN ('pending', 'applying') AND consistent_at IS NOT NULL"
    )
