"""The monthly report, reckoned from what nodes counted and what people decided. Pure: figures come in, tables go out.

The names of counters are those of ``edge.receive.tallies``: ``passages/violation``, ``faults/north/dark``,
``ambers/north/3.00``. A replay's folder is put under the same names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from edge.decisions import OPEN, UNVERIFIED, Choice, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from edge.decisions import Noted

VIOLATION: Final = "violation"
VERDICTS: Final = (
    VIOLATION,
    "on_green",
    "on_amber",
    "on_red_amber",
    "within_grace",
    "rear_margin",
    "stopped_past_line",
    "turn_permitted",
    "short_amber",
    "lamp_fault",
    "unknown_phase",
    "doubtful_track",
)
OTHER_COUNTS: Final = ("disarmed", "unrecorded", "duplicates", "reopened", "dropped")
_COLUMNS_MOST = 60


@dataclass(frozen=True, slots=True)
class Counted:
    """What one node (SITE/NODE) counted in the month, or a replay from its beginning to its end.

    ``whole_s`` is how much of the month has gone by since the node is known, None where that has no meaning.
    """

    origin: str
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    minimums_s: Mapping[str, float] = field(default_factory=dict)
    whole_s: float | None = None

    @property
    def is_heard(self) -> bool:
        """Whether anything was heard of it."""
        return bool(self.counts or self.seconds)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a table with a bar: ``share`` is of the longest and ``percent`` of all, both from 0 to 100."""

    name: str
    number: float
    share: float
    percent: float


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a small picture of amber lengths, 0 to 100 wide and high; ``is_short`` below the minimum."""

    x: float
    width: float
    height: float
    is_short: bool


@dataclass(frozen=True, slots=True)
class Ambers:
    """The ambers that led into a red, of one signal group; lengths are cut to the hundredth of a second.

    ``minimum_s`` is the lawful minimum where the site file gives one, and ``below`` how many were shorter.
    ``minimum_x`` is where it lies in the picture of ``columns``, None where it lies outside.
    """

    origin: str
    group: str
    count: int
    shortest_s: float
    median_s: float
    longest_s: float
    minimum_s: float | None
    below: int | None
    columns: tuple[Column, ...]
    minimum_x: float | None


@dataclass(frozen=True, slots=True)
class Fault:
    """How often a fault of a signal group began."""

    origin: str
    group: str
    fault: str
    count: int


@dataclass(frozen=True, slots=True)
class Uptime:
    """How long one node ran and was armed, and what that is known by. ``whole_s`` is of the month; shares are 0 to 100.

    ``armed_s`` is None where the node never said whether it was armed. ``unarmed`` are the checks that were not in
    order while it was disarmed, each with the seconds: several may have been so at once.
    """

    origin: str
    ran_s: float
    armed_s: float | None
    whole_s: float
    messages: int
    missing: int
    is_heard: bool
    unarmed: tuple[tuple[str, float], ...]

    @property
    def ran_share(self) -> float:
        """Of the month so far."""
        return _share(self.ran_s, self.whole_s)

    @property
    def armed_share(self) -> float:
        """Of the month so far."""
        return _share(self.armed_s or 0.0, self.whole_s)


@dataclass(frozen=True, slots=True)
class Decided:
    """What people decided on the month's cases; ``rejected`` is by reason.

    ``to_erase`` are cases that are here still; ``unverified`` those whose last decision nobody can rely on.
    """

    cases: int = 0
    confirmed: int = 0
    rejected: tuple[Bar, ...] = ()
    open: int = 0
    to_erase: int = 0
    unverified: int = 0

    @property
    def rejections(self) -> int:
        """For whatever reason."""
        return round(sum(bar.number for bar in self.rejected))

    @property
    def signed(self) -> int:
        """How many cases have a decision that holds."""
        return self.cases - self.open - self.unverified


@dataclass(frozen=True, slots=True)
class Monthly:
    """The whole report. ``others`` are further counters, by name; ``recorded`` violations should be here as cases."""

    nodes: tuple[Counted, ...]
    verdicts: tuple[Bar, ...]
    ambers: tuple[Ambers, ...]
    faults: tuple[Fault, ...]
    uptimes: tuple[Uptime, ...]
    decided: Decided
    others: Mapping[str, int]

    @property
    def is_heard(self) -> bool:
        """Whether anything was heard of any node."""
        return any(one.is_heard for one in self.nodes)

    @property
    def passages(self) -> int:
        """With whatever verdict."""
        return round(sum(bar.number for bar in self.verdicts))

    @property
    def violations(self) -> int:
        """That were counted, whether they were recorded or not."""
        return sum(one.counts.get(f"passages/{VIOLATION}", 0) for one in self.nodes)

    @property
    def recorded(self) -> int:
        """That the nodes say they recorded: not while disarmed, and not without room."""
        return max(0, self.violations - self.others["disarmed"] - self.others["unrecorded"])

    @property
    def messages(self) -> int:
        """That the figures rest on."""
        return sum(one.messages for one in self.uptimes)

    @property
    def missing(self) -> int:
        """That never came: what they said of counters came with later ones, but what a restart cut off did not."""
        return sum(one.missing for one in self.uptimes)

    @property
    def ran_s(self) -> float:
        """Of all nodes together."""
        return sum(one.ran_s for one in self.uptimes)

    @property
    def whole_s(self) -> float:
        """Of all nodes together."""
        return sum(one.whole_s for one in self.uptimes)


def monthly(counted: Sequence[Counted], decided: Decided) -> Monthly:
    """The report of these nodes."""
    return Monthly(
        tuple(counted),
        tuple(verdicts(counted)),
        tuple(one for node in counted for one in ambers(node)),
        tuple(one for node in counted for one in faults(node)),
        tuple(one for node in counted if node.whole_s is not None for one in [uptime(node, node.whole_s)]),
        decided,
        {name: sum(node.counts.get(name, 0) for node in counted) for name in OTHER_COUNTS},
    )


def verdicts(counted: Iterable[Counted]) -> list[Bar]:
    """Passages by verdict, the most frequent first; what did not happen is not told."""
    sums: Counter[str] = Counter()
    for node in counted:
        sums.update({verdict: node.counts.get(f"passages/{verdict}", 0) for verdict in VERDICTS})
    return bars({verdict: number for verdict, number in sums.items() if number})


def bars(numbers: Mapping[str, float]) -> list[Bar]:
    """Numbers with their bars, the greatest first."""
    longest, whole = max(numbers.values(), default=0), sum(numbers.values())
    ordered = sorted(numbers.items(), key=lambda one: (-one[1], one[0]))
    return [Bar(name, number, _share(number, longest), _share(number, whole)) for name, number in ordered]


def ambers(node: Counted) -> Iterator[Ambers]:
    """Of each signal group whose ambers were measured."""
    for group, lengths in sorted(_by_group(node, "ambers").items()):
        hundredths = {round(100 * float(length)): number for length, number in lengths.items() if number > 0}
        if not hundredths:
            continue
        minimum_s = node.minimums_s.get(group)
        columns, minimum_x = _columns(hundredths, minimum_s)
        yield Ambers(
            node.origin,
            group,
            sum(hundredths.values()),
            min(hundredths) / 100,
            _median(hundredths) / 100,
            max(hundredths) / 100,
            minimum_s,
            None if minimum_s is None else node.counts.get(f"faults/{group}/short_amber", 0),
            columns,
            minimum_x,
        )


def _by_group(node: Counted, kind: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for name, number in node.counts.items():
        if name.startswith(f"{kind}/"):
            _, group, what = name.split("/")
            found.setdefault(group, {})[what] = number
    return found


def _median(hundredths: Mapping[int, int]) -> int:
    """The length that half of all do not exceed."""
    ordered = sorted(hundredths)
    for length, up_to in zip(ordered, accumulate(hundredths[one] for one in ordered), strict=True):
        if 2 * up_to >= sum(hundredths.values()):
            return length
    raise ValueError("no length at all")


def _columns(hundredths: Mapping[int, int], minimum_s: float | None) -> tuple[tuple[Column, ...], float | None]:
    """The lengths as columns from a tenth below the shortest to one above the longest, and where the minimum lies."""
    minimum = None if minimum_s is None else 100 * minimum_s
    first = min([*hundredths, *([] if minimum is None else [int(minimum)])]) - 5
    last = max([*hundredths, *([] if minimum is None else [int(minimum)])]) + 6
    step = max(1, -(-(last - first) // _COLUMNS_MOST))
    last = first + step * -(-(last - first) // step)
    sums: Counter[int] = Counter()
    for length, number in hundredths.items():
        sums[(length - first) // step] += number
    width = 100 * step / (last - first)
    tallest = max(sums.values())
    columns = tuple(
        Column(
            round(place * width, 2),
            round(0.85 * width, 2),
            round(max(4.0, 100 * number / tallest), 2),
            minimum is not None and first + place * step + step <= minimum,
        )
        for place, number in sorted(sums.items())
    )
    return columns, None if minimum is None else round(100 * (minimum - first) / (last - first), 2)


def faults(node: Counted) -> Iterator[Fault]:
    """Of each signal group, the most frequent first."""
    for group, counts in sorted(_by_group(node, "faults").items()):
        for bar in bars({fault: number for fault, number in counts.items() if number}):
            yield Fault(node.origin, group, bar.name, round(bar.number))


def uptime(node: Counted, whole_s: float) -> Uptime:
    """Of one node."""
    unarmed = {name.partition("/")[2]: part_s for name, part_s in node.seconds.items() if name.startswith("unarmed/")}
    return Uptime(
        node.origin,
        node.seconds.get("ran", 0.0),
        node.seconds.get("armed"),
        whole_s,
        node.counts.get("messages", 0),
        node.counts.get("missing", 0),
        node.is_heard,
        tuple((bar.name, bar.number) for bar in bars(unarmed)),
    )


def decided(decisions: Iterable[Noted | None]) -> Decided:
    """What was decided last on each case; None where nobody has."""
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for noted in decisions:
        states[state_of(noted)] += 1
        if noted is not None and noted.holds and noted.decision.reason is not None:
            reasons[noted.decision.reason.value] += 1
    return Decided(
        states.total(),
        states[Choice.CONFIRM.value],
        tuple(bars(reasons)),
        states[OPEN],
        states[Choice.ERASE.value],
        states[UNVERIFIED],
    )


def _share(part: float, whole: float) -> float:
    """In percent, to the hundredth; 0 of nothing."""
    return round(min(100.0, 100 * part / whole), 2) if whole > 0 else 0.0


Row = tuple[object, ...]
Table = tuple[tuple[str, ...], list[Row]]


def tables(report: Monthly, month: str) -> dict[str, Table]:
    """Each table of the report for a spreadsheet: its header and rows, a node's figures never mixed with another's."""
    columns: dict[str, tuple[tuple[str, ...], Iterator[Row]]] = {
        "passages": (("node", "verdict", "count"), _passage_rows(report)),
        "decisions": (("decision", "reason", "count"), _decision_rows(report.decided)),
        "ambers": (_AMBER_COLUMNS, _amber_rows(report)),
        "faults": (("node", "signal_group", "fault", "count"), _fault_rows(report)),
        "uptime": (_UPTIME_COLUMNS, _uptime_rows(report)),
    }
    return {name: (("month", *header), [(month, *row) for row in rows]) for name, (header, rows) in columns.items()}


_AMBER_COLUMNS: Final = ("node", "signal_group", "count", "shortest_s", "median_s", "longest_s", "minimum_s", "below")
_UPTIME_COLUMNS: Final = ("node", "month_s", "ran_s", "armed_s", "messages", "missing", "disarmed_by", "disarmed_s")


def _passage_rows(report: Monthly) -> Iterator[Row]:
    for node in report.nodes:
        for verdict in VERDICTS:
            if f"passages/{verdict}" in node.counts:
                yield node.origin, verdict, node.counts[f"passages/{verdict}"]


def _decision_rows(one: Decided) -> Iterator[Row]:
    yield "confirm", "", one.confirmed
    for bar in one.rejected:
        yield "reject", bar.name, round(bar.number)
    yield "erase", "", one.to_erase
    yield "unverified", "", one.unverified
    yield "open", "", one.open


def _amber_rows(report: Monthly) -> Iterator[Row]:
    for one in report.ambers:
        lengths_s = one.shortest_s, one.median_s, one.longest_s
        yield one.origin, one.group, one.count, *lengths_s, one.minimum_s, one.below


def _fault_rows(report: Monthly) -> Iterator[Row]:
    for one in report.faults:
        yield one.origin, one.group, one.fault, one.count
    for node in report.nodes:
        for name in OTHER_COUNTS:
            if name in node.counts:
                yield node.origin, "", name, node.counts[name]


def _uptime_rows(report: Monthly) -> Iterator[Row]:
    for one in report.uptimes:
        whole = one.origin, round(one.whole_s), round(one.ran_s), _whole(one.armed_s), one.messages, one.missing
        yield *whole, "", None
        for name, part_s in one.unarmed:
            yield *whole, name, round(part_s)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds)
