"""How many days the node's certificates have left: of the first to end, read anew once an hour."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from edge.keys import create_key
from edge.keys.expiry import READ_EVERY_S, CertificateDays, first_end
from tests.keys.fleet import Fleet, found

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return found(tmp_path)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_first_certificate_to_end_counts(fleet: Fleet) -> None:
    signing, tls = fleet.node(days=300), fleet.node("main-and-3rd/tls", file="tls.key", days=20)
    assert CertificateDays([signing], now_ms)() == pytest.approx(300, abs=0.02)
    assert CertificateDays([signing, tls], now_ms)() == pytest.approx(20, abs=0.02)
    assert CertificateDays([tls, signing], now_ms)() == pytest.approx(20, abs=0.02)


def test_one_that_follows_in_the_same_file_counts_too(fleet: Fleet, tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_bytes(
        fleet.node(days=300).read_bytes() + fleet.node("main-and-3rd/second", file="second.key", days=5).read_bytes()
    )
    assert CertificateDays([chain], now_ms)() == pytest.approx(5, abs=0.02)


def test_one_that_has_ended_has_less_than_none_left(fleet: Fleet) -> None:
    ended = fleet.node(ago=timedelta(days=10), days=3)
    assert CertificateDays([ended], now_ms)() == pytest.approx(-7, abs=0.02)


def test_where_there_is_no_certificate_nothing_is_told(fleet: Fleet, tmp_path: Path) -> None:
    create_key(tmp_path / "bare.key")
    damaged = tmp_path / "damaged.pem"
    damaged.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    nothing = [tmp_path / "bare.key", damaged, tmp_path / "absent.pem"]
    assert first_end(nothing) is None
    assert CertificateDays(nothing, now_ms)() is None
    assert CertificateDays([*nothing, fleet.node(days=40)], now_ms)() == pytest.approx(40, abs=0.02)


def test_a_clock_that_is_not_known_tells_no_days(fleet: Fleet) -> None:
    utc_ms: int | None = None
    days = CertificateDays([fleet.node(days=40)], lambda: utc_ms)
    assert days() is None
    utc_ms = now_ms()
    assert days() == pytest.approx(40, abs=0.02)


def test_a_certificate_renewed_in_place_shows_within_the_hour_and_is_not_read_before(fleet: Fleet) -> None:
    now_s = 1000.0
    file, renewed = fleet.node(days=3), fleet.node("main-and-3rd/renewed", file="renewed.key", days=366)
    days = CertificateDays([file], now_ms, lambda: now_s)
    assert days() == pytest.approx(3, abs=0.02)
    renewed.replace(file)
    now_s += READ_EVERY_S - 1
    assert days() == pytest.approx(3, abs=0.02)
    now_s += 1
    assert days() == pytest.approx(366, abs=0.02)
