from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import event
from edge.errors import EventError
from edge.event import Clock, ViolationCase
from edge.keys import trust
from edge.records import VehicleClass, Verdict
from tests.cases import EVENT_ID, NONCE, case, signing_key, unsigned, without_utc

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = signing_key()
TRUSTED = trust(KEY.public)
RAW = event.sign(unsigned(frames=3), KEY)


def built(violation: ViolationCase) -> dict[str, Any]:
    return event.build(violation, event_id=EVENT_ID, nonce=NONCE, sequence=1)


def shifted(violation: ViolationCase, by_ns: int) -> ViolationCase:
    passage = violation.passage
    assert passage.t_confirm_ns is not None
    moved = replace(
        passage,
        t_cross_ns=passage.t_cross_ns + by_ns,
        t_confirm_ns=passage.t_confirm_ns + by_ns,
        points=tuple(replace(point, t_ns=point.t_ns + by_ns) for point in passage.points),
    )
    edges = tuple(replace(edge, t_ns=edge.t_ns + by_ns) for edge in violation.lamp_edges)
    return replace(violation, passage=moved, lamp_edges=edges)


def resigned(document: dict[str, Any]) -> bytes:
    """A genuine signature over whatever the document says."""
    return event.sign({name: value for name, value in document.items() if name != "signature"}, KEY)


def with_signature(header: dict[str, Any], make: Callable[[bytes], bytes]) -> bytes:
    """The event with a signature of our own making under a header of our choice."""
    head = encoded(json.dumps(header).encode())
    signing_input = head.encode() + b"." + event.canonical(unsigned(frames=3))
    return event.canonical({**unsigned(frames=3), "signature": f"{head}..{encoded(make(signing_input))}"})


def encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def es256(content: bytes) -> bytes:
    """ES256 by the cryptography library alone."""
    private = KEY.jwk.private_key
    assert private is not None
    r, s = decode_dss_signature(private.sign(content, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_a_signed_event_verifies_and_says_what_happened() -> None:
    seen = event.verify(RAW, TRUSTED)
    assert (seen.id, seen.site, seen.node, seen.lane) == (EVENT_ID, "main-and-3rd", "edge-1", "through")
    assert (seen.kid, seen.sequence, seen.vehicle_class) == (KEY.kid, 1, VehicleClass.CAR)
    assert seen.time == "2025-06-14T06:00:41.843392Z"
    assert (seen.t_cross_s, seen.red_at_least_s) == (41.843392, 1.494983)


def test_it_follows_cloudevents_and_asks_for_review() -> None:
    document = json.loads(RAW)
    assert document["specversion"] == "1.0"
    assert document["source"] == "stopline://main-and-3rd/edge-1"
    assert document["sequence"] == "0000000000000001"
    assert document["data"]["review"] == "required"
    assert all(name.islower() and name.isalnum() for name in document)


def test_the_wire_bytes_are_canonical_and_signed_without_the_signature() -> None:
    document = json.loads(RAW)
    assert event.canonical(document) == RAW
    header, empty, _ = document.pop("signature").split(".")
    assert empty == ""
    assert json.loads(urlsafe_b64decode(header + "==")) == {
        "alg": "ES256",
        "b64": False,
        "crit": ["b64"],
        "kid": KEY.kid,
    }
    assert document == unsigned(frames=3)


def test_times_pixels_and_confidence_are_rounded_so_that_bytes_are_stable() -> None:
    data = built(case())["data"]
    assert data["crossing"] == {
        "t_cross_s": 41.843392,
        "uncertainty_s": 0.185017,
        "t_confirm_s": 42.214935,
        "point_px": [268.55, 153.88],
    }
    assert data["track"][1] == [41.4, 218.65, 112.6, 279.2, 172.95, 0.823]
    assert data["lamps"][2] == [-1.0, "green", True]


def test_lamps_of_other_signal_groups_stay_out() -> None:
    assert len(built(case())["data"]["lamps"]) == 7


def test_without_known_utc_there_is_no_time() -> None:
    document = built(without_utc(case()))
    assert "time" not in document
    assert document["data"]["clock"] == {"basis": "recording", "utc_bound_ms": None}
    assert event.verify(event.sign(document, KEY), TRUSTED).time is None


def test_the_same_case_gives_the_same_payload() -> None:
    first, second = built(case()), built(case())
    assert event.canonical(first) == event.canonical(second)


def test_only_id_nonce_sequence_and_signature_differ_between_runs() -> None:
    other = event.build(case(), event_id=event.uuid7(1, bytes(10)), nonce=bytes(16), sequence=2)
    mine = built(case())
    for document in (mine, other):
        del document["id"], document["sequence"], document["data"]["nonce"]
    assert mine == other


def test_a_long_track_keeps_its_end_and_counts_what_it_leaves_out() -> None:
    data = built(case(frames=5000))["data"]
    assert len(data["track"]) == event.MAX_ROWS
    assert data["omitted"] == {"track": 5000 - event.MAX_ROWS, "lamps": 0}
    assert data["track"][-1][0] == 541.2
    event.verify(event.sign(built(case(frames=5000)), KEY), TRUSTED)


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.VIOLATION])
def test_only_a_violation_becomes_an_event(verdict: Verdict) -> None:
    violation = case()
    with pytest.raises(EventError, match="only a confirmed violation"):
        built(replace(violation, judgement=replace(violation.judgement, verdict=verdict)))


