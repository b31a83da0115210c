"""A node's ledger for the tests: signed events, its checkpoints, and the ways to tamper with a copy of it."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from edge import event
from edge.commands.ledger import entry_of
from edge.keys import trust
from edge.ledger import checkpoint, merkle
from tests.cases import signing_key, unsigned

if TYPE_CHECKING:
    from edge.ledger.findings import Entry

ORIGIN = "main-and-3rd/edge-1"
KEY = signing_key()
KEYS = trust(KEY.public)
STRANGER = signing_key(0xBAD)


def uuid_of(number: int) -> str:
    return event.uuid7(1_750_000_000_000 + number, bytes([number % 251]) * 10)


@cache
def signed_event(number: int, place: int, salt: int = 0, secret: int = 0x5EED) -> bytes:
    """The bytes of event ``number`` for a place of the ledger; another ``salt`` gives other content."""
    document = {**unsigned(sequence=place + 1, frames=3), "id": uuid_of(number)}
    data = document["data"]
    assert isinstance(data, dict)
    document["data"] = data | {"nonce": f"{number:030x}{salt:02x}"}
    return event.sign(document, signing_key(secret))


@cache
def ledger(size: int) -> tuple[bytes, ...]:
    """The events of a node, in the order it logged them."""
    return tuple(signed_event(number, number) for number in range(size))


def leaves(events: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(merkle.leaf_hash(raw) for raw in events)


def checkpoint_of(events: tuple[bytes, ...], size: int | None = None) -> checkpoint.Checkpoint:
    known = leaves(events)[:size]
    return checkpoint.Checkpoint(ORIGIN, len(known), merkle.root_of(known))


def note_of(events: tuple[bytes, ...], size: int | None = None) -> bytes:
    return checkpoint.sign(checkpoint_of(events, size), KEY).encoded()


@cache
def _entry(raw: bytes) -> Entry:
    found = entry_of(1, raw, KEYS, ORIGIN)
    assert found is not None
    return found


def entries(lines: list[bytes] | tuple[bytes, ...]) -> list[Entry]:
    """The lines of a copy as the audit is given them; each event is verified once."""
    return [replace(_entry(raw), line=number) for number, raw in enumerate(lines, start=1)]


def changed(raw: bytes) -> bytes:
    """The same event with one figure altered after it was signed."""
    document = json.loads(raw)
    document["data"]["red_time"]["at_least_s"] += 0.25
    return event.canonical(document)
