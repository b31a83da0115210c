"""Events of made-up nodes with evidence, and a sender that puts them on a broker in any order."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge import event
from edge.config import Broker
from edge.event import EvidenceRef, with_evidence
from edge.evidence.parts import Parcel, split
from edge.mqtt import Connection, Publication, Topics
from tests.cases import SITE, case, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.keys import FileKey

KEY = signing_key()
SEALED = "application/vnd.stopline.evidence+age"
PART_BYTES = 16_384


@dataclass(frozen=True)
class Made:
    """An event as a node would send it, with its bundle; ``messages`` are all it takes, in a node's order."""

    id: str
    node: str
    raw: bytes
    bundle: bytes | None
    messages: tuple[Publication, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()

    @property
    def bundle_sha256(self) -> str | None:
        return None if self.bundle is None else hashlib.sha256(self.bundle).hexdigest()


def made(
    number: int,
    node: str = "edge-1",
    bundle_bytes: int = 0,
    key: FileKey = KEY,
    sequence: int | None = None,
    time: str | None = None,
    change: Callable[[dict[str, Any]], None] = lambda _document: None,
) -> Made:
    """The event with this number of a node, the same every time but for its signature.

    ``change`` is done to it before it is signed; what it says need not follow from its raw data then.
    """
    dice = random.Random(f"{node}/{number}")  # noqa: S311 - the same every time
    id_ = event.uuid7(1_750_000_000_000 + number, dice.randbytes(10))
    one = case(3)
    document = event.build(one, event_id=id_, nonce=dice.randbytes(16), sequence=sequence or number)
    document["source"] = f"stopline://{SITE.site.id}/{node}"
    if time is not None:
        document["time"] = time
    change(document)
    topics = Topics("stopline", SITE.site.id, node)
    content = dice.randbytes(bundle_bytes) if bundle_bytes else None
    parcels: tuple[Parcel, ...] = ()
    if content is not None:
        parcels = split(id_, SEALED, content, PART_BYTES)
        digest = hashlib.sha256(content).hexdigest()
        parts = max(1, len(parcels) - 1)
        document = with_evidence(document, EvidenceRef("b0" * 32, 1, digest, len(content), "age", parts))
    raw = event.sign(document, key)
    messages = [Publication(topics.violation, raw, event.CONTENT_TYPE)]
    messages += [Publication(topics.evidence(id_, one.index), one.payload, one.content_type) for one in parcels]
    return Made(id_, node, raw, content, tuple(messages))


def send(url: str, messages: list[Publication], name: str = "sender") -> None:
    """Publish in this order; back when the broker has taken all."""
    connection = Connection(Broker(url=url), name)
    connection.open()
    answered = 0
    try:
        for message in messages:
            while connection.room <= 0:
                connection.pump(0.05)
                answered += len(connection.take_acks())
            connection.publish(message)
        while answered < len(messages):
            connection.pump(0.05)
            answered += len(connection.take_acks())
    finally:
        connection.close()
