"""A new key vouched for by the old one, the time that both count, and a thief who tries the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from edge.errors import KeyFileError
from edge.keys import trust
from edge.keys.revocation import Reason, Revocation
from edge.keys.succession import read_succession, sign_succession, succession_refusal
from edge.keys.trusted import TrustedKey, key_refusal, succeeded
from tests.cases import signing_key

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SOURCE = "stopline://main-and-3rd/edge-1"
OLD, NEW, OTHER = signing_key(1), signing_key(2), signing_key(3)
STATEMENT = sign_succession(SOURCE, OLD, NEW, NOON, NOON + 30 * DAY)


def test_the_new_key_comes_with_the_old_ones_word() -> None:
    succession = read_succession(STATEMENT, trust(OLD.public))
    assert (succession.source, succession.old, succession.new.kid) == (SOURCE, OLD.kid, NEW.kid)
    assert (succession.since, succession.old_until) == (NOON, NOON + 30 * DAY)
    assert succession.new.pem == NEW.public.pem


def test_every_changed_byte_fails() -> None:
    for place in range(len(STATEMENT)):
        changed = STATEMENT[:place] + bytes([STATEMENT[place] ^ 1]) + STATEMENT[place + 1 :]
        with pytest.raises(KeyFileError):
            read_succession(changed, trust(OLD.public))


def test_a_key_that_is_not_trusted_vouches_for_nobody() -> None:
    with pytest.raises(KeyFileError, match="which is not trusted here"):
        read_succession(STATEMENT, trust(OTHER.public))


def test_nobody_is_followed_by_a_key_that_did_not_agree() -> None:
    """Else a node could claim another's key, and its good name with it."""

    class Pretender:
        kid = NEW.kid
        public = NEW.public

        def sign(self, message: bytes) -> bytes:
            return OLD.sign(message)

    raw = sign_succession(SOURCE, OLD, Pretender(), NOON, NOON + DAY)
    with pytest.raises(KeyFileError, match="was changed after it was signed"):
        read_succession(raw, trust(OLD.public))


def test_both_keys_count_during_the_overlap_and_one_outside_it() -> None:
    before = TrustedKey(OLD.public, SOURCE, NOON - 300 * DAY, NOON + 60 * DAY)
    old, new = succeeded(before, read_succession(STATEMENT, trust(OLD.public)))

    def counts(key: TrustedKey, at: datetime) -> bool:
        return key_refusal(key, SOURCE, claimed=at, known_since=at, revocations={}) is None

    assert [counts(old, NOON + days * DAY) for days in (-1, 1, 29, 31)] == [True, True, True, False]
    assert [counts(new, NOON + days * DAY) for days in (-1, 1, 29, 31, 61)] == [False, True, True, True, False]


def test_an_event_of_the_old_key_that_was_known_in_time_stands_for_good() -> None:
    old = TrustedKey(OLD.public, SOURCE, NOON - DAY, NOON)
    early = NOON - timedelta(hours=1)
    assert key_refusal(old, SOURCE, claimed=early, known_since=early, revocations={}) is None
    late = key_refusal(old, SOURCE, claimed=early, known_since=NOON + DAY, revocations={})
    assert late is not None
    assert "ended at 2026-05-04T12:00:00Z, and the event was not known before" in late


def test_one_nodes_key_signs_in_nobody_elses_name() -> None:
    key = TrustedKey(OLD.public, SOURCE, NOON - DAY, NOON + DAY)
    words = key_refusal(key, "stopline://main-and-3rd/edge-2", claimed=NOON, known_since=NOON, revocations={})
    assert words is not None
    assert "belongs to stopline://main-and-3rd/edge-1" in words
    statement = read_succession(STATEMENT, trust(OLD.public))
    with pytest.raises(KeyFileError, match="not for the key of stopline://elsewhere/edge-1"):
        succeeded(TrustedKey(OLD.public, "stopline://elsewhere/edge-1", NOON, NOON), statement)


def test_whoever_stole_the_node_cannot_hand_its_name_to_a_key_of_their_own() -> None:
    theft = {OLD.kid: Revocation(OLD.kid, NOON + DAY, Reason.STOLEN)}
    statement = read_succession(STATEMENT, trust(OLD.public))
    in_time = NOON + timedelta(hours=1)
    assert succession_refusal(statement, known_since=in_time, revocations=theft) is None
    too_late = succession_refusal(statement, known_since=NOON + 2 * DAY, revocations=theft)
    assert too_late is not None
    assert "was revoked from 2026-05-05T12:00:00Z on (stolen)" in too_late
    assert succession_refusal(statement, known_since=NOON + 40 * DAY, revocations={}) is not None
