"""Every violation of every fixture has its bundle, and what the bundle shows is what the event says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge.records import NS_PER_S
from edge.sources.video import open_video
from tests.command import events, stopline
from tests.evidence.bundles import check
from tests.recordings import Recording, recordings

if TYPE_CHECKING:
    from tests.recordings import Replays

pytestmark = [pytest.mark.replay, pytest.mark.slow]


@pytest.mark.parametrize("recording", recordings())
def test_every_violation_has_its_bundle(recording: str, replays: Replays) -> None:
    out = replays.of(recording)
    told = events(out)
    with open_video(Recording(recording).video) as video:
        times_s = [frame.t_ns / NS_PER_S for frame in video]
    for event in told:
        check(event, out, (times_s[0], times_s[-1]))
    bundles = out / "evidence"
    assert len(told) == (len(list(bundles.iterdir())) if bundles.exists() else 0)
    if told:
        outcome = stopline("verify", out / "events.jsonl", "--key", out / "node.pub.pem")
        assert outcome.code == 0, outcome.out
        assert f"{len(told)} of {len(told)} events are intact" in outcome.out
