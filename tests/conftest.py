"""What every test shares: how hypothesis searches, and the recordings."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A loaded machine is slow without being wrong, so no deadline; where CI runs, the same examples every time.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

pytest_plugins = ["tests.recordings"]
