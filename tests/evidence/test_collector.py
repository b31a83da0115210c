"""What a reader keeps: events and whole bundles as files, everything else as a word about it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from edge.errors import EvidenceError
from edge.evidence import collector as module
from edge.evidence.collector import Collector
from edge.evidence.parts import Parcel, split
from edge.evidence.seal import SEALED_TYPE
from tests.cases import EVENT_ID

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = bytes(range(250)) * 20
PARCELS = split(EVENT_ID, SEALED_TYPE, CONTENT, 1000)
RAW = b'{"an":"event"}'


def evidence(content: bytes = CONTENT, seal: str = "age") -> dict[str, object]:
    return {"sent_sha256": hashlib.sha256(content).hexdigest(), "seal": seal}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_event_and_bundle_are_kept_beside_each_other(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "new" / "folder")
    collector.event(EVENT_ID, RAW, evidence())
    assert collector.waiting
    for parcel in PARCELS:
        assert collector.take_receipts() == []
        collector.parcel(EVENT_ID, parcel)
    (receipt,) = collector.take_receipts()
    file = tmp_path / "new" / "folder" / f"{EVENT_ID}.tar.age"
    assert (receipt.complete, receipt.words, receipt.file) == (True, "evidence complete", file)
    assert file.read_bytes() == CONTENT
    assert names(file.parent) == [f"{EVENT_ID}.json", f"{EVENT_ID}.tar.age"]
    assert not collector.waiting
    assert collector.finish() == []


def test_evidence_may_come_before_its_event_and_again_afterwards(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    for parcel in reversed(PARCELS):
        collector.parcel(EVENT_ID, parcel)
    assert names(tmp_path) == []
    assert not collector.waiting
    collector.event(EVENT_ID, RAW, evidence())
    assert [one.complete for one in collector.take_receipts()] == [True]
    collector.event(EVENT_ID, RAW, evidence())
    for parcel in PARCELS:
        collector.parcel(EVENT_ID, parcel)
    assert collector.finish() == []


def test_a_bundle_that_is_not_sealed_is_a_plain_tar(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    collector.event(EVENT_ID, RAW, evidence(b"tar", "none"))
    collector.parcel(EVENT_ID, Parcel(0, "application/x-tar", b"tar"))
    assert names(tmp_path) == [f"{EVENT_ID}.json", f"{EVENT_ID}.tar"]


def test_what_is_missing_is_told_and_no_part_of_it_is_kept(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    collector.event(EVENT_ID, RAW, evidence())
    for parcel in PARCELS[:3]:
        collector.parcel(EVENT_ID, parcel)
    (receipt,) = collector.finish()
    assert not receipt.complete
    assert receipt.words == "evidence incomplete: 3 of 5 parts are missing: 3, 4, 5"
    assert names(tmp_path) == [f"{EVENT_ID}.json"]


def test_evidence_of_another_hash_is_told_and_not_kept(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    collector.event(EVENT_ID, RAW, evidence(b"something else"))
    for parcel in PARCELS:
        collector.parcel(EVENT_ID, parcel)
    (receipt,) = collector.finish()
    assert "its hash differs" in receipt.words
    assert names(tmp_path) == [f"{EVENT_ID}.json"]


def test_evidence_without_a_verified_event_is_never_kept(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    collector.parcel("../../etc/passwd", Parcel(0, SEALED_TYPE, b"x"))
    (receipt,) = collector.finish()
    assert receipt.words == "evidence incomplete: its event has not come, or did not verify"
    assert names(tmp_path) == []


def test_an_event_without_evidence_says_so(tmp_path: Path) -> None:
    collector = Collector(tmp_path)
    collector.event(EVENT_ID, RAW, None)
    (receipt,) = collector.take_receipts()
    assert (receipt.complete, receipt.words) == (False, "the event names no evidence")
    assert names(tmp_path) == [f"{EVENT_ID}.json"]


def test_memory_is_bounded_and_the_oldest_is_given_up(tmp_path: Path) -> None:
    collector = Collector(tmp_path, max_bytes=2500)
    for number in range(4):
        collector.event(f"e{number}", RAW, evidence())
        collector.parcel(f"e{number}", PARCELS[1])
    given_up = collector.take_receipts()
    assert [one.event_id for one in given_up] == ["e0", "e1"]
    assert not any(one.complete for one in given_up)
    # What is left is still completed.
    for parcel in split("e3", SEALED_TYPE, CONTENT, 5000):
        collector.parcel("e3", parcel)
    assert [one.event_id for one in collector.take_receipts() if one.complete] == ["e3"]


def test_the_number_of_open_events_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_OPEN", 3)
    collector = Collector(tmp_path)
    for number in range(5):
        collector.parcel(f"e{number}", Parcel(1, "x", b""))
    assert [one.event_id for one in collector.take_receipts()] == ["e0", "e1"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(EvidenceError, match="cannot be written"):
        Collector(in_the_way / "folder")
    collector = Collector(tmp_path / "folder")
    (tmp_path / "folder").rmdir()
    with pytest.raises(EvidenceError, match="cannot be written"):
        collector.event(EVENT_ID, RAW, evidence())
