"""Backtracks, and on which timeline a cluster wrote when."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables; the eras of clusters that exist begin when they are next looked at."""
    op.create_table(
        "era",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("timeline", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("ended_lsn", sa.BigInteger(), nullable=True),
        sa.Column("left_behind", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_era"),
        sa.ForeignKeyConstraint(["cluster"], ["cluster.identifier"], name="fk_era_cluster_cluster", ondelete="CASCADE"),
        sa.UniqueConstraint("cluster", "timeline", name="uq_era_cluster_timeline"),
    )
    op.create_table(
        "backtrack",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("requested_at", sa.DateTime(), nullable=False),
        sa.Column("to", sa.DateTime(), nullable=True),
        sa.Column("consistent_at", sa.DateTime(), nullable=True),
        sa.Column("timeline", sa.Integer(), nullable=False),
        sa.Column("lsn", sa.BigInteger(), nullable=False),
        sa.Column("backtracked_from", sa.DateTime(), nullable=True),
        sa.Column("from_timeline", sa.Integer(), nullable=True),
        sa.Column("from_lsn", sa.BigInteger(), nullable=True),
        sa.Column("new_timeline", sa.Integer(), nullable=True),
        sa.Column("downtime_ms", sa.Float(), nullable=True),
        sa.Column("error", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_backtrack"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["cluster.identifier"], name="fk_backtrack_cluster_cluster", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("identifier", name="uq_backtrack_identifier"),
    )
    op.create_index("ix_backtrack_cluster", "backtrack", ["cluster"])
