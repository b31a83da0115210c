"""The receipt: a receiver's signed word that it has stored an event, and the event's bundle or not yet.

Canonical JSON (RFC 8785) with a detached signature, as revocation lists have it. Pure: no clock is read here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from edge.errors import EventError
from edge.keys.instants import read_instant, write_instant
from edge.keys.jws import holds, read_document, sign_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from edge.keys import PublicKey, SigningKey

RECEIPT_TYPE: Final = "org.stopline.receipt.v1"
CONTENT_TYPE: Final = "application/json"
MAX_BYTES: Final = 4096

_FIELDS = {"type", "event", "event_sha256", "bundle_sha256", "received", "receiver"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver has. ``event_sha256`` is of the event's bytes, signature included.

    ``bundle_sha256`` is of the bundle as it was sent (``sent_sha256`` in the event), None while it is not stored. An
    event that names no bundle never has one. ``received`` is when the event first came, to the second.
    """

    event_id: str
    event_sha256: str
    bundle_sha256: str | None
    received: datetime


def sign_receipt(receipt: Receipt, key: SigningKey) -> bytes:
    """The receipt as it is published."""
    document = {
        "type": RECEIPT_TYPE,
        "event": receipt.event_id,
        "event_sha256": receipt.event_sha256,
        "bundle_sha256": receipt.bundle_sha256,
        "received": write_instant(receipt.received),
        "receiver": key.kid,
    }
    return sign_document(document, key)


def read_receipt(raw: bytes, keys: Mapping[str, PublicKey]) -> Receipt:
    """A receipt that one of the trusted receivers (by ``kid``) signed. Raises EventError in a reader's words."""
    if len(raw) > MAX_BYTES:
        raise EventError(f"This is no receipt: it has more than {MAX_BYTES} bytes")
    try:
        document, payload, signature = read_document(raw)
        receipt, receiver = _receipt(document)
    except (ValueError, KeyError, TypeError) as error:
        raise EventError(f"This is no receipt ({error}): wait for the receiver's next one") from None
    if receiver not in keys:
        raise EventError(
            f"The receipt is by the key {receiver}, which is no trusted receiver's: correct the list of keys"
        )
    if not holds(signature, payload, keys[receiver]):
        raise EventError("The receipt was changed after it was signed: wait for the receiver's next one")
    return receipt


def stored_whole(receipt: Receipt, event: bytes) -> bool:
    """Whether a receipt says that all of an event is stored: itself, and its bundle where it names one.

    ``event`` is the event's bytes as they were sent. Raises EventError where the receipt is of other bytes.
    """
    named = _bundle_named(event)
    if receipt.event_sha256 != sha256(event).hexdigest():
        raise EventError(
            f"The receipt for {receipt.event_id} is of another event with that id: ask the receiver's operator"
        )
    if receipt.bundle_sha256 not in {None, named}:
        raise EventError(f"The receipt for {receipt.event_id} is of other evidence: ask the receiver's operator")
    return receipt.bundle_sha256 == named


def _bundle_named(event: bytes) -> str | None:
    """The hash of the bundle as it is sent, as an event of ours names it; None where it has none."""
    try:
        evidence = json.loads(event)["data"]["evidence"]
        return None if evidence is None else str(evidence["sent_sha256"])
    except (ValueError, KeyError, TypeError):
        return None


def _receipt(document: Mapping[str, Any]) -> tuple[Receipt, str]:
    if set(document) != _FIELDS or document["type"] != RECEIPT_TYPE:
        raise ValueError("it has other fields")
    event_id, receiver, bundle = document["event"], document["receiver"], document["bundle_sha256"]
    if not isinstance(event_id, str) or not isinstance(receiver, str):
        raise ValueError("its names are of another kind")  # noqa: TRY004 - one error for whatever is no receipt
    if bundle is not None and not _SHA256.fullmatch(bundle):
        raise ValueError("its hash of the bundle is none")
    if not _SHA256.fullmatch(document["event_sha256"]):
        raise ValueError("its hash of the event is none")
    return Receipt(event_id, document["event_sha256"], bundle, read_instant(document["received"])), receiver
