"""What every test shares: how hypothesis searches, and which tests stay together where several processes run them."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is slow without being wrong, so no deadline; where CI runs, the same examples every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

pytest_plugins = ["tests.recordings"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests in one process, since they share what is set up for them; in one, too, all that want replays."""
    for item in items:
        shares = "replays" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("replays" if shares else item.nodeid.partition("::")[0]))
