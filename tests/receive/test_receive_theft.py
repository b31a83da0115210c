"""After a theft: what came late stands if a checkpoint spoke of it before the key had ended, and only then."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Broker
from edge.keys import trust
from edge.keys.revocation import Reason, Revocation
from edge.keys.trusted import Trust
from edge.ledger.checkpoint import of_edge, sign
from edge.ledger.merkle import Edge, leaf_hash
from edge.mqtt import Publication, Received
from edge.receive.covered import covered
from edge.receive.judge import Doubted, Refused, Why, judge
from edge.receive.receiver import Receiver, Settings
from edge.receive.trust import Trusted
from tests.broker import wait_until
from tests.cases import signing_key
from tests.receive.fleet_of_cases import KEY, Made, made, send

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.receive.judge import Judged
    from edge.receive.store import Store, Taken
    from tests.broker import Mosquitto

ORIGIN = "main-and-3rd/edge-1"
CLAIMED = "2026-05-04T10:00:00.000000Z"
BEFORE = datetime(2026, 5, 4, 11, tzinfo=UTC)
END = datetime(2026, 5, 4, 12, tzinfo=UTC)
AFTER = datetime(2026, 5, 4, 13, tzinfo=UTC)
TRUSTED = Trusted(Trust({}), trust(KEY.public))
REVOKED = Trusted(Trust({}, {KEY.kid: Revocation(KEY.kid, END, Reason.STOLEN)}), trust(KEY.public))
EVENTS = [made(number, time=CLAIMED) for number in range(1, 6)]


def mark(some: Sequence[Made]) -> Publication:
    note = sign(of_edge(ORIGIN, Edge().extend(leaf_hash(one.raw) for one in some)), KEY).encoded()
    return Publication(f"stopline/v1/{ORIGIN}/checkpoint", note, "text/plain")


def judged(now: datetime, *messages: Publication) -> list[Judged]:
    trusted = TRUSTED if now < END else REVOKED
    received = (
        Received(one.topic, one.payload, "", retained=False, expiry_s=None, user_properties=()) for one in messages
    )
    return [judge(one, trusted, now) for one in received]


def take(store: Store, now: datetime, *messages: Publication) -> Taken:
    return store.take(judged(now, *messages), int(now.timestamp() * 1000))


def messages(*numbers: int) -> list[Publication]:
    return [message for number in numbers for message in EVENTS[number - 1].messages]


def kept(store: Store) -> list[str]:
    return [one.event_id for one in store.events()]


def ids(*numbers: int) -> list[str]:
    return [EVENTS[number - 1].id for number in numbers]


def test_a_late_event_stands_where_a_checkpoint_came_in_time(store: Store) -> None:
    take(store, BEFORE, *messages(1, 2), mark(EVENTS[:4]))
    taken = take(store, AFTER, *messages(3, 4, 5))
    assert kept(store) == ids(1, 2, 3, 4)
    assert [one.event_id for one in taken.receipts] == ids(3, 4)
    assert [(one.why, one.event_id) for one in taken.refused] == [(Why.REVOKED, ids(5)[0])]
    assert "was not known to anybody before 2026-05-04T13:00:00Z" in taken.refused[0].reason


def test_without_a_checkpoint_or_with_a_later_one_it_is_refused(store: Store) -> None:
    take(store, BEFORE, *messages(1, 2))
    take(store, END, mark(EVENTS[:4]))
    assert len(take(store, AFTER, *messages(3, 4)).refused) == 2
    assert kept(store) == ids(1, 2)


def test_an_instant_short_of_the_end_a_checkpoint_still_counts(store: Store) -> None:
    take(store, END - timedelta(milliseconds=1), mark(EVENTS[:1]))
    take(store, AFTER, *messages(1))
    assert kept(store) == ids(1)


def test_what_the_thief_signs_for_a_covered_place_is_refused(store: Store) -> None:
    take(store, BEFORE, *messages(1), mark(EVENTS[:2]))
    forged = made(9, sequence=2, time=CLAIMED)
    taken = take(store, AFTER, *forged.messages, *messages(2))
    assert kept(store) == ids(1, 2)
    assert [one.event_id for one in taken.refused] == [forged.id]


def test_a_checkpoint_does_not_help_an_event_that_claims_a_later_time(store: Store) -> None:
    later = made(2, time="2026-05-04T12:00:00.000000Z")
    take(store, BEFORE, *messages(1), mark([EVENTS[0], later]))
    (one,) = judged(AFTER, *later.messages)
    assert isinstance(one, Refused)
    assert take(store, AFTER, *later.messages).events == 0


def test_an_event_from_before_the_end_is_answered_when_it_comes_again(store: Store) -> None:
    first = take(store, BEFORE, *messages(1))
    again = take(store, AFTER, *messages(1))
    assert again.receipts == first.receipts
    assert (again.repeated, again.refused) == (1, ())


def test_refused_events_are_taken_when_the_last_that_was_missing_comes(store: Store) -> None:
    take(store, BEFORE, *messages(1), mark(EVENTS[:3]))
    (early,) = judged(AFTER, *messages(3))
    assert isinstance(early, Doubted)
    assert take(store, AFTER, *messages(3)).events == 0
    ((topic, raw),) = store.refused_of([ORIGIN])
    assert (topic, raw) == (EVENTS[2].messages[0].topic, EVENTS[2].raw)
    assert store.refused_of(["main-and-3rd/edge_1", "3rd/edge-1"]) == []
    taken = store.take(judged(AFTER, *messages(2)), int(AFTER.timestamp() * 1000), [early])
    assert [one.event_id for one in taken.receipts] == ids(2, 3)
    assert store.refused_of([ORIGIN]) == []
    assert store.refusals(5) == []


class FixedTrust:
    def __init__(self, trusted: Trusted) -> None:
        self.trusted = self.read_last = trusted

    def read(self) -> Trusted:
        self.read_last = self.trusted
        return self.trusted

    def changed(self) -> bool:
        return self.trusted is not self.read_last

    def stale(self, now: datetime) -> bool:  # noqa: ARG002 - as TrustFiles has it
        return False


@pytest.mark.broker
def test_a_receiver_looks_at_refused_events_again(store: Store, broker: Mosquitto) -> None:
    take(store, BEFORE, *messages(1), mark(EVENTS[:3]))
    take(store, AFTER, *messages(3))
    assert kept(store) == ids(1)
    receiver = Receiver(Broker(url=broker.url), Settings("g", "r"), store, FixedTrust(REVOKED), signing_key(0x4EC))  # type: ignore[arg-type]
    thread = threading.Thread(target=receiver.run)
    thread.start()
    assert receiver.listening.wait(30)
    send(broker.url, messages(2))
    try:
        wait_until(lambda: receiver.counts.events == 2, what="both events")
    finally:
        receiver.stop()
        thread.join()
    assert kept(store) == ids(1, 2, 3)


@given(st.data())
def test_what_is_proven_is_what_was_logged(data: st.DataObject) -> None:
    """Whatever is missing, whatever is offered beside: only logged leaves are proven, and all that can be."""
    size = data.draw(st.integers(1, 24))
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    sizes = data.draw(st.sets(st.integers(1, size), min_size=1))
    missing = data.draw(st.sets(st.integers(0, size - 1), max_size=5))
    decoys = data.draw(st.sets(st.sampled_from(sorted(missing)))) if missing else set()
    withheld = data.draw(st.sets(st.sampled_from(sorted(missing)), max_size=1)) if missing else set()
    offered = {
        place: [leaf_hash(b"decoy")] * (place in decoys) + [leaves[place]] * (place not in withheld)
        for place in missing
    }
    offered = {place: some for place, some in offered.items() if some}
    roots = {each: Edge().extend(leaves[:each]).root() for each in sizes}
    held = {place: leaf for place, leaf in enumerate(leaves) if place not in missing}
    reach = max((each for each in sizes if not any(place < each for place in withheld)), default=0)
    assert covered(held, offered, roots) == {place: leaves[place] for place in missing if place < reach}


def ended(at: datetime = END) -> list[Revocation]:
    return [Revocation(KEY.kid, at, Reason.STOLEN)]


def test_what_was_taken_before_the_end_was_known_here_is_listed_and_stays(store: Store) -> None:
    late_ms = int(AFTER.timestamp() * 1000)
    take(store, BEFORE, *messages(1), mark(EVENTS[:2]))
    store.take(sound(*messages(2, 3)), late_ms)
    assert store.refuse_afterwards(ended(), late_ms) == 1
    assert kept(store) == ids(1, 2, 3)
    ((_, why, reason, _, times),) = store.refusals(5)
    assert (why, times) == ("revoked", 1)
    assert "was revoked from 2026-05-04T12:00:00Z on (stolen)" in reason
    assert store.refuse_afterwards(ended(), late_ms) == 0
    again = take(store, AFTER, *messages(3))
    assert [one.event_id for one in again.receipts] == ids(3)
    assert len(store.refusals(5)) == 1
    assert store.refuse_afterwards(ended(BEFORE), late_ms) == 2  # an end may move to an earlier instant
    store.erase(ids(3), late_ms)
    assert len(store.refusals(5)) == 2


def sound(*some: Publication) -> list[Judged]:
    """As they are judged where the end is not known."""
    received = (Received(one.topic, one.payload, "", retained=False, expiry_s=None, user_properties=()) for one in some)
    return [judge(one, TRUSTED, AFTER) for one in received]


@pytest.mark.broker
def test_a_receiver_lists_them_when_it_learns_of_the_end(store: Store, broker: Mosquitto) -> None:
    said: list[str] = []
    fixed = FixedTrust(TRUSTED)
    receiver = Receiver(Broker(url=broker.url), Settings("g", "r"), store, fixed, signing_key(0x4EC), said.append)  # type: ignore[arg-type]
    thread = threading.Thread(target=receiver.run)
    thread.start()
    try:
        assert receiver.listening.wait(30)
        send(broker.url, messages(1, 2))
        wait_until(lambda: receiver.counts.events == 2, what="both events")
        fixed.trusted = REVOKED
        wait_until(lambda: any("2 stored events came after their key's end" in one for one in said), what="the list")
    finally:
        receiver.stop()
        thread.join()
    assert [row[1] for row in store.refusals(5)] == ["revoked", "revoked"]
