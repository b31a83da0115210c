"""Cut and put together again: any order, twice, never, damaged; never anything but the very bundle."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.evidence import parts as module
from edge.evidence.parts import LIST_TYPE, PART_TYPE, Assembler, Parcel, split
from tests.cases import EVENT_ID

TYPE = "application/vnd.stopline.evidence+age"
OTHER_ID = EVENT_ID[:-1] + "8"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def assembler(content: bytes, max_bytes: int = 10_000_000) -> Assembler:
    return Assembler(EVENT_ID, sha256(content), max_bytes=max_bytes)


def fed(target: Assembler, *parcels: Parcel) -> Assembler:
    for parcel in parcels:
        target.add(parcel)
    return target


def test_what_is_small_enough_travels_as_it_is() -> None:
    assert split(EVENT_ID, TYPE, b"x" * 100, 100) == (Parcel(0, TYPE, b"x" * 100),)


def test_what_is_larger_is_listed_and_cut() -> None:
    content = bytes(range(256)) * 10
    listed, *rest = split(EVENT_ID, TYPE, content, 1000)
    assert (listed.index, listed.content_type) == (0, LIST_TYPE)
    assert [(part.index, part.content_type, len(part.payload)) for part in rest] == [
        (1, PART_TYPE, 1000),
        (2, PART_TYPE, 1000),
        (3, PART_TYPE, 560),
    ]
    document = json.loads(listed.payload)
    assert document["event_id"] == EVENT_ID
    assert (document["content_type"], document["bytes"], document["sha256"]) == (TYPE, 2560, sha256(content))
    assert document["parts"][2] == {"index": 3, "bytes": 560, "sha256": sha256(rest[2].payload)}


@st.composite
def sendings(draw: st.DrawFn) -> tuple[bytes, list[Parcel]]:
    """A bundle and its parcels in any order, some of them more than once."""
    content = draw(st.binary(min_size=1, max_size=400))
    parcels = split(EVENT_ID, TYPE, content, draw(st.integers(1, 120)))
    again = draw(st.lists(st.sampled_from(parcels), max_size=10))
    return content, draw(st.permutations([*parcels, *again]))


@given(sendings())
def test_any_order_and_any_repetition_gives_the_whole(sending: tuple[bytes, list[Parcel]]) -> None:
    content, parcels = sending
    target = fed(assembler(content), *parcels)
    assert target.whole is not None
    assert (target.whole.data, target.whole.content_type) == (content, TYPE)
    assert target.reason == ""
    assert target.held_bytes == 0


@given(sendings(), st.data())
def test_what_never_comes_is_named_and_nothing_is_given(
    sending: tuple[bytes, list[Parcel]], data: st.DataObject
) -> None:
    content, parcels = sending
    lost = data.draw(st.sampled_from(parcels)).index
    target = fed(assembler(content), *(parcel for parcel in parcels if parcel.index != lost))
    assert target.whole is None
    assert target.reason
    if lost:
        assert f"missing: {lost}" in target.reason
    # It comes after all.
    fed(target, *(parcel for parcel in parcels if parcel.index == lost))
    assert target.whole is not None
    assert target.whole.data == content


@given(sendings(), st.data())
def test_a_damaged_parcel_never_gets_in(sending: tuple[bytes, list[Parcel]], data: st.DataObject) -> None:
    content, parcels = sending
    victim = data.draw(st.sampled_from(parcels))
    place = data.draw(st.integers(0, len(victim.payload) - 1))
    bad = bytearray(victim.payload)
    bad[place] ^= data.draw(st.integers(1, 255))
    damaged = Parcel(victim.index, victim.content_type, bytes(bad))
    target = fed(assembler(content), *(damaged if parcel.index == victim.index else parcel for parcel in parcels))
    # Where the damage is in the list of parts and harmless (in a size, which nothing depends on), all may be well.
    assert target.whole is None or target.whole.data == content
    if victim.index:
        assert target.whole is None
        assert f"part {victim.index} came damaged" in target.reason
    fed(target, *parcels)
    assert target.whole is not None
    assert target.whole.data == content


@given(st.lists(st.builds(Parcel, st.integers(0, 5), st.sampled_from([LIST_TYPE, PART_TYPE, TYPE]), st.binary())))
def test_whatever_comes_does_no_harm(parcels: list[Parcel]) -> None:
    content = b"the very bundle"
    target = fed(assembler(content, max_bytes=100), *parcels)
    assert target.whole is None or target.whole.data == content
    assert target.held_bytes <= 100
    assert fed(target, *split(EVENT_ID, TYPE, content, 100)).whole is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "stopline-evidence-parts/2"}, "cannot be read"),
        ({"event_id": OTHER_ID}, "cannot be read"),
        ({"parts": []}, "cannot be read"),
        ({"parts": "none"}, "cannot be read"),
        ({"parts": [{"index": 2, "bytes": 1, "sha256": "0" * 64}]}, "cannot be read"),
        ({"sha256": "0" * 64}, "not that of the event's bundle"),
    ],
)
def test_a_list_that_is_not_of_this_bundle_is_refused(change: dict[str, object], words: str) -> None:
    content = bytes(3000)
    listed, *rest = split(EVENT_ID, TYPE, content, 1000)
    wrong = Parcel(0, LIST_TYPE, json.dumps(json.loads(listed.payload) | change).encode())
    target = fed(assembler(content), wrong, *rest)
    assert target.whole is None
    assert words in fed(assembler(content), wrong).reason
    assert fed(target, listed).whole is not None


def test_a_list_whose_parts_make_something_else_gives_nothing() -> None:
    content = bytes(3000)
    listed, *_ = split(EVENT_ID, TYPE, content, 1000)
    other_list, *others = split(EVENT_ID, TYPE, bytes([1]) * 3000, 1000)
    document = json.loads(other_list.payload) | {"sha256": sha256(content)}
    target = fed(assembler(content), Parcel(0, LIST_TYPE, json.dumps(document).encode()), *others)
    assert target.whole is None
    assert "together they are not the event's bundle" in target.reason
    assert listed.payload


def test_a_whole_of_another_hash_is_not_given() -> None:
    target = fed(assembler(b"right"), Parcel(0, TYPE, b"wrong"))
    assert target.whole is None
    assert "its hash differs" in target.reason


def test_what_is_held_is_bounded_and_what_is_dropped_counted() -> None:
    content = bytes(range(250)) * 12
    listed, *rest = split(EVENT_ID, TYPE, content, 1000)
    target = fed(assembler(content, max_bytes=2000), *rest)
    assert (target.held_bytes, target.dropped) == (2000, 1)
    assert "more came for it than any bundle has" in fed(target, listed).reason


def test_the_number_of_parts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PARTS", 3)
    content = bytes(5)
    target = fed(assembler(content), *(Parcel(1, PART_TYPE, bytes([number])) for number in range(10)))
    assert (target.held_bytes, target.dropped) == (3, 7)


def test_reasons_are_short() -> None:
    content = bytes(range(256)) * 100
    listed, *_ = split(EVENT_ID, TYPE, content, 100)
    assert fed(assembler(content), listed).reason == (
        "256 of 256 parts are missing: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 246 more"
    )
    assert assembler(content).reason == "nothing of it has come"
