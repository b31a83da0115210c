"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table of the first version."""
    op.create_table(
        "leaf",
        sa.Column("origin", sa.String(129), primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("event_id", sa.String(100), unique=True),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("erased_ms", sa.BigInteger),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.String(100), primary_key=True),
        sa.Column("origin", sa.String(129), nullable=False),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("time", sa.String(27)),
        sa.Column("lane", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("bundle_sha256", sa.String(64)),
        sa.Column("bundle_seal", sa.String(8)),
        sa.Column("bundle_parts", sa.Integer),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("event_by_place", "event", ["origin", "place"])
    op.create_index("event_by_time", "event", ["received_ms"])
    op.create_table(
        "bundle",
        sa.Column("event_id", sa.String(100), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("content_type", sa.String(200), nullable=False),
        sa.Column("payload", sa.LargeBinary),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "part",
        sa.Column("event_id", sa.String(100), primary_key=True),
        sa.Column("origin", sa.String(129), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("content_type", sa.String(200), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("part_by_time", "part", ["received_ms"])
    op.create_table(
        "checkpoint",
        sa.Column("origin", sa.String(129), primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary(32), primary_key=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "refusal",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("topic", sa.String(1000), nullable=False),
        sa.Column("event_id", sa.String(100)),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("sha256", "why", name="refusal_once"),
    )
    op.create_table(
        "memory",
        sa.Column("name", sa.String(50), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
