"""The verifier's crossings and verdicts, written anew from the pages, are those of the node, whatever a track does."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import verify
from edge.commands.verify import as_event_data
from edge.config import Site
from edge.results import track_line
from tests.core.motion import dice
from tests.verify.judged import CALIBRATION, SITE, drive, judged, lamps

SITES = {
    "behind": SITE,
    "front": SITE.replace('"rear"', '"front"'),
    "turn": SITE.replace('"rear"', '"front"\nturn_on_red = "allowed"'),
    "calibrated": SITE + CALIBRATION,
    "short": SITE
    + "\n[rule]\nvehicle_length_m = 2.5\ngrace_s = 0.3\ndwell_s = 0.2\nconfirm_within_s = 1.0\n"
    + CALIBRATION,
}


@pytest.mark.parametrize("name", SITES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), onset_s=st.floats(8.0, 16.0), amber_s=st.sampled_from([2.5, 3.0]))
def test_both_find_the_same_passage_and_give_the_same_verdict(
    name: str, seed: int, onset_s: float, amber_s: float
) -> None:
    toml = tomllib.loads(SITES[name])
    track = drive(dice(seed))
    edges = lamps(round(onset_s, 3), amber_s)
    theirs = judged(Site.model_validate(toml), track, edges)
    rows = [{"t_s": e.t_ns / 1e9, "group": e.group, "lamp": e.lamp.value, "lit": str(int(e.lit))} for e in edges]
    if theirs is None:
        settings_of_lane = verify.settings(toml, "through")
        assert verify.find_passage({**settings_of_lane, "track": track}) is None
        return
    data = as_event_data(json.loads(track_line(theirs)), toml, rows)
    assert verify.differences(data) == []


def test_the_tracks_that_are_tried_lead_to_most_verdicts() -> None:
    site = Site.model_validate(tomllib.loads(SITES["turn"]))
    verdicts = set()
    for seed in range(400):
        found = judged(site, drive(dice(seed)), lamps(8.0 + seed % 9, 2.5 if seed % 10 == 0 else 3.0))
        verdicts.add(found and found.judgement.verdict.value)
    assert verdicts >= {None, "violation", "on_green", "on_amber", "within_grace", "turn_permitted", "doubtful_track"}
