"""How late a fault makes things."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Faults that delay nothing have none."""
    op.add_column("fault", sa.Column("delay_ms", sa.Integer(), nullable=True))
