"""What nodes say that they count, added up by month. Pure: messages and what is kept come in, what to keep goes out.

A node's counters begin anew at each of its starts, and messages are lost, come twice or in another order. So what is
added is the difference to the latest message of the same ``run``: a lost message takes nothing away, and one that comes
again adds nothing. ``health`` is not signed: these sums rest on who may publish on the node's topic at the broker.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from edge.health import CheckName
from edge.records import Fault, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_HEALTH_BYTES: Final = 65_536
MAX_GROUPS: Final = 16
MAX_NAMES: Final = 4096  # of counters of one node in one month; what is beyond it is left out and counted
KEPT_RUNS: Final = 8  # of one node: a message of an older one would count as a new start
LONGEST_BACK_MS: Final = 400 * 86_400_000

RAN: Final = "ran"
ARMED: Final = "armed"
UNARMED: Final = "unarmed"  # with the name of a check behind it: disarmed while that was not in order
MESSAGES: Final = "messages"
MISSING: Final = "missing"
LEFT_OUT: Final = "left_out"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RUN = re.compile(r"[0-9a-f]{16}")
_LENGTH = re.compile(r"\d\.\d\d|10\.00")
_VERDICTS = frozenset(verdict.value for verdict in Verdict)
_FAULTS = frozenset(fault.value for fault in Fault)
_CHECKS = frozenset(check.value for check in CheckName)
_MOST = 2**53
_MOST_AMBER_S = 60.0
_LONGEST_S = 10 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One ``health`` message, as far as a month's sums need it.

    ``counters`` stand since the node's start, by names like ``passages/violation``, ``faults/north/dark``,
    ``ambers/north/3.00``. ``armed`` is None where the node says nothing of it; it has been so for ``for_s``, and where
    it is disarmed, ``reasons`` are the checks that are not in order.
    """

    origin: str
    run: str
    number: int
    uptime_s: float
    heard_ms: int
    counters: Mapping[str, int] = field(default_factory=dict)
    minimums_s: Mapping[str, float] = field(default_factory=dict)
    armed: bool | None = None
    for_s: float = 0.0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """What was heard of one node in one calendar month of UTC, ``month`` like ``2026-05``.

    It speaks of the time from ``since_ms`` to ``until_ms``. ``seconds`` and ``counts`` are sums, ``minimums_s`` the
    lawful amber of each signal group as it was said last.
    """

    month: str
    since_ms: int
    until_ms: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    minimums_s: Mapping[str, float] = field(default_factory=dict)

    def plus(self, later: Month) -> Month:
        """Both together; at most ``MAX_NAMES`` counters, what is beyond them under ``LEFT_OUT``."""
        counts = Counter(self.counts)
        for name, number in later.counts.items():
            counts[name if name in counts or len(counts) < MAX_NAMES else LEFT_OUT] += number
        seconds = dict(self.seconds)
        for name, more_s in later.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + more_s
        minimums_s = {**self.minimums_s, **later.minimums_s}
        return replace(
            self,
            since_ms=min(self.since_ms, later.since_ms),
            until_ms=max(self.until_ms, later.until_ms),
            seconds=seconds,
            counts=dict(counts),
            minimums_s=dict(list(minimums_s.items())[:MAX_GROUPS]),
        )


def read_health(origin: str, payload: bytes, heard_ms: int) -> Heard | None:
    """A ``health`` message; None where it is none, or none that can be added up."""
    if len(payload) > MAX_HEALTH_BYTES:
        return None
    try:
        said = json.loads(payload)
        run, number, uptime_s = said["run"], said["number"], float(said["uptime_s"])
        if not _RUN.fullmatch(run) or _count(number) == 0 or not 0 <= uptime_s <= _LONGEST_S:
            return None
        arming = said["arming"]
        return Heard(
            origin,
            run,
            number,
            uptime_s,
            heard_ms,
            dict(_counters(said)),
            dict(_minimums(said["lamps"])),
            None if arming is None else arming["state"] == "armed",
            0.0 if arming is None else max(0.0, float(arming["for_s"])),
            () if arming is None else tuple(_reasons(arming["checks"])),
        )
    except (AttributeError, LookupError, OverflowError, RecursionError, TypeError, ValueError):
        return None


