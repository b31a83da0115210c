"""``stopline inspect``: what arrives at a broker, each event checked as it comes."""

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

from edge.keys import load_public_keys
from edge.monitor import Check, SeenEvent, Tally, watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from edge.config import Broker

Show = Callable[[SeenEvent], None]

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
    ready = partial(notices.print, f"listening to {broker.prefix}/# at {broker.url}", highlight=False, soft_wrap=True)
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for seen in watch(broker, broker.prefix, keys, seconds=seconds, stop_after=count, on_ready=ready):
            tally.add(seen)
            show(seen)
    except KeyboardInterrupt:
        pass  # asked to end, as SIGTERM does
    finally:
        signal.signal(signal.SIGTERM, previous)
    return tally


@contextmanager
def shown_on(console: Console, *, as_json: bool) -> Iterator[Show]:
    """A live table on a terminal, a line an event elsewhere, JSON lines with ``as_json``."""
    if as_json:
        yield lambda seen: print(json.dumps(row_of(seen)), flush=True)
    elif console.is_terminal:
        rows: deque[SeenEvent] = deque(maxlen=_ROWS_KEPT)
        with Live(_table(rows), console=console, auto_refresh=False) as live:

            def show(seen: SeenEvent) -> None:
                rows.append(seen)
                live.update(_table(rows), refresh=True)

            yield show
    else:
        yield lambda seen: console.print("  ".join(_cells(seen)), markup=False, soft_wrap=True)


def row_of(seen: SeenEvent) -> dict[str, object]:
    """What was seen of one event, as JSON can carry it; the event itself is left out."""
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
    }


def _table(rows: deque[SeenEvent]) -> Table:
    table = Table(*_COLUMNS)
    for seen in rows:
        table.add_row(*(escape(cell) for cell in _cells(seen)), style=None if seen.check is Check.VERIFIED else "red")
    return table


def _cells(seen: SeenEvent) -> tuple[str, ...]:
    """One event as text, in the order of the columns; what did not verify shows nothing but where it came from."""
    when = seen.time or (f"{seen.t_cross_s:.3f} s" if seen.t_cross_s is not None else "-")
    red = "-" if seen.red_at_least_s is None else f"red for at least {seen.red_at_least_s:.2f} s"
    check = seen.check.value + (", repeated" if seen.repeated else "") + (f": {seen.reason}" if seen.reason else "")
    place = f"{seen.site}/{seen.node}"
    return seen.received.strftime("%H:%M:%S"), place, seen.lane or "-", seen.vehicle_class or "-", when, red, check
