"""Clusters with their instances and endpoints, the journal of operations, and events."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first six tables."""
    op.create_table(
        "cluster",
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String(), nullable=False),
        sa.Column("engine_version", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("address_block", sa.String(), nullable=False),
        sa.Column("database_name", sa.String(), nullable=False),
        sa.Column("master_username", sa.String(), nullable=False),
        sa.Column("backtrack_window_s", sa.Integer(), nullable=False),
        sa.Column("deletion_protection", sa.Boolean(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("wanted", sa.String(32), nullable=False),
        sa.Column("phase", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name="pk_cluster"),
        sa.UniqueConstraint("resource_id", name="uq_cluster_resource_id"),
    )
    op.create_index(
        "uq_cluster_address_block",
        "cluster",
        ["address_block"],
        unique=True,
        sqlite_where=sa.text("address_block <> ''"),
    )
    op.create_table(
        "instance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("availability_zone", sa.String(), nullable=False),
        sa.Column("is_writer", sa.Boolean(), nullable=False),
        sa.Column("promotion_tier", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("wanted", sa.String(32), nullable=False),
        sa.Column("phase", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instance"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["cluster.identifier"], name="fk_instance_cluster_cluster", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("identifier", name="uq_instance_identifier"),
        sa.UniqueConstraint("host", "port", name="uq_instance_host_port"),
    )
    op.create_index("ix_instance_cluster", "instance", ["cluster"])
    op.create_index("uq_instance_writer", "instance", ["cluster"], unique=True, sqlite_where=sa.text("is_writer"))
    op.create_table(
        "endpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_endpoint"),
        sa.ForeignKeyConstraint(
            ["cluster"], ["cluster.identifier"], name="fk_endpoint_cluster_cluster", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("cluster", "identifier", name="uq_endpoint_cluster_identifier"),
        sa.UniqueConstraint("host", "port", name="uq_endpoint_host_port"),
    )
    op.create_table(
        "operation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
        sa.UniqueConstraint("identifier", name="uq_operation_identifier"),
    )
    op.create_index("ix_operation_status", "operation", ["status"])
    op.create_table(
        "operation_step",
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("operation", "position", name="pk_operation_step"),
        sa.ForeignKeyConstraint(
            ["operation"], ["operation.identifier"], name="fk_operation_step_operation_operation", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cluster", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("source_type", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_cluster_at", "event", ["cluster", "at"])
    op.create_index("ix_event_at", "event", ["at"])
