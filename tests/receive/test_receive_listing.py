"""A store looked through: the latest first, in chunks, by node, lane and month; in SQLite and in PostgreSQL alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge import event
from edge.mqtt import Publication
from edge.receive import listing
from tests.receive.fleet_of_cases import KEY, made
from tests.receive.messages import judged

if TYPE_CHECKING:
    from edge.receive.store import Store

MANY = 450


@pytest.fixture
def filled(store: Store) -> Store:
    """Two nodes' events, some of them received in the same millisecond."""
    for first in range(1, MANY + 1, 75):
        some = [
            made(number, "edge-1" if number % 3 else "edge-2", time=f"2026-{4 + number % 2:02}-01T00:00:00.000000Z")
            for number in range(first, first + 75)
        ]
        store.take(judged(*(message for one in some for message in one.messages)), 1_000 + first)
    bundled = made(MANY + 1, "edge-1", 900, time="2026-05-02T00:00:00.000000Z")
    store.take(judged(*bundled.messages), 2_000)
    return store


def test_every_event_is_listed_once_and_the_latest_first(filled: Store) -> None:
    kept = list(listing.latest(filled))
    assert len({one.payload for one in kept}) == len(kept) == MANY + 1
    assert [one.has_bundle for one in kept] == [True] + [False] * MANY


def test_only_what_is_wanted_is_listed(filled: Store) -> None:
    assert sum(1 for _ in listing.latest(filled, origin="main-and-3rd/edge-2")) == MANY // 3
    assert sum(1 for _ in listing.latest(filled, month="2026-05")) == MANY // 2 + 1
    assert sum(1 for _ in listing.latest(filled, month="2026-0%")) == 0
    assert list(listing.latest(filled, lane="no lane")) == []


def test_what_there_is_to_choose_from(filled: Store) -> None:
    assert listing.origins(filled) == ["main-and-3rd/edge-1", "main-and-3rd/edge-2"]
    assert listing.months(filled) == ["2026-04", "2026-05"]
    assert len(listing.lanes(filled)) == 1


def test_a_change_of_state_is_no_lane(filled: Store) -> None:
    document = {
        "specversion": "1.0",
        "id": event.uuid7(1_750_000_000_000, bytes(10)),
        "source": "stopline://main-and-3rd/edge-3",
        "type": event.STATE_TYPE,
        "subject": "arming",
        "time": "2026-06-01T00:00:00.000000Z",
        "datacontenttype": "application/json",
        "dataschema": event.STATE_SCHEMA,
        "sequence": f"{1:016d}",
        "data": {
            "state": "armed",
            "previous": None,
            "reason": "Everything is in order.",
            "t_s": 12.5,
            "clock": {"utc_bound_ms": 1.5},
            "checks": [],
            "origin": {"software": "1", "model_sha256": "a7" * 32, "site_sha256": "b7" * 32},
            "commissioned": None,
            "nonce": "00" * 16,
        },
    }
    topic = "stopline/v1/main-and-3rd/edge-3/event/state"
    taken = filled.take(judged(Publication(topic, event.sign(document, KEY), event.CONTENT_TYPE)), 3_000)
    assert (taken.events, taken.refused) == (1, ())
    assert "main-and-3rd/edge-3" in listing.origins(filled)
    assert "arming" not in listing.lanes(filled)


def test_one_event_is_found_by_its_id(filled: Store) -> None:
    one = made(7, "edge-1", time="2026-05-01T00:00:00.000000Z")
    found = listing.payload(filled, one.id)
    assert found is not None
    assert one.id.encode() in found
    assert listing.payload(filled, "nothing") is None
