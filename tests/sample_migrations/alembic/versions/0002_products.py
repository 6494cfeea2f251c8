"""A table that uses each of the extensions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade():
    products = op.create_table(
        "products",
        sa.Column("id", postgresql.UUID(), server_default=sa.text("uuid_generate_v4()"), primary_key=True),
        sa.Column("code", postgresql.CITEXT(), nullable=False, unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attributes", postgresql.HSTORE(), server_default="", nullable=False),
        sa.Column("digest", postgresql.BYTEA(), sa.Computed("digest(name, 'sha256')", persisted=True)),
        sa.Column("kind", sa.Enum("good", "service", name="product_kind"), server_default="good", nullable=False),
    )
    op.create_index(
        "products_name", "products", ["name"], postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}
    )
    op.create_index("products_attributes", "products", ["attributes"], postgresql_using="gin")
    op.bulk_insert(products, [{"code": "Table", "name": "Café table", "attributes": {"colour": "green"}}])
    op.execute("UPDATE products SET name = 'Coffee table' WHERE code = 'TABLE' AND attributes -> 'colour' = 'green'")


def downgrade():
    op.drop_table("products")
    op.execute("DROP TYPE product_kind")
