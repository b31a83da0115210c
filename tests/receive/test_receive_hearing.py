"""What nodes count, kept by month in a store, from a broker as well; in SQLite and in PostgreSQL alike."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from edge.config import Broker
from edge.keys import create_key
from edge.keys.trusted import Trust, TrustedKey
from edge.messages import encoded
from edge.mqtt import Received
from edge.receive import tables
from edge.receive.ear import Ear
from edge.receive.hearing import hear, heard_in, months_heard
from edge.receive.receiver import Receiver, Settings
from edge.receive.store import Store, open_store
from edge.receive.tallies import KEPT_RUNS, month_end_ms, month_of, read_health
from edge.receive.trust import Trusted, TrustFiles
from edge.ui.cases import Wanted
from edge.ui.store_cases import StoreCases
from tests.broker import wait_until
from tests.receive.fleet_of_cases import KEY, made, send
from tests.receive.health_of_nodes import ORIGIN, health, published
from tests.receive.messages import judged
from tests.uplink.test_receipts import StrictBroker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge.messages import Health
    from edge.receive.tallies import Heard
    from tests.broker import Mosquitto

NOON_MS = int(datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp() * 1000)


def at(second: float, said: Health, origin: str = ORIGIN) -> Heard:
    found = read_health(origin, encoded(said), NOON_MS + round(second * 1000))
    assert found is not None
    return found


def rows(store: Store) -> tuple[int, int]:
    with store.engine.begin() as connection:
        counts = [connection.scalar(select(func.count()).select_from(t)) for t in (tables.node_month, tables.node_run)]
    return counts[0] or 0, counts[1] or 0


def test_one_row_stands_for_a_months_messages(store: Store) -> None:
    for number in range(1, 50):
        some = [at(10.0 * number, health(number, 10.0 * number, passages={"on_green": number}))]
        assert hear(store, some, {ORIGIN}) == 0
    may = heard_in(store, "2026-05")[ORIGIN]
    assert (may.counts["passages/on_green"], may.counts["messages"]) == (49, 49)
    assert may.seconds["armed"] == may.seconds["ran"] == pytest.approx(490)
    assert rows(store) == (1, 1)
    assert months_heard(store) == {ORIGIN: ["2026-05"]}
    assert heard_in(store, "2026-06") == heard_in(store, "2026-05", "main-and-3rd/edge-9") == {}


def test_what_is_kept_of_starts_is_bounded(store: Store) -> None:
    for number in range(1, 3 * KEPT_RUNS):
        hear(store, [at(100.0 * number, health(run=f"{number:016x}", passages={"on_green": 2}))], {ORIGIN})
    assert rows(store) == (1, KEPT_RUNS)
    assert heard_in(store, "2026-05")[ORIGIN].counts["passages/on_green"] == 2 * (3 * KEPT_RUNS - 1)


def test_many_nodes_in_one_batch_and_over_the_end_of_a_month(store: Store) -> None:
    origins = [f"site/n{number}" for number in range(700)]
    hear(store, [at(0, health(1, 10.0, passages={"on_amber": 1}), origin) for origin in origins], origins)
    month_s = 31 * 86_400.0
    later = [at(month_s, health(2, 10.0 + month_s, passages={"on_amber": 5}), origin) for origin in origins]
    hear(store, later, origins)
    june = heard_in(store, "2026-06")
    assert len(june) == 700
    assert {one.counts["passages/on_amber"] for one in june.values()} == {4}
    may = heard_in(store, "2026-05", "site/n699")["site/n699"]
    assert may.seconds["ran"] + june["site/n699"].seconds["ran"] == pytest.approx(10 + month_s)
    assert months_heard(store) == {origin: ["2026-05", "2026-06"] for origin in origins}


def test_a_node_is_heard_that_has_signed_something_and_no_other(store: Store) -> None:
    stranger = "main-and-3rd/edge-9"
    some = [at(1, health(), ORIGIN), at(1, health(), stranger)]
    assert hear(store, some, set()) == 2
    store.take(judged(*made(1).messages), NOON_MS)
    assert hear(store, some, set()) == 1
    assert set(heard_in(store, "2026-05")) == {ORIGIN}


def test_two_receivers_at_once_add_everything_once(where: str) -> None:
    origins = [f"site/n{number}" for number in range(4)]
    some = [
        at(10.0 * number, health(number, 10.0 * number, run=f"{run:016x}", passages={"on_green": number}), origin)
        for run in range(2)
        for number in range(1, 16)
        for origin in origins
    ]

    def work(share: list[Heard]) -> None:
        with open_store(where) as mine:
            for one in share:
                hear(mine, [one], origins)

    with open_store(where) as store:
        threads = [threading.Thread(target=work, args=(some[start::2],)) for start in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = heard_in(store, "2026-05")
    assert {one.counts["passages/on_green"] for one in found.values()} == {30}


def test_the_ear_takes_health_and_leaves_the_rest(store: Store) -> None:
    ear = Ear()
    begin, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2050))
    source = TrustedKey(KEY.public, f"stopline://{ORIGIN}", begin, end)
    trusted = Trusted(Trust({KEY.kid: source}), {})

    def received(topic: str, payload: bytes) -> Received:
        return Received(topic, payload, None, retained=False, expiry_s=None, user_properties=())

    topic = f"stopline/v1/{ORIGIN}/health"
    assert not ear.takes(received(f"stopline/v1/{ORIGIN}/event/violation", b"{}"), NOON_MS, 0.0)
    assert ear.takes(received(topic, b"{}"), NOON_MS, 0.0)
    assert ear.takes(received("stopline/v1/other/node/health", encoded(health())), NOON_MS, 0.0)
    assert ear.takes(received(topic, encoded(health(passages={"violation": 1}))), NOON_MS, 0.0)
    ear.settle(store, trusted, 14.0)
    assert heard_in(store, "2026-05") == {}
    ear.settle(store, trusted, 16.0)
    assert heard_in(store, "2026-05")[ORIGIN].counts["passages/violation"] == 1
    assert (ear.taken, ear.unread) == (1, 2)


def test_an_archive_that_was_begun_before_is_brought_to_today(where: str) -> None:
    one = made(1)
    with open_store(where) as store:
        store.take(judged(*one.messages), NOON_MS)
        with store.engine.begin() as connection:
            for table in ("node_run", "node_month"):
                connection.exec_driver_sql(f"DROP TABLE {table}")
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    with open_store(where) as store:
        assert [each.event_id for each in store.events()] == [one.id]
        hear(store, [at(1, health(passages={"on_green": 3}))], set())
        assert heard_in(store, "2026-05")[ORIGIN].counts["passages/on_green"] == 3


def test_the_report_reads_what_was_heard_and_what_is_signed(store: Store) -> None:
    some = [made(number, time=f"2026-05-0{number}T08:00:00.000000Z") for number in (1, 2)]
    store.take(judged(*(message for one in some for message in one.messages)), NOON_MS)
    hear(store, [at(3600, health(1, 1800.0, passages={"violation": 2}, for_s=900.0))], set())
    cases = StoreCases(store, "archive")
    assert (cases.reported().origins, cases.reported().months) == ([ORIGIN], ["2026-05"])
    assert sorted(cases.hashes(Wanted(month="2026-05"))) == sorted(one.sha256 for one in some)
    assert list(cases.hashes(Wanted(month="2026-06"))) == []
    (one,) = cases.counted("2026-05", ORIGIN)
    assert one.counts["passages/violation"] == 2
    assert (one.seconds["ran"], one.seconds["armed"]) == (1800.0, 900.0)
    until_ms = min(time.time_ns() // 1_000_000, month_end_ms("2026-05"))
    assert one.whole_s == pytest.approx(max(0, 1800 + (until_ms - NOON_MS - 3_600_000) / 1000), abs=5)
    assert cases.counted("2026-04", None) == cases.counted("9998-12", None) == []


@contextmanager
def receiving(folder: Path, url: str, store: Store, said: list[str]) -> Iterator[Receiver]:
    public = folder / "node.pub.pem"
    public.write_bytes(KEY.public.pem)
    trust = TrustFiles(None, (public,), store)
    receiver = Receiver(Broker(url=url), Settings("g", "r1"), store, trust, create_key(folder / "r.key"), said.append)
    thread = threading.Thread(target=receiver.run)
    thread.start()
    try:
        assert receiver.listening.wait(20)
        yield receiver
    finally:
        receiver.stop()
        thread.join(30)
        assert not thread.is_alive()


def test_from_the_broker_into_the_month(tmp_path: Path, broker: Mosquitto) -> None:
    said: list[str] = []
    with open_store(str(tmp_path / "store")) as store:
        with receiving(tmp_path, broker.url, store, said) as receiver:
            one = made(1)
            telemetry = [published(health(number, 10.0 * number, ambers={"2.98": number})) for number in (1, 2, 3)]
            send(broker.url, [*one.messages, *telemetry])
            wait_until(lambda: receiver.counts.events == 1, what="the event")
        assert receiver.counts.health == 3
        (month,) = heard_in(store, month_of(int(datetime.now(UTC).timestamp() * 1000))).values()
    assert month.counts["ambers/north/2.98"] == 3
    assert receiver.counts.refused == 0
    assert datetime.fromtimestamp(month.until_ms / 1000, UTC) > datetime.now(UTC) - timedelta(minutes=5)


def test_where_the_broker_forbids_it_the_rest_is_received_all_the_same(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        StrictBroker(b"/health") as broker,
        open_store(str(tmp_path / "store")) as store,
        receiving(tmp_path, broker.url, store, said),
    ):
        assert broker.subscriptions == 5 + 4
    assert [one for one in said if "nothing is kept for monthly reports" in one] == said[:1]
    assert "listening" in said[1]
