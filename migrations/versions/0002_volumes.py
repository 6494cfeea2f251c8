"""Volumes with their storage nodes, protection groups and injected faults."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables of the volume; clusters that exist gain theirs when they are next started."""
    op.create_table(
        "storage_volume",
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("auto_grow", sa.Boolean(), nullable=False),
        sa.Column("max_capacity_bytes", sa.BigInteger(), nullable=False),
        sa.Column("increment_bytes", sa.BigInteger(), nullable=False),
        sa.Column("headroom_percent", sa.Integer(), nullable=False),
        sa.Column("group_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", name="pk_storage_volume"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["cluster.identifier"], name="fk_storage_volume_cluster_cluster", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "protection_group",
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("allocated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("cluster", "number", name="pk_protection_group"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["storage_volume.cluster"], name="fk_protection_group_cluster_storage_volume",
            ondelete="CASCADE",
        ),
    )  # fmt: skip
    op.create_table(
        "volume_growth",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("groups_before", sa.Integer(), nullable=False),
        sa.Column("groups_after", sa.Integer(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_volume_growth"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["storage_volume.cluster"], name="fk_volume_growth_cluster_storage_volume", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_volume_growth_cluster", "volume_growth", ["cluster"])
    op.create_table(
        "storage_node",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("availability_zone", sa.String(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("membership", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("damage_found", sa.Integer(), nullable=False),
        sa.Column("damage_repaired", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_storage_node"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["storage_volume.cluster"], name="fk_storage_node_cluster_storage_volume", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("cluster", "identifier", name="uq_storage_node_cluster_identifier"),
    )
    op.create_table(
        "fault",
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("cluster", "target", name="pk_fault"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["cluster.identifier"], name="fk_fault_cluster_cluster", ondelete="CASCADE"
        ),
    )
