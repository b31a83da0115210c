"""When checkpoints are signed, and what they count."""

from __future__ import annotations

from edge.config import Ledger
from edge.ledger import checkpoint
from edge.ledger.merkle import Edge, leaf_hash
from edge.ledger.publisher import Publisher, Source
from tests.ledger.ledgers import KEY, KEYS, ORIGIN


class Node:
    """A ledger that grows, and what its publisher has said."""

    def __init__(self, every_events: int, every_minutes: float = 60.0) -> None:
        self.edge = Edge()
        self.looks = 0
        self.said: list[bytes] = []
        pace = Ledger(every_events=every_events, every_minutes=every_minutes)
        self.publisher = Publisher(Source(ORIGIN, KEY, self.read), pace, self.said.append)

    def read(self) -> Edge:
        self.looks += 1
        return self.edge

    def log(self, events: int = 1) -> None:
        self.edge = self.edge.extend([leaf_hash(b"event")] * events)

    def sizes(self) -> list[int]:
        return [checkpoint.verify(raw, KEYS).checkpoint.size for raw in self.said]


def test_a_node_says_at_its_start_how_its_ledger_stands() -> None:
    node = Node(every_events=10)
    node.log(3)
    node.publisher.look(0)
    assert node.sizes() == [3]
    assert checkpoint.verify(node.said[0], KEYS).checkpoint == checkpoint.of_edge(ORIGIN, node.edge)


def test_each_event_gets_a_checkpoint_where_that_is_asked_for() -> None:
    node = Node(every_events=1)
    for second in range(5):
        node.publisher.look(second)
        node.log()
    assert node.sizes() == [0, 1, 2, 3, 4]


def test_a_checkpoint_comes_after_so_many_events() -> None:
    node = Node(every_events=3)
    for second in range(10):
        node.publisher.look(second)
        node.log()
    assert node.sizes() == [0, 3, 6, 9]


def test_or_so_long_after_the_first_event_that_none_counts() -> None:
    node = Node(every_events=100, every_minutes=2)
    node.publisher.look(0)
    node.publisher.look(1000)
    node.log()
    for second in (1001, 1060, 1119.5):
        node.publisher.look(second)
    assert node.sizes() == [0]
    node.publisher.look(1121)
    assert node.sizes() == [0, 1]
    node.publisher.look(2000)
    assert node.sizes() == [0, 1]


def test_what_is_left_is_counted_at_the_end_and_only_then() -> None:
    node = Node(every_events=100)
    node.publisher.look(0)
    node.log(7)
    node.publisher.finish()
    node.publisher.finish()
    assert node.sizes() == [0, 7]


def test_looking_at_every_frame_reads_the_disk_once_a_second() -> None:
    node = Node(every_events=1)
    for frame in range(250):
        node.publisher.look(frame / 25)
    assert node.looks == 10
