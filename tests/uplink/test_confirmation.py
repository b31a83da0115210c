"""What a receipt says of an event that the node holds, or holds no more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from edge.confirmation import Confirmations
from edge.delivery import Keeping
from edge.errors import EventError
from edge.keys import trust
from edge.outbox import Kind, Message, Outbox
from edge.receipt import Receipt, sign_receipt, stored_whole
from tests.cases import signing_key
from tests.receive.fleet_of_cases import Made, made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = signing_key(0x4EC)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
BARE, FULL = made(1), made(2, bundle_bytes=9_000)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db", keeping=Keeping(receipts=True)) as opened:
        yield opened


def said(one: Made, bundle_sha256: str | None) -> Receipt:
    return Receipt(one.id, one.sha256, bundle_sha256, NOON)


def test_all_is_stored_when_the_bundle_is_that_the_event_names() -> None:
    assert stored_whole(said(BARE, None), BARE.raw)
    assert not stored_whole(said(FULL, None), FULL.raw)
    assert stored_whole(said(FULL, FULL.bundle_sha256), FULL.raw)


def test_other_bytes_or_another_bundle_are_a_contradiction() -> None:
    with pytest.raises(EventError, match="of another event"):
        stored_whole(said(BARE, None), FULL.raw)
    for event, bundle in ((BARE, FULL.bundle_sha256), (FULL, "0" * 64)):
        with pytest.raises(EventError, match="of other evidence"):
            stored_whole(said(event, bundle), event.raw)


def test_evidence_whose_event_went_before_receipts_were_awaited_is_known_by_its_id(outbox: Outbox) -> None:
    outbox.append(Message(f"{FULL.id}/evidence/1", "t", "c", b"part", Kind.EVIDENCE))
    confirmations = Confirmations(trust(KEY.public), outbox, lambda _: None)
    confirmations.take(sign_receipt(said(FULL, None), KEY))
    assert outbox.counts().pending == 1
    confirmations.take(sign_receipt(said(FULL, FULL.bundle_sha256), KEY))
    assert outbox.rows(1) == []
    assert (confirmations.taken, confirmations.ignored) == (2, 0)


def test_what_is_wrong_is_told_ever_more_rarely(outbox: Outbox) -> None:
    told: list[str] = []
    confirmations = Confirmations(trust(KEY.public), outbox, told.append)
    for _ in range(100):
        confirmations.take(b"{}")
    assert confirmations.ignored == 100
    assert [words.split()[4] for words in told] == ["1", "2", "4", "8", "16", "32", "64"]
