"""The node's parts around the pure core: lamps by time, numbering, events as they go into the outbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from edge import event
from edge.approach import Judged
from edge.clock import UtcMapping
from edge.keys import trust
from edge.node import EventsAlone, Identity, QueuedLamps, Recorder
from edge.outbox import Outbox
from edge.records import Judgement, Lamp, LampEdge, Phase, Verdict
from tests.cases import SITE, case, signing_key

if TYPE_CHECKING:
    from pathlib import Path

_TOPIC = "stopline/v1/main-and-3rd/edge-1/event/violation"


def test_lamps_are_given_once_and_not_before_their_time() -> None:
    edges = [LampEdge(t_ns, "north", Lamp.RED, lit=True) for t_ns in (-5, 10, 10, 30)]
    lamps = QueuedLamps(edges)
    assert list(lamps.until(9)) == edges[:1]
    assert list(lamps.until(10)) == edges[1:3]
    assert list(lamps.until(29)) == []
    assert list(lamps.until(1000)) == edges[3:]


def _recorder(outbox: Outbox, utc: UtcMapping | None) -> Recorder:
    identity = Identity("edge-1", signing_key(), "a7" * 32)
    return Recorder(SITE, identity, EventsAlone(outbox, signing_key(), _TOPIC, lambda _id, _raw: None), lambda: utc)


def _recorded(folder: Path, utc: UtcMapping | None, *verdicts: Verdict) -> list[bytes]:
    """The events of passages judged so, as they wait in the outbox."""
    with Outbox(folder / "outbox.sqlite") as outbox:
        recorder = _recorder(outbox, utc)
        for verdict in verdicts:
            recorder.record(_judged(verdict))
        assert recorder.verdicts.total() == len(verdicts)
        waiting = outbox.pending(10)
    assert {row.message.topic for row in waiting} <= {_TOPIC}
    return [row.message.payload for row in waiting]


def _judged(verdict: Verdict) -> Judged:
    violation = case()
    if verdict is Verdict.VIOLATION:
        return Judged(violation.passage, violation.judgement, violation.lamp_edges)
    return Judged(violation.passage, Judgement(verdict, Phase.GREEN, None, None, None, {}, None), ())


def test_only_a_violation_becomes_an_event_and_every_passage_counts(tmp_path: Path) -> None:
    raws = _recorded(tmp_path, None, Verdict.ON_GREEN, Verdict.VIOLATION, Verdict.ON_GREEN)
    assert len(raws) == 1
    assert json.loads(raws[0])["data"]["evidence"] is None


def test_events_are_signed_numbered_and_stamped(tmp_path: Path) -> None:
    raws = _recorded(tmp_path, UtcMapping(1_749_880_800_000_000_000, 12.5), *[Verdict.VIOLATION] * 3)
    key = signing_key().public
    checked = [event.verify(raw, trust(key)) for raw in raws]
    assert [one.sequence for one in checked] == [1, 2, 3]
    assert len({one.id for one in checked}) == 3
    crossed = datetime(2025, 6, 14, 6, tzinfo=UTC) + timedelta(microseconds=round(case().passage.t_cross_ns / 1000))
    assert {datetime.fromisoformat(one.time or "") for one in checked} == {crossed}


def test_a_recording_without_a_stated_start_claims_no_time(tmp_path: Path) -> None:
    (raw,) = _recorded(tmp_path, None, Verdict.VIOLATION)
    assert "time" not in json.loads(raw)
    assert json.loads(raw)["data"]["clock"] == {"basis": "recording", "utc_bound_ms": None}