def _counters(said: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Every counter that a month is told of, under one flat name each."""
    for verdict in _VERDICTS & said["passages"].keys():
        yield f"passages/{verdict}", _count(said["passages"][verdict])
    for name in ("unrecorded", "disarmed", "duplicates"):
        yield name, _count(said[name])
    yield "reopened", _count(said["frames"]["reopened"])
    yield "dropped", _count(said["frames"]["dropped"])
    for group, lamps in _groups(said["lamps"]):
        for fault in _FAULTS & lamps["faults"].keys():
            yield f"faults/{group}/{fault}", _count(lamps["faults"][fault])
        for length, number in lamps["ambers"].items():
            if _LENGTH.fullmatch(length):
                yield f"ambers/{group}/{length}", _count(number)


def _groups(lamps: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    named = [(group, said) for group, said in lamps.items() if _NAME.fullmatch(group)]
    yield from named[:MAX_GROUPS]


def _minimums(lamps: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for group, said in _groups(lamps):
        least_s = said["min_amber_s"]
        if least_s is not None and 0 <= float(least_s) <= _MOST_AMBER_S:
            yield group, float(least_s)


def _reasons(checks: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({one["check"] for one in checks if one["outcome"] != "ok"} & _CHECKS)


def _count(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST:
        raise ValueError("no count")
    return number


def reckon(heard: Sequence[Heard], before: Sequence[Heard]) -> tuple[list[Heard], list[Month]]:
    """What messages of one node add to its months.

    ``before`` are the latest messages of the node's runs, as this gave them the last time: none where nothing was
    heard of the node yet. Gives those of now, and what is to be added to which month.
    """
    latest = {one.run: one for one in before}
    added: dict[str, Month] = {}
    for one in sorted(heard, key=lambda each: (each.heard_ms, each.number)):
        known = latest.get(one.run)
        if known is None or one.number > known.number:
            for month in _added(one, known, first=not latest):
                added[month.month] = added[month.month].plus(month) if month.month in added else month
            latest[one.run] = one
    kept = sorted(latest.values(), key=lambda each: each.heard_ms)[-KEPT_RUNS:]
    return kept, [added[name] for name in sorted(added)]


def _added(one: Heard, before: Heard | None, *, first: bool) -> Iterator[Month]:
    """What one message adds to the month in which it is heard, and of its span of time to earlier ones.

    Of a node that was never heard of, and was started in an earlier month, nothing is known by month yet: its first
    message only says from where to count.
    """
    here = month_of(one.heard_ms)
    span_s = one.uptime_s - (before.uptime_s if before else 0.0)
    start_ms = one.heard_ms - round(1000 * max(0.0, span_s))
    if first and month_of(start_ms) != here:
        yield Month(here, one.heard_ms, one.heard_ms, counts={MESSAGES: 1}, minimums_s=one.minimums_s)
        return
    start_ms = max(start_ms, one.heard_ms - LONGEST_BACK_MS)
    spent = _spent(one, before, max(0.0, span_s))
    length_ms = max(1, one.heard_ms - start_ms)
    for month, since_ms, until_ms in _months(start_ms, one.heard_ms):
        share = (until_ms - since_ms) / length_ms if one.heard_ms > start_ms else 1.0
        seconds = {name: part_s * share for name, part_s in spent.items() if part_s > 0}
        if month != here:
            yield Month(month, since_ms, until_ms, seconds)
            continue
        counts = {name: gained for name, gained in _gained(one, before) if gained > 0}
        yield Month(month, since_ms, until_ms, seconds, counts, one.minimums_s)


def _gained(one: Heard, before: Heard | None) -> Iterator[tuple[str, int]]:
    old = before.counters if before else {}
    for name, number in one.counters.items():
        yield name, number - old.get(name, 0)
    yield MESSAGES, 1
    yield MISSING, one.number - 1 - (before.number if before else 0)


def _spent(one: Heard, before: Heard | None, span_s: float) -> dict[str, float]:
    """How the time since the message before was spent: a change of state in it is told, as it is told at once."""
    spent = {RAN: span_s}
    if one.armed is None:
        return spent
    now_s = min(one.for_s, span_s)
    rest_s = span_s - now_s
    spent[ARMED] = now_s if one.armed else rest_s
    reasons, unarmed_s = (one.reasons, now_s) if not one.armed else (before.reasons if before else (), rest_s)
    return spent | {f"{UNARMED}/{reason}": unarmed_s for reason in reasons}


def _months(start_ms: int, end_ms: int) -> Iterator[tuple[str, int, int]]:
    """The stretches of a span of time that lie in one month each."""
    while True:
        next_ms = month_end_ms(month_of(start_ms))
        yield month_of(start_ms), start_ms, min(next_ms, end_ms)
        if next_ms > end_ms:
            return
        start_ms = next_ms


def month_of(ms: int) -> str:
    """The month of an instant, in UTC: ``2026-05``."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m")


def month_start_ms(month: str) -> int:
    """When a month begins. ValueError for what is no month."""
    return int(datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC).timestamp() * 1000)


def month_end_ms(month: str) -> int:
    """When a month is over: the instant at which the next begins."""
    begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    after = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return int(after.timestamp() * 1000)
