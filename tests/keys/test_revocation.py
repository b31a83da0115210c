"""Which events still stand when their key has ended: the rule, and the signed list that carries it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import KeyFileError
from edge.keys.jws import sign_document
from edge.keys.revocation import (
    LIST_TYPE,
    Reason,
    Revocation,
    RevocationList,
    is_refused,
    newer,
    read_list,
    refusal,
    sign_list,
)
from tests.cases import signing_key

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STOLEN = {"thief": Revocation("thief", NOON, Reason.STOLEN)}
AUTHORITY = signing_key(0xCA)

instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


def ended(*kids: str, number: int = 1, since: datetime = NOON) -> RevocationList:
    revoked = {kid: Revocation(kid, since, Reason.STOLEN) for kid in kids}
    return RevocationList(number, NOON, NOON + 30 * 24 * HOUR, MappingProxyType(revoked))


@pytest.mark.parametrize(
    ("claimed", "known", "stands"),
    [
        (NOON - 2 * HOUR, NOON - HOUR, True),  # received before the theft
        (NOON - 2 * HOUR, NOON, False),  # from that instant on
        (NOON - 2 * HOUR, NOON + HOUR, False),  # back-dated by the thief, or waiting in the stolen outbox
        (NOON + HOUR, NOON + HOUR, False),
        (NOON, NOON - HOUR, False),  # claims to be later: the node's clock is wrong, and doubt serves the driver
        (None, NOON - HOUR, True),  # a recording bears no time
        (None, NOON + HOUR, False),
    ],
)
def test_an_event_stands_if_somebody_else_knew_of_it_before(
    claimed: datetime | None, known: datetime, stands: bool
) -> None:
    reason = refusal("thief", claimed=claimed, known_since=known, revocations=STOLEN)
    assert (reason is None) == stands
    assert is_refused("thief", claimed=claimed, known_since=known, revocations=STOLEN) != stands
    assert not is_refused("other", claimed=claimed, known_since=known, revocations=STOLEN)


def test_the_sentence_says_which_key_since_when_and_why() -> None:
    plain = refusal("thief", claimed=NOON, known_since=NOON, revocations=STOLEN)
    assert plain == "The event's key thief was revoked from 2026-05-04T12:00:00Z on (stolen)"
    backdated = refusal("thief", claimed=NOON - HOUR, known_since=NOON + HOUR, revocations=STOLEN)
    assert backdated is not None
    assert "claims an earlier time, but was not known to anybody before 2026-05-04T13:00:00Z" in backdated


@given(claimed=st.none() | instants, known=instants, since=instants, earlier=instants)
def test_no_claim_of_the_node_makes_an_event_stand_and_an_earlier_end_refuses_no_less(
    claimed: datetime | None, known: datetime, since: datetime, earlier: datetime
) -> None:
    def refuses(claim: datetime | None, end: datetime) -> bool:
        revocations = {"k": Revocation("k", end, Reason.COMPROMISED)}
        return is_refused("k", claimed=claim, known_since=known, revocations=revocations)

    if refuses(None, since):
        assert refuses(claimed, since)
    if refuses(claimed, since):
        assert refuses(claimed, min(since, earlier))


def test_a_list_comes_back_as_it_was_signed() -> None:
    listed = ended("a", "b", number=7)
    raw = sign_list(listed, AUTHORITY)
    assert read_list(raw, AUTHORITY.public) == listed
    assert read_list(raw + b"\n", AUTHORITY.public) == listed
    assert listed.stale(listed.next_update + HOUR)
    assert not listed.stale(listed.next_update)


def test_every_changed_byte_of_a_list_fails() -> None:
    raw = sign_list(ended("a"), AUTHORITY)
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(KeyFileError):
            read_list(changed, AUTHORITY.public)


def test_a_list_by_another_authority_is_refused() -> None:
    with pytest.raises(KeyFileError, match="not signed by the trusted authority"):
        read_list(sign_list(ended("a"), signing_key(0xBAD)), AUTHORITY.public)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"nonsense", b'{"a": 1}', b"[" * 100_000])
def test_what_is_no_list_is_refused(raw: bytes) -> None:
    with pytest.raises(KeyFileError):
        read_list(raw, AUTHORITY.public)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "org.stopline.revocations.v2"},
        {"number": -1},
        {"number": True},
        {"number": "1"},
        {"revoked": {}},
        {"revoked": [1]},
        {"revoked": [{"kid": "a", "from": "2026-05-04T12:00:00Z"}]},
        {"revoked": [{"kid": 7, "from": "2026-05-04T12:00:00Z", "reason": "stolen"}]},
        {"revoked": [{"kid": "a", "from": "2026-05-04T12:00:00Z", "reason": "bored"}]},
        {"revoked": [{"kid": "a", "from": "2026-05-04 12:00", "reason": "stolen"}]},
        {"revoked": [{"kid": "a", "from": 7, "reason": "stolen"}]},
        {"revoked": [{"kid": "a", "from": "2026-05-04T12:00:00Z", "reason": "stolen"}] * 2},
        {"issued": "2026-5-4T12:00:00Z"},
        {"more": 1},
    ],
    ids=str,
)
def test_even_the_authority_cannot_sign_another_format(change: dict[str, object]) -> None:
    good = {
        "type": LIST_TYPE,
        "number": 1,
        "issued": "2026-05-04T12:00:00Z",
        "next_update": "2026-06-04T12:00:00Z",
        "revoked": [],
    }
    assert read_list(sign_document(good, AUTHORITY), AUTHORITY.public).number == 1
    with pytest.raises(KeyFileError, match="does not follow its format"):
        read_list(sign_document({**good, **change}, AUTHORITY), AUTHORITY.public)


def test_a_list_never_goes_back() -> None:
    held = ended("a", number=3)
    assert newer(None, held) == held
    assert newer(held, held) == held
    longer = ended("a", "b", number=4)
    assert newer(held, longer) == longer
    earlier = ended("a", number=4, since=NOON - HOUR)
    assert newer(held, earlier) == earlier
    for words, offered in {
        "no newer than number 3": ended("a", "b", number=3),
        "takes back the end of the key a": ended("b", number=4),
        "end of the key a": ended("a", number=4, since=NOON + HOUR),
    }.items():
        with pytest.raises(KeyFileError, match=words):
            newer(held, offered)


def test_a_list_renewed_without_a_change_is_taken() -> None:
    """Its number counts changes; only its dates move on."""
    held = ended("a", number=3)
    renewed = replace(held, issued=held.issued + HOUR, next_update=held.next_update + HOUR)
    assert newer(held, renewed) == renewed
    with pytest.raises(KeyFileError, match="no newer"):
        newer(renewed, held)
