"""A case's bundle made ready to leave: sealed, cut, and named by its hashes for the event."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge.errors import EvidenceError
from edge.event import EvidenceRef
from edge.evidence.parts import split
from edge.outbox import Kind, Message

if TYPE_CHECKING:
    from edge.evidence.bundle import Bundle
    from edge.evidence.seal import Seal
    from edge.mqtt import Topics


@dataclass(frozen=True, slots=True)
class Shipment:
    """What the event must say of its evidence, the bundle as it is sent, and the messages that follow the event."""

    reference: EvidenceRef
    messages: tuple[Message, ...]
    sent: bytes = field(repr=False)


def ship(event_id: str, bundle: Bundle, seal: Seal, topics: Topics, part_bytes: int) -> Shipment:
    """Seal a bundle and cut it into messages of at most ``part_bytes``.

    Raises EvidenceError where sealing fails, or so many parts are needed that their list would be larger than they are.
    """
    sent = seal.close(bundle.data)
    parcels = split(event_id, seal.content_type, sent, part_bytes)
    if len(parcels[0].payload) > part_bytes:
        raise EvidenceError(
            f"The evidence has {len(parcels) - 1} parts, too many to be listed in one message: raise evidence.part_kb"
        )
    reference = EvidenceRef(
        bundle_sha256=bundle.sha256,
        bundle_bytes=len(bundle.data),
        sent_sha256=hashlib.sha256(sent).hexdigest(),
        sent_bytes=len(sent),
        seal=seal.name,
        parts=max(1, len(parcels) - 1),
        missing=bundle.missing,
    )
    messages = tuple(
        Message(
            id=_row_id(event_id, parcel.index),
            topic=topics.evidence(event_id, parcel.index),
            content_type=parcel.content_type,
            payload=parcel.payload,
            kind=Kind.EVIDENCE,
        )
        for parcel in parcels
    )
    return Shipment(reference, messages, sent)


def _row_id(event_id: str, index: int) -> str:
    return f"{event_id}/evidence/{index}" if index else f"{event_id}/evidence"
