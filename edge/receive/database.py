"""The engine under a store: SQLite in a folder or a PostgreSQL server, brought to the tables of today.

What is said to both alike, and what their dialects say differently, is here.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import create_engine, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from edge.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine, Table

DATABASE: Final = "events.sqlite"
CHUNK: Final = 500

_Item = TypeVar("_Item")

_BUSY_S = 30
_MIGRATIONS = Path(__file__).with_name("migrations")
_IN_TURN = threading.Lock()  # Alembic keeps its context in the module: one thread at a time
_MIGRATING = 0x53544F50_4D494752  # the advisory lock that lets one receiver at a time change the tables


def is_server(store: str) -> bool:
    """Whether a store is a server's address, not a folder."""
    return store.startswith(("postgresql://", "postgres://"))


def open_server(address: str) -> Engine:
    """A PostgreSQL server with the tables of today. Raises StoreError."""
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise StoreError(
            f"{address.partition('@')[2] or 'The store'} is no PostgreSQL address: write postgresql://USER@HOST/DATABASE"
        ) from None
    engine = create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    _migrate(engine)
    return engine


def open_folder(folder: Path) -> Engine:
    """SQLite in a folder, made if absent, with the tables of today. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made ({error.strerror}): give a folder this user may write") from None
    engine = create_engine(f"sqlite:///{folder / DATABASE}", connect_args={"timeout": _BUSY_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    _migrate(engine)
    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Any failure of the database as a StoreError."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
        raise StoreError(f"The store cannot do its part ({cause[0][:200]}): see that it runs and has room") from error


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with _IN_TURN, translated(), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except StoreError:
        engine.dispose()  # no connection is left to be found open
        raise
    except CommandError:
        engine.dispose()
        raise StoreError("The store was made by a newer version of this program: use that, or renew this one") from None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Durable on commit, erased bytes overwritten; transactions begin where ``_begin_sqlite`` says so."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once, so that several receivers of one folder wait for each other in turn."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def inserted(connection: Connection, table: Table, rows: list[dict[str, Any]], returned: Any = None) -> list[Any]:
    """Insert the rows that contradict none that is there; gives ``returned`` of those that were inserted."""
    if not rows:
        return []
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table).on_conflict_do_nothing()
    if returned is None:
        connection.execute(query, rows)
        return []
    return list(connection.scalars(query.returning(returned), rows))


def chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """The items in runs that are short enough for one statement."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
