"""The keeper: a violation's case is on the disk before anything else, and its event waits for its bundle."""

from __future__ import annotations

import io
import json
import os
import tarfile
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge import event
from edge.errors import ModelError, NodeError, OutboxError
from edge.evidence.keeper import NO_ROOM, RESTARTED, CaseKeeper, Finished, Span
from edge.evidence.ring import PacketRing
from edge.outbox import Outbox
from edge.sources.video import open_video
from tests.evidence.keeping import CONFIRMED_NS, CROSSED_NS, SHORT, VIDEO, Unmasked, desk, early_case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import av

    from edge.evidence.masking import Sighting

SEEN_NS = 3_000_000_000


def filled_ring(max_bytes: int = 64_000_000) -> PacketRing:
    """A ring that has seen the first three seconds of a fixture."""
    ring = PacketRing(60.0, max_bytes)
    with open_video(VIDEO, tap=ring) as video:
        for frame in video:
            if frame.t_ns > SEEN_NS:
                break
    return ring


def document(sequence: int) -> dict[str, Any]:
    event_id = event.uuid7(time.time_ns() // 1_000_000, os.urandom(10))
    return event.build(early_case(), event_id=event_id, nonce=os.urandom(16), sequence=sequence)


def evidence_of(raw: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(raw)["data"]["evidence"]
    return said


def names_in(bundle: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as tar:
        return tar.getnames()


def kept(folder: Path, ring: PacketRing, masker: Unmasked | None = None, **limits: int) -> list[Finished]:
    """One violation taken and completed."""
    done: list[Finished] = []
    with Outbox(folder / "outbox.sqlite", **limits) as outbox:
        keeper = CaseKeeper(outbox, desk(), ring, SHORT, masker or Unmasked(), done.append)
        keeper.take(document, CROSSED_NS, CONFIRMED_NS)
        keeper.close()
        assert outbox.open_cases() == []
    return done


def test_the_event_names_its_bundle_and_the_bundle_holds_everything(tmp_path: Path) -> None:
    (finished,) = kept(tmp_path, filled_ring())
    said = evidence_of(finished.event)
    assert (said["missing"], said["seal"]) == ([], "none")
    assert said["warning"] == event.UNSEALED
    assert names_in(finished.sent) == [
        "manifest.json",
        "still-1.jpg",
        "still-1-data.jpg",
        "still-2.jpg",
        "still-2-data.jpg",
        "clip.mp4",
        "masks.csv",
        "track.csv",
        "lamps.csv",
        "site.toml",
        "origin.json",
    ]


def test_the_case_is_open_on_the_disk_until_its_pictures_are_there(tmp_path: Path) -> None:
    ring = PacketRing(60.0, 64_000_000)
    done: list[Finished] = []
    with open_video(VIDEO, tap=ring) as video, Outbox(tmp_path / "outbox.sqlite") as outbox:
        frames = iter(video)
        keeper = CaseKeeper(outbox, desk(), ring, SHORT, Unmasked(), done.append)
        while next(frames).t_ns < CONFIRMED_NS:
            pass
        keeper.take(document, CROSSED_NS, CONFIRMED_NS)
        time.sleep(0.3)
        assert len(outbox.open_cases()) == 1
        assert outbox.pending(10) == []
        while next(frames).t_ns < SEEN_NS:
            pass
        waited_s = 0.0
        while not done and waited_s < 30:
            time.sleep(0.05)
            waited_s += 0.05
        assert outbox.open_cases() == []
        assert [row.message.kind.value for row in outbox.pending(2)] == ["event", "evidence"]
        keeper.close()
    assert evidence_of(done[0].event)["missing"] == []


def test_what_a_dead_node_left_open_is_completed_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with Outbox(path) as outbox:
        keeper = CaseKeeper(outbox, desk(), PacketRing(60.0, 1_000_000), SHORT, Unmasked())
        keeper.take(document, CROSSED_NS, CONFIRMED_NS)
        assert len(outbox.open_cases()) == 1
        (left,) = outbox.open_cases()
        del keeper  # no picture ever comes
    done: list[Finished] = []
    with Outbox(path) as outbox:
        CaseKeeper(outbox, desk(), PacketRing(60.0, 1_000_000), SHORT, Unmasked(), done.append).close()
        assert outbox.open_cases() == []
    assert [one.event_id for one in done] == [left.id]
    assert evidence_of(done[0].event)["missing"] == [RESTARTED]
    assert "track.csv" in names_in(done[0].sent)


def test_an_overrun_ring_shortens_the_clip_and_the_event_says_so(tmp_path: Path) -> None:
    (finished,) = kept(tmp_path, filled_ring(max_bytes=50_000))
    assert any("bytes of memory" in sentence for sentence in evidence_of(finished.event)["missing"])


def test_a_detector_that_fails_leaves_no_picture_unmasked(tmp_path: Path) -> None:
    class Broken(Unmasked):
        def look(self, t_ns: int, frame: av.VideoFrame) -> Sighting:  # noqa: ARG002
            raise ModelError("the model cannot run")

    (finished,) = kept(tmp_path, filled_ring(), Broken())
    assert evidence_of(finished.event)["missing"] == ["There are no pictures: the model cannot run."]
    assert not any(name.endswith((".jpg", ".mp4")) for name in names_in(finished.sent))


def test_where_pictures_do_not_fit_the_event_comes_without(tmp_path: Path) -> None:
    (finished,) = kept(tmp_path, filled_ring(), max_bytes=100_000)
    assert evidence_of(finished.event)["missing"] == [NO_ROOM]


def test_a_full_outbox_takes_no_new_case_and_keeps_what_it_has(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.sqlite", max_bytes=100_000) as outbox:
        keeper = CaseKeeper(outbox, desk(), filled_ring(), SHORT, Unmasked())
        keeper.take(document, CROSSED_NS, CONFIRMED_NS)
        refused = 0
        for _ in range(10):
            try:
                keeper.take(document, CROSSED_NS, CONFIRMED_NS)
            except OutboxError as error:
                assert "full" in str(error)  # noqa: PT017 - how many are taken before depends on the thread
                refused += 1
        assert refused
        keeper.close()
        numbers = [
            json.loads(row.message.payload)["sequence"] for row in outbox.pending(1000, after=0) if is_event(row)
        ]
    assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
    assert numbers


def is_event(row: Any) -> bool:
    return bool(row.message.kind.value == "event")


def test_a_keeper_that_has_failed_takes_no_more_without_a_word(tmp_path: Path) -> None:
    def failing(_: Finished) -> None:
        raise RuntimeError("nobody thought of this")

    with Outbox(tmp_path / "outbox.sqlite") as outbox:
        keeper = CaseKeeper(outbox, desk(), filled_ring(), SHORT, Unmasked(), failing)
        keeper.take(document, CROSSED_NS, CONFIRMED_NS)
        with pytest.raises(RuntimeError):
            keeper.close()
        with pytest.raises(NodeError, match=r"the evidence thread failed .*nobody thought of this"):
            keeper.check()
        with pytest.raises(NodeError, match="evidence"):
            keeper.take(document, CROSSED_NS, CONFIRMED_NS)
        assert len(outbox.open_cases()) == 1


@pytest.mark.parametrize("of_the_node", [0, 15])
def test_the_keeper_gives_way_to_the_judging(tmp_path: Path, of_the_node: int) -> None:
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    nice: list[int] = []

    def look(_: Finished) -> None:
        nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    def node() -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(own, of_the_node))
        with Outbox(tmp_path / "outbox.sqlite") as outbox:
            keeper = CaseKeeper(outbox, desk(), filled_ring(), SHORT, Unmasked(), look)
            keeper.take(document, CROSSED_NS, CONFIRMED_NS)
            keeper.close()

    thread = threading.Thread(target=node)
    thread.start()
    thread.join()
    assert nice == [max(10, own, of_the_node)]


def test_evidence_is_made_even_without_leave_to_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    (finished,) = kept(tmp_path, filled_ring())
    assert evidence_of(finished.event)["missing"] == []


def test_the_same_case_and_video_give_the_same_bundle(tmp_path: Path) -> None:
    fixed = document(1)
    make: Callable[[int], dict[str, Any]] = lambda _: fixed  # noqa: E731
    bundles = []
    for turn in ("first", "second"):
        done: list[Finished] = []
        with Outbox(tmp_path / f"{turn}.sqlite") as outbox:
            keeper = CaseKeeper(outbox, desk(), filled_ring(), SHORT, Unmasked(), done.append)
            keeper.take(make, CROSSED_NS, CONFIRMED_NS)
            keeper.close()
        bundles.append(done[0].sent)
    assert bundles[0] == bundles[1]


def test_a_wider_span_makes_a_longer_clip(tmp_path: Path) -> None:
    def clip_of(folder: str, span: Span) -> float:
        done: list[Finished] = []
        (tmp_path / folder).mkdir()
        with Outbox(tmp_path / folder / "outbox.sqlite") as outbox:
            keeper = CaseKeeper(outbox, desk(), filled_ring(), span, Unmasked(), done.append)
            keeper.take(document, CROSSED_NS, CONFIRMED_NS)
            keeper.close()
        with tarfile.open(fileobj=io.BytesIO(done[0].sent)) as tar:
            manifest = tar.extractfile("manifest.json")
            assert manifest is not None
            clip = json.load(manifest)["clip"]
        return float(clip["to_s"] - clip["from_s"])

    assert clip_of("wide", replace(SHORT, before_s=1.6)) - clip_of("short", SHORT) == pytest.approx(1.0, abs=0.09)
