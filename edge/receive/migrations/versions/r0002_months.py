"""What nodes count, by month."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of what nodes say of themselves."""
    op.create_table(
        "node_run",
        sa.Column("origin", sa.String(129), primary_key=True),
        sa.Column("run", sa.String(16), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "node_month",
        sa.Column("origin", sa.String(129), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
