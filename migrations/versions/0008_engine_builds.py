"""The PostgreSQL build that a cluster uses, and the locale of its databases."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns; clusters that exist sort by code point, and get their build when it is first needed."""
    for name, type_, default in (
        ("engine_build", sa.String(), ""),
        ("locale_provider", sa.String(length=32), "builtin"),
        ("locale_name", sa.String(), "C.UTF-8"),
    ):
        op.add_column("cluster", sa.Column(name, type_, nullable=False, server_default=sa.text(f"'{default}'")))