def test_a_person_on_foot_never_becomes_an_event() -> None:
    violation = case()
    passage = replace(violation.passage, vehicle_class=VehicleClass.PERSON)
    with pytest.raises(EventError, match="only vehicles"):
        built(replace(violation, passage=passage))


def test_an_unknown_deduction_is_refused() -> None:
    violation = case()
    judgement = replace(violation.judgement, deductions_s={"mood": 1.0})
    with pytest.raises(EventError, match="no deduction named mood"):
        built(replace(violation, judgement=judgement))


def test_what_json_cannot_carry_exactly_is_refused() -> None:
    with pytest.raises(EventError, match="canonical JSON"):
        event.canonical({"t_ns": 2**53})
    with pytest.raises(EventError, match="canonical JSON"):
        event.canonical({"speed": float("nan")})


@pytest.mark.parametrize("flip", [0x01, 0x80, 0x20])
def test_every_changed_byte_fails(flip: int) -> None:
    for index in range(len(RAW)):
        changed = bytearray(RAW)
        changed[index] ^= flip
        with pytest.raises(EventError):
            event.verify(bytes(changed), TRUSTED)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_any_other_byte_anywhere_fails(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(RAW) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != RAW[index]))
    with pytest.raises(EventError):
        event.verify(RAW[:index] + bytes([value]) + RAW[index + 1 :], TRUSTED)


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=3))
@settings(max_examples=200, deadline=None)
def test_inserted_or_missing_bytes_fail(index: int, inserted: bytes) -> None:
    changed = RAW[:index] + inserted + RAW[index + 1 :] if len(inserted) != 1 else RAW[:index] + inserted + RAW[index:]
    with pytest.raises(EventError):
        event.verify(changed, TRUSTED)


@given(st.integers(-(10**15), 10**15))
@settings(max_examples=100, deadline=None)
def test_shifting_all_times_shifts_the_times_and_nothing_else(by_us: int) -> None:
    here, there = built(without_utc(case(3)))["data"], built(without_utc(shifted(case(3), by_us * 1000)))["data"]
    before = [here["crossing"].pop("t_cross_s"), here["crossing"].pop("t_confirm_s")]
    after = [there["crossing"].pop("t_cross_s"), there["crossing"].pop("t_confirm_s")]
    for name in ("track", "lamps"):
        before += [row.pop(0) for row in here[name]]
        after += [row.pop(0) for row in there[name]]
    assert here == there
    assert [round(value * 1e6) + by_us for value in before] == [round(value * 1e6) for value in after]


@given(st.integers(-(2**62), 2**62), st.integers(0, 2**62))
@settings(max_examples=200, deadline=None)
def test_shifted_times_survive_the_way_there_and_back(t_ns: int, uncertainty_ns: int) -> None:
    violation = without_utc(case(3))
    t_ns = t_ns % (9 * 10**15)
    passage = replace(violation.passage, t_cross_ns=t_ns, uncertainty_ns=uncertainty_ns % 10**12)
    document = built(replace(violation, passage=passage))
    seen = event.verify(event.sign(document, KEY), TRUSTED)
    assert abs(seen.t_cross_s * 1e9 - t_ns) <= 1000
    assert event.canonical(json.loads(event.canonical(document))) == event.canonical(document)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5))
@settings(max_examples=200, deadline=None)
def test_canonical_bytes_round_trip(document: dict[str, Any]) -> None:
    try:
        raw = event.canonical(document)
    except EventError:  # lone surrogates are no text
        return
    assert event.canonical(json.loads(raw)) == raw


