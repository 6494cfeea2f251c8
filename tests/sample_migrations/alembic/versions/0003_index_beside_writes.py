"""An index that is made outside of a transaction."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("products_kind", "products", ["kind"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("products_kind", "products", postgresql_concurrently=True)
