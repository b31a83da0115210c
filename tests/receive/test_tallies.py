"""Sums of what nodes count: over lost, repeated and reordered messages, restarts and the end of a month."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import encoded
from edge.receive.tallies import (
    KEPT_RUNS,
    MAX_GROUPS,
    MAX_HEALTH_BYTES,
    MAX_NAMES,
    Heard,
    Month,
    month_end_ms,
    month_of,
    month_start_ms,
    read_health,
    reckon,
)
from tests.receive.health_of_nodes import ORIGIN, health
from tests.telemetry.samples import LEAST, MOST

MAY_MS = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp() * 1000)
NOON_MS = MAY_MS + 12 * 3_600_000


def heard(at_s: float, **said: Any) -> Heard:
    """What was said, heard so many seconds after noon of May 1."""
    found = read_health(ORIGIN, encoded(health(**said)), NOON_MS + round(at_s * 1000))
    assert found is not None
    return found


def summed(*batches: list[Heard]) -> dict[str, Month]:
    """What the months come to, batch by batch."""
    kept: list[Heard] = []
    months: dict[str, Month] = {}
    for batch in batches:
        kept, added = reckon(batch, kept)
        for one in added:
            months[one.month] = months[one.month].plus(one) if one.month in months else one
    return months


def test_counters_are_added_up_over_a_restart() -> None:
    may = summed(
        [heard(10, number=1, uptime_s=10, passages={"on_green": 3})],
        [heard(20, number=2, uptime_s=20, passages={"on_green": 5, "violation": 1}, ambers={"3.01": 2})],
        [heard(40, number=1, uptime_s=8, run="f" * 16, passages={"on_green": 2}, faults={"dark": 1})],
    )["2026-05"]
    assert may.counts["passages/on_green"] == 7
    assert may.counts["passages/violation"] == 1
    assert (may.counts["ambers/north/3.01"], may.counts["faults/north/dark"]) == (2, 1)
    assert (may.counts["messages"], may.counts.get("missing", 0)) == (3, 0)
    assert may.seconds["ran"] == pytest.approx(28)
    assert may.minimums_s == {"north": 3.0}
    assert (may.since_ms, may.until_ms) == (NOON_MS, NOON_MS + 40_000)


def test_what_comes_again_or_late_adds_nothing() -> None:
    first, second, third = (heard(10.0 * n, number=n, uptime_s=10.0 * n, passages={"on_green": n}) for n in (1, 2, 3))
    for batches in ([[first], [third], [second]], [[first, first], [first, third], [third, second]]):
        may = summed(*batches)["2026-05"]
        assert may.counts["passages/on_green"] == 3
        assert (may.counts["messages"], may.counts["missing"]) == (2, 1)


def test_a_late_message_of_the_run_before_counts_for_no_new_start() -> None:
    old = [heard(10.0 * n, number=n, uptime_s=10.0 * n, passages={"on_green": n}) for n in (1, 2, 3)]
    new = heard(35, number=1, uptime_s=2, run="f" * 16, passages={"on_green": 1})
    assert summed(old[:2], [new], [old[2]])["2026-05"].counts["passages/on_green"] == 4


def test_a_node_that_has_long_been_running_counts_from_when_it_is_first_heard() -> None:
    months = summed(
        [heard(0, number=5000, uptime_s=90_000, passages={"on_green": 700})],
        [heard(10, number=5001, uptime_s=90_010, passages={"on_green": 701})],
    )
    assert set(months) == {"2026-05"}
    assert months["2026-05"].counts["passages/on_green"] == 1
    assert months["2026-05"].counts.get("missing", 0) == 0
    assert months["2026-05"].seconds["ran"] == pytest.approx(10)


def test_the_time_of_a_silence_over_the_end_of_a_month_is_split_and_its_counts_go_where_they_are_heard() -> None:
    before = heard(-13 * 3600, number=1, uptime_s=100.0)
    after = heard(0, number=9, uptime_s=100.0 + 13 * 3600, passages={"on_green": 9}, for_s=100.0 + 13 * 3600)
    months = summed([before], [after])
    assert months["2026-04"].seconds["ran"] == pytest.approx(3600 + 100)
    assert months["2026-05"].seconds["ran"] == pytest.approx(12 * 3600)
    assert months["2026-05"].seconds["armed"] == pytest.approx(12 * 3600)
    assert (months["2026-05"].counts["passages/on_green"], months["2026-05"].counts["missing"]) == (9, 7)
    assert months["2026-04"].until_ms == months["2026-05"].since_ms == MAY_MS


def test_time_is_armed_or_not_and_says_why_not() -> None:
    may = summed(
        [
            heard(60, number=1, uptime_s=60, armed=False, for_s=60, reasons=("clock", "phases")),
            heard(100, number=2, uptime_s=100, armed=True, for_s=30),
            heard(120, number=3, uptime_s=120, armed=False, for_s=5, reasons=("picture",)),
            heard(130, number=4, uptime_s=130, armed=False, for_s=15, reasons=("picture",)),
        ]
    )["2026-05"]
    assert may.seconds["armed"] == pytest.approx(30 + 15)
    assert may.seconds["unarmed/clock"] == may.seconds["unarmed/phases"] == pytest.approx(70)
    assert may.seconds["unarmed/picture"] == pytest.approx(15)
    assert may.seconds["ran"] == pytest.approx(130)


def test_a_node_that_is_never_armed_or_disarmed_says_nothing_of_it() -> None:
    assert set(summed([heard(10, armed=None)])["2026-05"].seconds) == {"ran"}


def test_the_fullest_and_the_emptiest_message_are_read() -> None:
    least, most = (read_health(ORIGIN, encoded(one), NOON_MS) for one in (LEAST, MOST))
    assert least is not None
    assert most is not None
    assert least.armed is None
    assert most.counters["passages/violation"] == 2
    assert most.counters["ambers/north/2.98"] == 1
    assert most.counters["faults/north/conflict"] == 1
    assert most.armed is False
    assert len(most.reasons) > 3
    assert {"disarmed": 3, "unrecorded": 1, "duplicates": 2, "reopened": 3}.items() <= most.counters.items()


@pytest.mark.parametrize(
    "wrong",
    [
        {"run": "../../etc"},
        {"run": 7},
        {"number": 0},
        {"number": True},
        {"number": 2**60},
        {"uptime_s": -1},
        {"uptime_s": float("nan")},
        {"uptime_s": 1e12},
        {"passages": {"on_green": -1}},
        {"passages": []},
        {"lamps": {"north": None}},
        {"arming": {"state": "armed"}},
        {"frames": None},
    ],
)
def test_what_cannot_be_added_up_is_left_alone(wrong: dict[str, Any]) -> None:
    said = json.loads(encoded(health())) | wrong
    assert read_health(ORIGIN, json.dumps(said).encode(), NOON_MS) is None


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b" " * (MAX_HEALTH_BYTES + 1)])
def test_what_is_no_health_is_left_alone(payload: bytes) -> None:
    assert read_health(ORIGIN, payload, NOON_MS) is None


def test_names_that_nobody_knows_are_not_kept() -> None:
    said = json.loads(encoded(health(passages={"on_green": 1})))
    said["passages"]["<script>"] = 1
    said["lamps"]["a/b"] = said["lamps"]["north"]
    said["lamps"]["north"]["faults"]["=cmd()"] = 1
    said["lamps"]["north"]["ambers"]["99999999"] = 1
    for number in range(2 * MAX_GROUPS):
        said["lamps"][f"g{number}"] = said["lamps"]["north"] | {"ambers": {"3.00": 1}}
    found = read_health(ORIGIN, json.dumps(said).encode(), NOON_MS)
    assert found is not None
    groups = {name.split("/")[1] for name in found.counters if name.startswith("ambers/")}
    assert len(groups) == MAX_GROUPS - 1
    assert not {name for name in found.counters if "script" in name or "cmd" in name or "9999" in name}


def test_a_month_keeps_a_bounded_number_of_names() -> None:
    full = Month("2026-05", 0, 1, counts={f"x{number}": 1 for number in range(MAX_NAMES)})
    more = full.plus(Month("2026-05", 0, 1, counts={"x0": 1, "new": 5, "newer": 2}))
    assert more.counts["x0"] == 2
    assert more.counts["left_out"] == 7
    assert len(more.counts) == MAX_NAMES + 1


def test_a_bounded_number_of_starts_is_kept() -> None:
    starts = [heard(100.0 * n, run=f"{n:016x}", uptime_s=5) for n in range(3 * KEPT_RUNS)]
    kept, _ = reckon(starts, [])
    assert [one.run for one in kept] == [one.run for one in starts[-KEPT_RUNS:]]


@given(st.data())
def test_whatever_is_lost_repeated_or_cut_into_batches_the_last_words_of_each_run_decide(data: st.DataObject) -> None:
    clock_s, expected, spoken_s = 0.0, Counter[str](), 0.0
    said: list[Heard] = []
    for run in range(data.draw(st.integers(1, 4))):
        counters, uptime_s = Counter[str](), 0.0
        messages = data.draw(st.integers(1, 8))
        lost = data.draw(st.sets(st.integers(1, messages - 1))) if messages > 1 else set()
        for number in range(1, messages + 1):
            step_s = data.draw(st.integers(1, 600))
            clock_s, uptime_s = clock_s + step_s, uptime_s + step_s
            counters.update(data.draw(st.dictionaries(st.sampled_from(["on_green", "violation"]), st.integers(0, 9))))
            one = heard(clock_s, number=number, uptime_s=uptime_s, run=f"{run:016x}", passages=dict(counters))
            said += [one] * (0 if number in lost else data.draw(st.integers(1, 2)))
        expected += counters
        spoken_s += uptime_s
        clock_s += 1
    cuts = sorted({0, len(said), *data.draw(st.lists(st.integers(0, len(said)), max_size=5))})
    may = summed(*(said[a:b] for a, b in pairwise(cuts)))["2026-05"]
    assert {name: may.counts.get(f"passages/{name}", 0) for name in expected} == dict(expected)
    assert may.seconds["ran"] == pytest.approx(spoken_s)
    assert may.counts["messages"] == len({(one.run, one.number) for one in said})


@pytest.mark.parametrize("month", ["2026-01", "2026-02", "2024-02", "2026-12"])
def test_a_month_ends_where_the_next_begins(month: str) -> None:
    end_ms = month_end_ms(month)
    assert month_of(month_start_ms(month)) == month_of(end_ms - 1) == month
    assert month_of(end_ms) > month


def test_a_start_is_told_by_its_run_alone() -> None:
    again = [heard(10, number=1, passages={"on_green": 1}), heard(20, number=1, run="f" * 16, passages={"on_green": 1})]
    assert summed(again)["2026-05"].counts["passages/on_green"] == 2
