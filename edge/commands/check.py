"""``stopline check``: says what a site file holds, after every mistake in it would have been named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.config import load_site

if TYPE_CHECKING:
    from pathlib import Path


def describe_site(file: Path) -> dict[str, object]:
    """A site file in a few words; ConfigError with the line of the first mistake where it has one."""
    site = load_site(file)
    return {
        "site": site.site.id,
        "size_px": list(site.camera.size_px),
        "signal_groups": [group.id for group in site.signal_groups],
        "lanes": {
            lane.id: f"{lane.signal_group}, {lane.contact} contact, turn on red {lane.turn_on_red}"
            for lane in site.lanes
        },
        "grace_s": site.rule.grace_s,
        "calibrated": site.calibration is not None,
        "sha256": site.sha256,
    }