def test_another_key_is_told_apart_from_a_bad_signature() -> None:
    stranger = signing_key(0xBEEF)
    raw = event.sign(unsigned(), stranger)
    with pytest.raises(EventError, match=f"key is not trusted: it names the key {stranger.kid}"):
        event.verify(raw, TRUSTED)
    assert event.read(raw).kid == stranger.kid
    with pytest.raises(EventError, match="changed after it was signed"):
        event.verify(raw, {stranger.kid: KEY.public})


def test_a_trusted_name_on_a_foreign_signature_fails() -> None:
    forged = replace(signing_key(0xBEEF), kid=KEY.kid)
    with pytest.raises(EventError, match="changed after it was signed"):
        event.verify(event.sign(unsigned(), forged), TRUSTED)


GOOD_HEADER = {"alg": "ES256", "b64": False, "crit": ["b64"], "kid": KEY.kid}


def test_a_signature_made_by_another_library_verifies() -> None:
    event.verify(with_signature(GOOD_HEADER, es256), TRUSTED)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({**GOOD_HEADER, "alg": "none"}, "only ES256"),
        ({name: value for name, value in GOOD_HEADER.items() if name != "crit"}, "does not allow"),
        ({name: value for name, value in GOOD_HEADER.items() if name != "kid"}, "does not allow"),
        ({**GOOD_HEADER, "jwk": signing_key(1).public.jwk.as_dict(private=False)}, "does not allow"),
        ({**GOOD_HEADER, "b64": True}, "not the detached kind"),
        ({**GOOD_HEADER, "crit": []}, "not the detached kind"),
        ({**GOOD_HEADER, "kid": 7}, "not the detached kind"),
    ],
)
def test_a_signature_header_of_any_other_kind_is_refused(header: dict[str, Any], words: str) -> None:
    with pytest.raises(EventError, match=words):
        event.verify(with_signature(header, es256), TRUSTED)


def test_a_mac_with_the_public_key_as_its_secret_is_refused() -> None:
    def hs256(content: bytes) -> bytes:
        return hmac.digest(KEY.public.pem, content, "sha256")

    with pytest.raises(EventError, match="only ES256"):
        event.verify(with_signature({**GOOD_HEADER, "alg": "HS256"}, hs256), TRUSTED)


def test_a_signature_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(EventError, match="does not match"):
        event.verify(with_signature(GOOD_HEADER, lambda content: es256(content)[:63]), TRUSTED)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"hello", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":NaN}', "NaN is no JSON number"),
        (b'{"a":1,"a":1}', "stands twice"),
        (b"[]", "is a JSON object"),
        (b"{}", "not signed"),
        (b'{"signature":"x"}', "damaged"),
        (b'{"a":9007199254740993}', "canonical"),
        (b'{"a":"\\ud800"}', "canonical"),
        (b'{"a":1.0}', "canonical form"),
        (b" " * (event.MAX_EVENT_BYTES + 1), "more than"),
    ],
)
def test_what_is_no_event_is_told_in_plain_words(raw: bytes, words: str) -> None:
    with pytest.raises(EventError, match=words):
        event.verify(raw, TRUSTED)


def test_pretty_printing_is_a_change() -> None:
    with pytest.raises(EventError, match="canonical form"):
        event.verify(json.dumps(json.loads(RAW), indent=1).encode(), TRUSTED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data", "review"), "done"),
        (("data", "verdict"), "on_green"),
        (("data", "vehicle_class"), "person"),
        (("data", "owner"), "somebody"),
        (("data", "crossing", "plate"), "X"),
        (("data", "track"), []),
        (("data", "red_time", "at_least_s"), -1),
        (("time",), "yesterday"),
        (("type",), "org.stopline.violation.v2"),
    ],
)
def test_a_signed_event_outside_of_the_format_is_refused(path: tuple[str, ...], value: object) -> None:
    document = json.loads(RAW)
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(EventError, match="does not follow its format"):
        event.verify(resigned(document), TRUSTED)


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ids_are_uuids_of_version_7_in_order_of_time(unix_ms: int, randomness: bytes) -> None:
    text = event.uuid7(unix_ms, randomness)
    assert text[14] == "7"
    assert text[19] in "89ab"
    assert int(text.replace("-", "")[:12], 16) == unix_ms


def test_the_example_of_rfc_9562() -> None:
    randomness = bytes.fromhex("0cc318c4dc0c0c07398f")
    assert event.uuid7(0x017F22E279B0, randomness) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_a_clock_without_bound_still_makes_an_event() -> None:
    document = built(replace(case(), clock=Clock(0, None)))
    assert document["time"] == "1970-01-01T00:00:41.843392Z"
    event.verify(event.sign(document, KEY), TRUSTED)
