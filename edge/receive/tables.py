"""The tables of a receiver's store, the same in SQLite and PostgreSQL. The migrations make them; a test compares both.

``leaf`` is what is known for ever of every event that came: its place and leaf hash. ``event`` and ``bundle`` are what
can be erased. ``node_month`` is what each node counted in each month, ``node_run`` the last that it said at each of its
latest starts; neither tells of any one vehicle. Times are milliseconds of UTC since 1970.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, UniqueConstraint

metadata = MetaData()

_ORIGIN = String(129)
_ID = String(100)
_SHA256 = String(64)

leaf = Table(
    "leaf",
    metadata,
    Column("origin", _ORIGIN, primary_key=True),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
    Column("event_id", _ID, unique=True),  # gone when the event is erased: it tells when the event was
    Column("received_ms", BigInteger, nullable=False),
    Column("erased_ms", BigInteger),
)

event = Table(
    "event",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("origin", _ORIGIN, nullable=False),
    Column("place", BigInteger, nullable=False),
    Column("kid", String(64), nullable=False),
    Column("time", String(27)),
    Column("lane", String(64), nullable=False),
    Column("sha256", _SHA256, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("bundle_sha256", _SHA256),
    Column("bundle_seal", String(8)),
    Column("bundle_parts", Integer),
    Column("received_ms", BigInteger, nullable=False),
    Index("event_by_place", "origin", "place"),
    Index("event_by_time", "received_ms"),
)

bundle = Table(
    "bundle",
    metadata,
    Column("event_id", _ID, primary_key=True),
    Column("sha256", _SHA256, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("content_type", String(200), nullable=False),
    Column("payload", LargeBinary),  # none where it is a file
    Column("received_ms", BigInteger, nullable=False),
)

part = Table(
    "part",
    metadata,
    Column("event_id", _ID, primary_key=True),
    Column("origin", _ORIGIN, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sha256", _SHA256, primary_key=True),
    Column("bytes", Integer, nullable=False),
    Column("content_type", String(200), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Index("part_by_time", "received_ms"),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("origin", _ORIGIN, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)

refusal = Table(
    "refusal",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("sha256", _SHA256, nullable=False),
    Column("why", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("topic", String(1000), nullable=False),
    Column("event_id", _ID),
    Column("payload", LargeBinary, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    UniqueConstraint("sha256", "why", name="refusal_once"),
)

node_run = Table(
    "node_run",
    metadata,
    Column("origin", _ORIGIN, primary_key=True),
    Column("run", String(16), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

node_month = Table(
    "node_month",
    metadata,
    Column("origin", _ORIGIN, primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

memory = Table(
    "memory",
    metadata,
    Column("name", String(50), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
