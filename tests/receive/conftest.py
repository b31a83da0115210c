from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.receive.store import Store, open_store
from tests.broker import Mosquitto
from tests.receive.postgres import Postgres, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(params=["folder", "server"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new store of each kind: what is asked of one is asked of the other."""
    if request.param == "folder":
        return str(tmp_path / "store")
    if (why := missing()) is not None:
        pytest.skip(why)
    server: Postgres = request.getfixturevalue("server")
    return server.new_database()


@pytest.fixture
def store(where: str) -> Iterator[Store]:
    with open_store(where) as opened:
        yield opened
