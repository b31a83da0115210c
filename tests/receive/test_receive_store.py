"""What a store takes, what it refuses, and that nothing is there twice; in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from edge.errors import StoreError
from edge.mqtt import Publication
from edge.receive import tables
from edge.receive.database import open_folder, open_server
from edge.receive.judge import Event, Evidence, Refused, Why
from edge.receive.store import Store, open_store
from tests.cases import signing_key
from tests.receive.fleet_of_cases import Made, made
from tests.receive.messages import NOW, judged

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = int(NOW.timestamp() * 1000)


def whole(store: Store, one: Made) -> bool:
    found = {each.event_id: each for each in store.events()}
    return found[one.id].sha256 == one.sha256 and store.bundle(one.id) == one.bundle


def test_an_event_is_stored_once_and_its_receipt_owed_each_time(store: Store) -> None:
    one = made(1)
    first = store.take(judged(*one.messages), NOW_MS)
    again = store.take(judged(*one.messages, *one.messages), NOW_MS + 5000)
    assert (first.events, first.repeated, again.events, again.repeated) == (1, 0, 0, 2)
    assert first.receipts == again.receipts
    (stored,) = first.receipts
    assert (stored.event_id, stored.sha256, stored.bundle_sha256) == (one.id, one.sha256, None)
    assert stored.received_ms == NOW_MS
    assert [each.event_id for each in store.events()] == [one.id]


def test_the_same_event_twice_in_one_batch_is_one(store: Store) -> None:
    one = made(1)
    taken = store.take(judged(*one.messages, *one.messages), NOW_MS)
    assert (taken.events, taken.repeated, taken.refused) == (1, 1, ())


@pytest.mark.parametrize("seed", range(6))
def test_a_bundle_comes_together_in_any_order_and_any_batches(store: Store, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - the same orders every time
    some = [made(number, bundle_bytes=size) for number, size in enumerate([0, 900, 50_000, 120_000], start=1)]
    messages = [message for one in some for message in one.messages] * 2
    dice.shuffle(messages)
    owed = {}
    while messages:
        batch, messages = messages[: (size := dice.randint(1, 9))], messages[size:]
        owed |= {each.event_id: each for each in store.take(judged(*batch), NOW_MS).receipts}
    assert all(whole(store, one) for one in some)
    assert {id_: each.bundle_sha256 for id_, each in owed.items()} == {one.id: one.bundle_sha256 for one in some}


def test_damaged_and_foreign_parts_do_no_harm(store: Store) -> None:
    one = made(1, bundle_bytes=50_000)
    first, listed, *parts = judged(*one.messages)
    assert isinstance(parts[0], Evidence)
    damaged = [Evidence(each.origin, each.event_id, type(each.parcel)(each.parcel.index, "x", b"no")) for each in parts]
    foreign = [Evidence("main-and-3rd/edge-9", each.event_id, each.parcel) for each in parts]
    taken = store.take([*damaged, *foreign, first, listed], NOW_MS)
    assert (taken.events, taken.bundles) == (1, 0)
    assert store.bundle(one.id) is None
    assert store.take(parts, NOW_MS).bundles == 1
    assert whole(store, one)


def test_a_replay_is_refused_and_the_first_stands(store: Store) -> None:
    one, other_bytes, other_id = made(1), made(1), made(2, sequence=1)
    assert one.raw != other_bytes.raw  # signed anew
    store.take(judged(*one.messages), NOW_MS)
    taken = store.take(judged(*other_bytes.messages, *other_id.messages), NOW_MS)
    assert [each.why for each in taken.refused] == [Why.REPLAYED, Why.REPLAYED]
    assert "other bytes" in taken.refused[0].reason
    assert "has the sequence 1" in taken.refused[1].reason
    assert taken.receipts == ()
    assert whole(store, one)
    kept = store.refusals(10)
    assert [row[1] for row in kept] == ["replayed", "replayed"]


def test_of_two_contradicting_events_in_one_batch_the_first_stands(store: Store) -> None:
    one, other = made(1), made(1)
    taken = store.take(judged(*one.messages, *other.messages), NOW_MS)
    assert (taken.events, len(taken.refused)) == (1, 1)
    assert whole(store, one)


def test_what_is_refused_is_kept_with_its_reason_and_counted(store: Store) -> None:
    stranger = made(1, key=signing_key(0xBEEF))
    misplaced = Publication("stopline/v1/main-and-3rd/edge-9/event/violation", made(2).raw, "")
    changed = Publication(stranger.messages[0].topic, made(3).raw.replace(b'"car"', b'"bus"'), "")
    batch = judged(*stranger.messages, misplaced, changed)
    assert [each.why for each in batch if isinstance(each, Refused)] == [
        Why.UNKNOWN_KEY,
        Why.MISPLACED,
        Why.INVALID,
    ]
    store.take(batch, NOW_MS)
    store.take(batch, NOW_MS)
    rows = store.refusals(10)
    assert sorted((row[1], row[4]) for row in rows) == [("invalid", 2), ("misplaced", 2), ("unknown_key", 2)]
    assert list(store.events()) == []


def test_erasing_leaves_the_leaf_alone(store: Store, where: str) -> None:
    one, two = made(1, bundle_bytes=50_000), made(2, bundle_bytes=900)
    store.take(judged(*one.messages, *two.messages), NOW_MS)
    assert store.erase([one.id], NOW_MS) == 1
    assert store.erase([one.id], NOW_MS) == 0
    copy = store.copy_of("main-and-3rd/edge-1")
    assert copy.events == (two.raw,)
    (first, second) = judged(one.messages[0], two.messages[0])
    assert isinstance(first, Event)
    assert isinstance(second, Event)
    assert copy.leaves == ((0, first.leaf, True), (1, second.leaf, False))
    assert store.bundle(one.id) is None
    taken = store.take(judged(*one.messages), NOW_MS)
    assert (taken.events, taken.receipts, taken.refused) == (0, (), ())
    assert [each.event_id for each in store.events()] == [two.id]
    if not where.startswith("postgresql"):
        held = b"".join(path.read_bytes() for path in _files(where))
        assert one.id.encode() not in held


def _files(where: str) -> list[Path]:
    from pathlib import Path

    return [path for path in Path(where).rglob("*") if path.is_file()]


def test_a_draft_that_a_crash_left_goes_with_its_event(tmp_path: Path) -> None:
    one = made(1, bundle_bytes=900)
    with open_store(tmp_path / "store") as store:
        store.take(judged(*one.messages), NOW_MS)
        (tmp_path / "store" / "bundles" / f".{one.id}.tar.age.part").write_bytes(b"half of it")
        store.erase([one.id], NOW_MS)
    assert list((tmp_path / "store" / "bundles").iterdir()) == []


def test_what_is_old_goes_and_what_is_young_stays(store: Store) -> None:
    old, young = made(1, bundle_bytes=900), made(2, bundle_bytes=900)
    store.take(judged(*old.messages), NOW_MS - 31 * 86_400_000)
    store.take(judged(*young.messages), NOW_MS - 29 * 86_400_000)
    assert store.expire(30, NOW_MS) == 1
    assert [each.event_id for each in store.events()] == [young.id]
    assert whole(store, young)


def test_two_writers_at_once_store_everything_once(where: str) -> None:
    some = [made(number, bundle_bytes=40_000) for number in range(1, 13)]
    messages = [message for one in some for message in one.messages]
    counted: list[tuple[int, int]] = []

    def write(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311
        mine = messages.copy()
        dice.shuffle(mine)
        events = bundles = 0
        with open_store(where) as store:
            while mine:
                batch, mine = mine[:5], mine[5:]
                taken = store.take(judged(*batch), NOW_MS)
                events, bundles = events + taken.events, bundles + taken.bundles
        counted.append((events, bundles))

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sum(column) for column in zip(*counted, strict=True)] == [len(some), len(some)]
    with open_store(where) as store:
        assert all(whole(store, one) for one in some)


def test_the_migrations_make_the_tables_that_the_program_uses(where: str) -> None:
    from pathlib import Path

    engine = open_server(where) if where.startswith("postgresql") else open_folder(Path(where))
    with engine.begin() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    engine.dispose()
    assert differences == []


def test_a_store_of_a_later_version_is_left_alone(where: str) -> None:
    from pathlib import Path

    engine = open_server(where) if where.startswith("postgresql") else open_folder(Path(where))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match="newer version"):
        open_store(where)


@pytest.mark.parametrize("given", ["mysql://somewhere/x", "postgresql://h:port/x", "http://x"])
def test_what_is_no_store_is_said(given: str) -> None:
    with pytest.raises(StoreError, match=r"is no (store|PostgreSQL)"):
        open_store(given)


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(StoreError, match="store cannot do its part"):
        open_store("postgresql://nobody@127.0.0.1:1/none")
