"""The independent verifier comes to the node's verdict and figures for every passage of every recorded case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import events, passages, stopline
from tests.recordings import recordings

if TYPE_CHECKING:
    from tests.recordings import Replays

pytestmark = [pytest.mark.replay, pytest.mark.slow]


@pytest.mark.parametrize("recording", recordings())
def test_every_passage_is_judged_the_same_again(recording: str, replays: Replays) -> None:
    out = replays.of(recording)
    outcome = stopline("verify", "--tracks", out, "--json")
    assert outcome.json() == {"passages": len(passages(out)), "differing": []}
    assert outcome.code == 0


@pytest.mark.parametrize("recording", recordings())
def test_every_violation_is_whole_with_its_bundle(recording: str, replays: Replays) -> None:
    out = replays.of(recording)
    if not events(out):
        return
    outcome = stopline("verify", out / "events.jsonl", "--key", out / "node.pub.pem", "--json")
    found = {event["outcome"] for event in outcome.json()["events"]}
    assert found <= {"recomputed", "incomplete"}, outcome.out
    assert outcome.code == 0
