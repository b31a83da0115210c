"""A copy of a ledger of 200 events, tampered with at every place: each fault is named by its kind and its event."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ledger.audit import Audit, Known, audit
from edge.ledger.findings import Fault
from tests.ledger.ledgers import changed, checkpoint_of, entries, leaves, ledger, signed_event, uuid_of

SIZE = 200
EVENTS = ledger(SIZE)
LEAVES = leaves(EVENTS)
LAST = checkpoint_of(EVENTS)
KNOWLEDGE = {
    "leaf hashes": Known((LAST,), LEAVES),
    "a checkpoint for each event": Known(tuple(checkpoint_of(EVENTS, size) for size in range(1, SIZE + 1))),
    "a checkpoint for each ten events": Known(tuple(checkpoint_of(EVENTS, size) for size in range(10, SIZE + 1, 10))),
    "one checkpoint": Known((LAST,)),
}
PLACES = range(SIZE)
Named = set[tuple[Fault, int | None, str]]


@pytest.fixture(params=KNOWLEDGE)
def known(request: pytest.FixtureRequest) -> Known:
    return KNOWLEDGE[request.param]


def named(found: Audit) -> Named:
    return {(finding.fault, finding.index, finding.id) for finding in found.findings}


def judged(lines: list[bytes], known: Known) -> Audit:
    return audit(entries(lines), known)


def test_the_copy_as_it_was_logged_is_sound(known: Known) -> None:
    found = judged([*EVENTS], known)
    assert found.sound
    assert found.confirmed == frozenset(PLACES)
    assert not found.uncovered
    assert not found.unconfirmed


def test_each_dropped_event_is_named(known: Known) -> None:
    for place in PLACES:
        found = judged([*EVENTS[:place], *EVENTS[place + 1 :]], known)
        assert named(found) == {(Fault.DROPPED, place, "")}, place
        assert found.findings[0].words.startswith(f"event {place + 1} is missing")
        if place:
            assert uuid_of(place - 1) in found.findings[0].words or place == SIZE - 1


def test_each_inserted_line_that_the_node_never_signed_is_named(known: Known) -> None:
    for place in range(SIZE + 1):
        near = min(place, SIZE - 1)
        forged = changed(signed_event(700 + near, near))
        found = judged([*EVENTS[:place], forged, *EVENTS[place:]], known)
        assert named(found) == {(Fault.INSERTED, near, uuid_of(700 + near))}, place
        assert found.confirmed == frozenset(PLACES)


def test_each_inserted_line_that_is_signed_with_another_key_is_named(known: Known) -> None:
    for place in PLACES:
        forged = signed_event(700 + place, place, secret=0xBAD)
        found = judged([*EVENTS[:place], forged, *EVENTS[place:]], known)
        assert named(found) == {(Fault.INSERTED, place, uuid_of(700 + place))}, place


def test_each_inserted_event_that_the_nodes_own_key_signed_is_named(known: Known) -> None:
    """Before or behind the true one."""
    for place in PLACES:
        forged = signed_event(700 + place, place)
        for at in (place, place + 1):
            found = judged([*EVENTS[:at], forged, *EVENTS[at:]], known)
            assert named(found) == {(Fault.INSERTED, place, uuid_of(700 + place))}, place
            assert found.confirmed == frozenset(PLACES)


def test_each_inserted_line_that_is_no_event_is_named(known: Known) -> None:
    for place in range(SIZE + 1):
        found = judged([*EVENTS[:place], b"no event", *EVENTS[place:]], known)
        assert named(found) == {(Fault.INSERTED, None, "")}, place
        assert found.findings[0].line == place + 1


@pytest.mark.parametrize("distance", [1, 2, 50, 199])
def test_each_swap_is_named(known: Known, distance: int) -> None:
    for place in range(SIZE - distance):
        lines = [*EVENTS]
        lines[place], lines[place + distance] = lines[place + distance], lines[place]
        found = judged(lines, known)
        assert named(found) == {
            (Fault.REORDERED, place, uuid_of(place)),
            (Fault.REORDERED, place + distance, uuid_of(place + distance)),
        }, place
        assert found.confirmed == frozenset(PLACES)


@pytest.mark.parametrize("distance", [2, 50])
def test_each_event_moved_elsewhere_is_named(known: Known, distance: int) -> None:
    for place in range(SIZE - distance):
        lines = [*EVENTS]
        lines.insert(place + distance, lines.pop(place))
        assert named(judged(lines, known)) == {(Fault.REORDERED, place, uuid_of(place))}, place


def test_each_replayed_event_is_named_wherever_it_stands_again(known: Known) -> None:
    for place in PLACES:
        for at in {0, place, SIZE}:
            found = judged([*EVENTS[:at], EVENTS[place], *EVENTS[at:]], known)
            assert named(found) == {(Fault.REPLAYED, place, uuid_of(place))}, (place, at)
            assert found.confirmed == frozenset(PLACES)


def test_each_replay_in_the_place_of_another_event_is_named_with_it(known: Known) -> None:
    for place in range(SIZE - 1):
        lines = [*EVENTS]
        lines[place + 1] = lines[place]
        expected: Named = {(Fault.REPLAYED, place, uuid_of(place)), (Fault.DROPPED, place + 1, "")}
        assert named(judged(lines, known)) == expected, place


def test_each_event_rewritten_after_it_was_signed_is_named(known: Known) -> None:
    for place in PLACES:
        lines = [*EVENTS]
        lines[place] = changed(lines[place])
        assert named(judged(lines, known)) == {(Fault.REWRITTEN, place, uuid_of(place))}, place


def test_each_event_damaged_beyond_reading_is_named(known: Known) -> None:
    for place in PLACES:
        lines = [*EVENTS]
        lines[place] = lines[place][:-1]
        [finding] = judged(lines, known).findings
        assert (finding.fault, finding.index, finding.line) == (Fault.REWRITTEN, place, place + 1)


@pytest.mark.parametrize("name", ["leaf hashes", "a checkpoint for each event"])
def test_each_event_rewritten_with_the_nodes_own_key_is_named(name: str) -> None:
    for place in PLACES:
        lines = [*EVENTS]
        lines[place] = signed_event(place, place, salt=1)
        found = judged(lines, KNOWLEDGE[name])
        assert named(found) == {(Fault.REWRITTEN, place, uuid_of(place))}, place
        assert place not in found.confirmed


@pytest.mark.parametrize(("name", "every"), [("a checkpoint for each ten events", 10), ("one checkpoint", SIZE)])
def test_checkpoints_far_apart_still_show_between_which_an_event_was_rewritten_with_the_nodes_key(
    name: str, every: int
) -> None:
    for place in PLACES:
        lines = [*EVENTS]
        lines[place] = signed_event(place, place, salt=1)
        found = judged(lines, KNOWLEDGE[name])
        start = place - place % every
        assert named(found) == {(Fault.REWRITTEN, None, "")}, place
        words = f"at least one of the events {start + 1} ({uuid_of(start)}) to {start + every} "
        assert found.findings[0].words.startswith(words)
        assert found.confirmed == frozenset(range(start))
        assert found.unconfirmed == tuple(range(start, SIZE))


def test_a_swap_with_new_numbers_and_signatures_is_two_rewritten_events() -> None:
    for place in range(SIZE - 1):
        lines = [*EVENTS]
        lines[place], lines[place + 1] = signed_event(place + 1, place), signed_event(place, place + 1)
        assert named(judged(lines, KNOWLEDGE["leaf hashes"])) == {
            (Fault.REWRITTEN, place, uuid_of(place + 1)),
            (Fault.REWRITTEN, place + 1, uuid_of(place)),
        }


def test_a_cut_end_is_named_event_by_event(known: Known) -> None:
    found = judged([*EVENTS[:-3]], known)
    assert named(found) == {(Fault.DROPPED, place, "") for place in (197, 198, 199)}
    assert "dropped, or has not come yet" in found.findings[0].words


def test_an_absurd_number_signed_by_the_node_costs_no_more_than_any_other() -> None:
    far = 10**15
    found = judged([*EVENTS, signed_event(300, far)], KNOWLEDGE["leaf hashes"])
    assert {finding.fault for finding in found.findings} == {Fault.DROPPED}
    assert found.findings[-1].words == f"events 10201 to {far} are missing: {far - 10_200} events"
    assert found.confirmed == frozenset(PLACES)


def test_an_event_that_no_checkpoint_counts_yet_is_no_fault(known: Known) -> None:
    found = judged([*EVENTS, signed_event(SIZE, SIZE)], known)
    assert found.sound
    assert found.uncovered == (SIZE,)


def test_without_any_checkpoint_faults_in_the_copy_itself_are_named() -> None:
    lines = [*EVENTS[:20]]
    lines[4] = changed(lines[4])
    del lines[10]
    lines[12], lines[15] = lines[15], lines[12]
    found = judged([*lines, lines[2], signed_event(700, 7)], Known())
    assert named(found) == {
        (Fault.REWRITTEN, 4, uuid_of(4)),
        (Fault.DROPPED, 10, ""),
        (Fault.REORDERED, 13, uuid_of(13)),
        (Fault.REORDERED, 16, uuid_of(16)),
        (Fault.REPLAYED, 2, uuid_of(2)),
        (Fault.INSERTED, 7, uuid_of(700)),
    }
    assert not found.confirmed


def test_an_erased_event_leaves_its_place_and_the_others_as_they_were() -> None:
    found = judged([*EVENTS[:50], *EVENTS[51:]], Known((LAST,), LEAVES, frozenset({50})))
    assert found.sound
    assert found.erased == (50,)
    assert found.confirmed == frozenset(PLACES) - {50}


def test_a_claim_of_erasure_needs_the_leaf_hash() -> None:
    found = judged([*EVENTS[:50], *EVENTS[51:]], Known((LAST,), (), frozenset({50})))
    assert named(found) == {(Fault.DROPPED, 50, "")}


def test_leaf_hashes_that_lead_to_no_signed_root_are_not_believed() -> None:
    lines = [*EVENTS]
    lines[30] = signed_event(30, 30, salt=1)
    forged = (*LEAVES[:30], leaves((lines[30],))[0], *LEAVES[31:])
    found = judged(lines, Known((LAST,), forged))
    assert [finding.fault for finding in found.findings] == [Fault.REWRITTEN]
    assert not found.confirmed


def test_leaf_hashes_count_as_far_as_they_lead() -> None:
    lines = [*EVENTS]
    lines[30] = signed_event(30, 30, salt=1)
    found = judged(lines, Known((checkpoint_of(EVENTS, 100), LAST), LEAVES[:100]))
    assert named(found) == {(Fault.REWRITTEN, 30, uuid_of(30))}
    assert found.confirmed == frozenset(PLACES) - {30}


def test_several_clashes_before_one_checkpoint_are_told_apart() -> None:
    lines = [*EVENTS]
    for place in (20, 90, 150):
        lines.insert(lines.index(EVENTS[place]) + place % 2, signed_event(700 + place, place))
    found = judged(lines, KNOWLEDGE["one checkpoint"])
    assert named(found) == {(Fault.INSERTED, place, uuid_of(700 + place)) for place in (20, 90, 150)}
    assert found.confirmed == frozenset(PLACES)


def test_clashes_that_no_checkpoint_tells_apart_are_said_to_be_unclear() -> None:
    found = judged([*EVENTS[:5], signed_event(705, 4)], Known())
    [finding] = found.findings
    assert (finding.fault, finding.index, finding.id) == (Fault.INSERTED, 4, uuid_of(705))
    assert "no checkpoint tells which is the true one" in finding.words


def test_two_checkpoints_of_one_size_are_a_fork() -> None:
    other = (*EVENTS[:100], signed_event(100, 100, salt=1))
    found = judged([*EVENTS], Known((checkpoint_of(EVENTS, 101), checkpoint_of(other), LAST), LEAVES))
    assert [finding.fault for finding in found.findings] == [Fault.FORKED]
    assert "two different checkpoints of 101 events" in found.findings[0].words


@pytest.mark.parametrize("given_leaves", [LEAVES, ()], ids=["with leaf hashes", "without"])
def test_checkpoints_that_contradict_each_other_are_a_fork(given_leaves: tuple[bytes, ...]) -> None:
    other = (*EVENTS[:100], signed_event(100, 100, salt=1))
    found = judged([*EVENTS], Known((checkpoint_of(other), LAST), given_leaves))
    assert [finding.fault for finding in found.findings] == [Fault.FORKED]
    assert "of 101 and of 200 events contradict each other" in found.findings[0].words
    assert found.confirmed == frozenset(PLACES)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_tampering_goes_unseen(data: st.DataObject) -> None:
    """Whatever is done to a copy, either it is the ledger still, line by line, or something is named."""
    known = KNOWLEDGE[data.draw(st.sampled_from(sorted(KNOWLEDGE)))]
    lines = [*EVENTS]
    for _ in range(data.draw(st.integers(1, 6))):
        at, other = data.draw(st.integers(0, len(lines) - 1)), data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["drop", "replay", "swap", "forge", "resign", "garble"])):
            case "drop":
                del lines[at]
            case "replay":
                lines.insert(other, lines[at])
            case "swap":
                lines[at], lines[other] = lines[other], lines[at]
            case "forge":
                lines.insert(at, changed(signed_event(700 + other, other)))
            case "resign":
                lines[at] = signed_event(other, min(at, SIZE - 1), salt=1)
            case "garble":
                lines[at] = lines[at][: other + 1]
    found = judged(lines, known)
    assert found.sound == (lines == [*EVENTS])
