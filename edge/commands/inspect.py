"""``stopline inspect``: what arrives at a broker, each event checked as it comes, and kept with its evidence."""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from edge.evidence.collector import Collector, Receipt
from edge.evidence.parts import Parcel
from edge.keys import load_public_keys
from edge.monitor import Check, SeenEvent, SeenEvidence, Tally, watch, watch_with_evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from edge.config import Broker

Shown = SeenEvent | Receipt
Show = Callable[[Shown], None]

_ROWS_KEPT = 30
_COLUMNS = ("received", "site/node", "lane", "class", "time", "red at least", "check")


def inspect(
    broker: Broker, key_files: Sequence[Path], show: Show, notices: Console, *, seconds: float | None, count: int | None
) -> Tally:
    """Show events until the time or number is reached, SIGTERM or Ctrl-C; gives what was counted.

    Raises BrokerError or KeyFileError.
    """
    keys = load_public_keys(key_files)
    tally = Tally()
    ready = _ready(broker, notices)
    with _until_asked_to_end():
        for seen in watch(broker, broker.prefix, keys, seconds=seconds, stop_after=count, on_ready=ready):
            tally.add(seen)
            show(seen)
    return tally


def collect(
    broker: Broker,
    key_files: Sequence[Path],
    folder: Path,
    show: Show,
    notices: Console,
    *,
    seconds: float | None,
    count: int | None,
) -> tuple[Tally, int]:
    """As ``inspect``, and keep every event that verifies with its evidence in a folder.

    Also gives how many of them came without all of their evidence. Raises EvidenceError where the folder cannot be
    written.
    """
    keys = load_public_keys(key_files)
    collector = Collector(folder)
    tally = Tally()
    short = 0

    def tell(receipts: Iterable[Receipt]) -> None:
        nonlocal short
        for receipt in receipts:
            short += not receipt.complete
            show(receipt)

    with _until_asked_to_end():
        for seen in watch_with_evidence(
            broker,
            broker.prefix,
            keys,
            waiting=lambda: collector.waiting,
            seconds=seconds,
            stop_after=count,
            on_ready=_ready(broker, notices),
        ):
            if isinstance(seen, SeenEvidence):
                collector.parcel(seen.event_id, Parcel(seen.index, seen.content_type, seen.payload))
            else:
                tally.add(seen)
                show(seen)
                if seen.id is not None and seen.state is not None:
                    collector.alone(seen.id, seen.payload)
                elif seen.id is not None:
                    collector.event(seen.id, seen.payload, seen.evidence)
            tell(collector.take_receipts())
    tell(collector.finish())
    return tally, short


def _ready(broker: Broker, notices: Console) -> Callable[[], None]:
    return partial(notices.print, f"listening to {broker.prefix}/# at {broker.url}", highlight=False, soft_wrap=True)


@contextmanager
def _until_asked_to_end() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end what is inside, as if it had come to its end."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def shown_on(console: Console, *, as_json: bool) -> Iterator[Show]:
    """A live table on a terminal, a line an event elsewhere, JSON lines with ``as_json``."""
    if as_json:
        yield lambda seen: print(json.dumps(row_of(seen)), flush=True)
    elif console.is_terminal:
        rows: deque[Shown] = deque(maxlen=_ROWS_KEPT)
        with Live(_table(rows), console=console, auto_refresh=False) as live:

            def show(seen: Shown) -> None:
                rows.append(seen)
                live.update(_table(rows), refresh=True)

            yield show
    else:
        yield lambda seen: console.print("  ".join(_cells(seen)), markup=False, soft_wrap=True)


def row_of(seen: Shown) -> dict[str, object]:
    """What was seen of one event or its evidence, as JSON can carry it; the event itself is left out."""
    if isinstance(seen, Receipt):
        return {
            "id": seen.event_id,
            "evidence": seen.words,
            "complete": seen.complete,
            "file": None if seen.file is None else str(seen.file),
        }
    return {
        "received": seen.received.isoformat(),
        "check": seen.check.value,
        "reason": seen.reason,
        "repeated": seen.repeated,
        "site": seen.site,
        "node": seen.node,
        "id": seen.id,
        "lane": seen.lane,
        "vehicle_class": seen.vehicle_class,
        "time": seen.time,
        "t_cross_s": seen.t_cross_s,
        "red_at_least_s": seen.red_at_least_s,
        "state": seen.state,
        "words": seen.words,
    }


def _table(rows: deque[Shown]) -> Table:
    table = Table(*_COLUMNS)
    for seen in rows:
        table.add_row(*(escape(cell) for cell in _cells(seen)), style=None if _is_good(seen) else "red")
    return table


def _is_good(seen: Shown) -> bool:
    return seen.complete if isinstance(seen, Receipt) else seen.check is Check.VERIFIED


def _cells(seen: Shown) -> tuple[str, ...]:
    """One event as text, in the order of the columns; what did not verify shows nothing but where it came from."""
    if isinstance(seen, Receipt):
        kept = f" in {seen.file}" if seen.file else ""
        return "-", "-", "-", "-", "-", "-", f"{seen.event_id}: {seen.words}{kept}"
    when = seen.time or (f"{seen.t_cross_s:.3f} s" if seen.t_cross_s is not None else "-")
    red = "-" if seen.red_at_least_s is None else f"red for at least {seen.red_at_least_s:.2f} s"
    red = red if seen.state is None else f"{seen.state}: {seen.words}"
    check = seen.check.value + (", repeated" if seen.repeated else "") + (f": {seen.reason}" if seen.reason else "")
    place = f"{seen.site}/{seen.node}"
    return seen.received.strftime("%H:%M:%S"), place, seen.lane or "-", seen.vehicle_class or "-", when, red, check
