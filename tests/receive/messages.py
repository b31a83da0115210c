"""What a broker hands to a receiver, made by hand, and judged."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from edge import event
from edge.evidence.parts import split
from edge.evidence.seal import PLAIN_TYPE, SEALED_TYPE
from edge.keys import trust
from edge.keys.trusted import Trust
from edge.mqtt import Publication, Received, Topics
from edge.receive.judge import Judged, judge
from edge.receive.trust import Trusted
from tests.receive.fleet_of_cases import KEY

KINDS = {"age": SEALED_TYPE, "none": PLAIN_TYPE}
TRUSTED = Trusted(Trust({}), trust(KEY.public))
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def judged(*messages: Publication, trusted: Trusted = TRUSTED) -> list[Judged]:
    """Messages as the receiver judges them."""
    return [
        judge(
            Received(one.topic, one.payload, one.content_type, retained=False, expiry_s=None, user_properties=()),
            trusted,
            NOW,
        )
        for one in messages
    ]


def messages_of(raw: bytes, bundle: bytes) -> list[Publication]:
    """A signed event and its bundle as a node sends them."""
    document = json.loads(raw)
    site, _, node = document["source"].removeprefix("stopline://").partition("/")
    topics = Topics("stopline", site, node)
    evidence = document["data"]["evidence"]
    kind = KINDS[evidence["seal"]]
    parcels = split(document["id"], kind, bundle, max(1, -(-len(bundle) // evidence["parts"])))
    parts = [Publication(topics.evidence(document["id"], one.index), one.payload, one.content_type) for one in parcels]
    return [Publication(topics.violation, raw, event.CONTENT_TYPE), *parts]
