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


# Fixtures of the whole session that take long to set up: all modules that want one run in the same process.
LONG_SET_UP = {"replays": "replays", "first": "replays", "archive": "archive", "replayed_sealed": "archive"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module's tests stay in one process, since they share what is set up for them."""
    module = {item: item.nodeid.partition("::")[0] for item in items}
    together = {
        module[item]: group
        for item in items
        for fixture, group in LONG_SET_UP.items()
        if fixture in getattr(item, "fixturenames", ())
    }
    for item in items:
        item.add_marker(pytest.mark.xdist_group(together.get(module[item], module[item])))
