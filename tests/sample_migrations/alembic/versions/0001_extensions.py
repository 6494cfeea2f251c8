"""The extensions."""

from alembic import op

revision = "0001"
down_revision = None
NAMES = ("uuid-ossp", "pgcrypto", "pg_trgm", "citext", "hstore")


def upgrade():
    for name in NAMES:
        op.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}"')


def downgrade():
    for name in NAMES:
        op.execute(f'DROP EXTENSION "{name}"')
