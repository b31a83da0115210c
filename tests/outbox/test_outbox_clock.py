"""A clock that is wrong, or not known yet, neither ends a wait early nor lets anything stay for ever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from edge.clock import KnownUtc
from edge.delivery import Keeping
from edge.outbox import Case, Kind, Message, Outbox

if TYPE_CHECKING:
    from pathlib import Path

NOW_MS = 1_780_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
KEPT = {"kept": "kept", "kept/evidence": "kept"}
SENT = {"sent": "sent", "sent/evidence": "sent"}


@dataclass
class Machine:
    """A machine whose clock is ``off_ms`` beside the truth; chrony states ``bound_ms``, None until it has a server."""

    path: Path
    true_ms: int = NOW_MS
    off_ms: int = 0
    bound_ms: float | None = 1.0

    def start(self) -> Node:
        """The node begins, with what it learnt of the clock in an earlier life forgotten."""
        utc = KnownUtc(lambda: self.bound_ms, lambda: (self.true_ms + self.off_ms) * 1_000_000)
        keeping = Keeping(receipts=True, keep_s=72 * 3600.0)
        return Node(utc, Outbox(self.path, keeping=keeping, utc_ms=utc.now_ms))

    def lose(self, off_days: int) -> None:
        """Power is lost and comes back: the clock stands somewhere, and chrony has no server yet."""
        self.off_ms, self.bound_ms = off_days * DAY_MS, None

    def step(self) -> None:
        """Chrony has its server and sets the clock."""
        self.off_ms, self.bound_ms = 0, 1.0


@dataclass
class Node:
    utc: KnownUtc
    outbox: Outbox

    def tend(self) -> int:
        """What the node does every second: chrony is asked, the outbox tended."""
        self.utc.bound_ms()
        return self.outbox.tend()

    def deliver(self) -> None:
        """One case that the broker has taken, and one that a receiver has confirmed."""
        for name in ("sent", "kept"):
            self.outbox.open_case(lambda _, name=name: Case(name, b"{}"))  # type: ignore[misc]
            rows = [Message(name, "t", "c", b"e"), Message(f"{name}/evidence", "t", "c", b"p", Kind.EVIDENCE)]
            self.outbox.complete_case(name, rows)
            self.outbox.delivered([row.id for row in rows])
        self.outbox.confirmed("kept", whole=True)

    def states(self) -> dict[str, str]:
        return {row.message.id: row.state.value for row in self.outbox.rows(100)}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "outbox.db")


def test_a_clock_that_is_behind_at_boot_ends_nothing_early(machine: Machine) -> None:
    node = machine.start()
    node.tend()
    node.deliver()
    node.outbox.close()
    machine.true_ms += HOUR_MS // 2
    machine.lose(-200)
    node = machine.start()
    for _ in range(3):
        assert node.tend() == 0
        assert node.states() == KEPT | SENT
    machine.step()
    assert node.tend() == 0
    assert node.states() == KEPT | SENT
    machine.true_ms += HOUR_MS // 2
    assert node.tend() == 2  # an hour after they were sent, as ever
    machine.true_ms += 71 * HOUR_MS - 1
    node.tend()
    assert KEPT.items() <= node.states().items()
    machine.true_ms += 1
    node.tend()
    assert KEPT.keys().isdisjoint(node.states())
    node.outbox.close()


@pytest.mark.parametrize("off_days", [-20_000, -200, 0, 400])
@pytest.mark.parametrize("restart", [False, True])
def test_what_begins_while_utc_is_not_known_is_counted_from_when_it_is(
    machine: Machine, off_days: int, restart: bool
) -> None:
    machine.lose(off_days)
    node = machine.start()
    node.tend()
    node.deliver()
    assert node.tend() == 0
    machine.true_ms += 1000 * HOUR_MS
    if restart:
        node.outbox.close()
        node = machine.start()
    assert node.tend() == 0
    assert node.states() == KEPT | SENT
    machine.step()
    assert node.tend() == 0
    assert node.states() == KEPT | SENT
    if restart:
        node.outbox.close()
        node = machine.start()
    machine.true_ms += HOUR_MS - 1
    assert node.tend() == 0
    machine.true_ms += 1
    assert node.tend() == 2
    assert node.states() == KEPT | dict.fromkeys(SENT, "pending")
    machine.true_ms += 71 * HOUR_MS
    node.tend()
    assert KEPT.keys().isdisjoint(node.states())
    node.outbox.close()


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_was_ahead_though_it_was_known_keeps_nothing_for_long(machine: Machine, restart: bool) -> None:
    """As where a time server is wrong: the deadlines lie a year away, and are drawn in once the clock is right."""
    machine.off_ms = 400 * DAY_MS
    node = machine.start()
    node.tend()
    node.deliver()
    if restart:
        node.outbox.close()
        machine.lose(-200)
        node = machine.start()
        node.tend()
    machine.step()
    assert node.tend() == 0
    assert node.states() == KEPT | SENT
    machine.true_ms += DAY_MS
    assert node.tend() == 2
    machine.true_ms += 2 * DAY_MS
    node.tend()
    assert KEPT.keys().isdisjoint(node.states())
    node.outbox.close()


def test_a_receipt_that_comes_before_utc_is_known_drops_nothing_of_what_waits(machine: Machine) -> None:
    machine.lose(-200)
    node = machine.start()
    node.deliver()
    machine.step()
    node.utc.bound_ms()  # known now, but the outbox was not tended since
    node.outbox.confirmed("sent", whole=True)
    assert set(node.states().values()) == {"kept"}
    assert len(node.states()) == 4
    node.outbox.close()


def test_a_wait_of_no_length_needs_no_clock(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db", keeping=Keeping(receipts=True), utc_ms=lambda: None) as outbox:
        outbox.append(Message("e", "t", "c", b"e"))
        outbox.delivered(["e"])
        assert outbox.counts().sent == 1
        outbox.confirmed("e", whole=True)
        assert outbox.counts().delivered == 1
        assert outbox.rows(10) == []
