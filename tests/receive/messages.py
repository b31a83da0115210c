"""What a broker hands to a receiver, made by hand, and judged."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from edge import event
from edge.evidence.parts import split
from edge.keys import trust
from edge.keys.trusted import Trust
from edge.mqtt import Publication, Received, Topics
from edge.receive.judge import Judged, judge
from edge.receive.trust import Trusted
from tests.receive.fleet_of_cases import KEY

TRUSTED = Trusted(Trust({}), trust(KEY.public))
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def judged(*messages: Publication) -> list[Judged]:
    """Messages as the receiver judges them."""
    return [
        judge(
            Received(one.topic, one.payload, one.content_type, retained=False, expiry_s=None, user_properties=()),
            TRUSTED,
            NOW,
        )
        for one in messages
    ]


def messages_of(raw: bytes, bundle: bytes) -> list[Publication]:
    """A signed event and its bundle as a node sends them."""
    document = json.loads(raw)
    site, _, node = document["source"].removeprefix("stopline://").partition("/")
    topics = Topics("stopline", site, node)
    parcels = split(document["id"], "application/x-tar", bundle, max(1, len(bundle)))
    evidence = [
        Publication(topics.evidence(document["id"], one.index), one.payload, one.content_type) for one in parcels
    ]
    return [Publication(topics.violation, raw, event.CONTENT_TYPE), *evidence]
