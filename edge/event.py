"""The violation event: CloudEvents 1.0 in structured JSON, RFC 8785 bytes, signed with ES256.

``build`` makes the event of a case, ``sign`` its final bytes (encoded once: the same bytes are stored and sent),
``verify`` checks bytes from anywhere. The signature is a detached JWS (RFC 7515, RFC 7797 with ``b64: false``) over the
canonical bytes of the event without its ``signature`` attribute. No clock and no random number is read here.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from jsonschema import Draft202012Validator

from edge.errors import EventError
from edge.form import compiled
from edge.keys.jws import holds, sign_detached
from edge.records import Judgement, LampEdge, Passage, TrackPoint, VehicleClass, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from edge.config import Calibration, Lane, Site
    from edge.form import Check
    from edge.keys import PublicKey, SigningKey

EVENT_TYPE: Final = "org.stopline.violation.v1"
DATA_SCHEMA: Final = "urn:stopline:schema:violation:1"
STATE_TYPE: Final = "org.stopline.state.v1"
STATE_SCHEMA: Final = "urn:stopline:schema:state:1"
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
MAX_EVENT_BYTES: Final = 1_000_000
MAX_ROWS: Final = 4096  # of track and of lamps, each; the oldest beyond it are left out and counted

UNSEALED: Final = "The evidence is not sealed: whoever held it on the way could look at it."

DEDUCTIONS: Final = ("crossing", "lamp", "clock", "rear_margin")

_NS_PER_US = 1000
_US_PER_S = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Origin:
    """What made the event: node id, software version, and the detector's SHA-256 in hex."""

    node: str
    software: str
    model_sha256: str


@dataclass(frozen=True, slots=True)
class Clock:
    """Where the recording's time stands in UTC.

    ``utc_zero_ns`` is the UTC of ``t_ns == 0`` in ns since 1970, within ``utc_bound_ms``; None where it is not known.
    """

    utc_zero_ns: int | None = None
    utc_bound_ms: float | None = None


@dataclass(frozen=True, slots=True)
class EvidenceRef:
    """The evidence bundle that belongs to an event, by its hashes.

    ``bundle_*`` is of the plain bundle, ``sent_*`` of what travels: the same where ``seal`` is none. It travels
    in ``parts`` parts, 1 where it is whole. ``missing`` says in sentences what the bundle should hold and does not.
    """

    bundle_sha256: str
    bundle_bytes: int
    sent_sha256: str
    sent_bytes: int
    seal: Literal["age", "none"]
    parts: int
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViolationCase:
    """Everything an event is made of.

    ``lamp_edges`` cover at least the cycle, gaps of up to ``hold_s`` left out; those of other groups are left out here.
    """

    passage: Passage
    judgement: Judgement
    lamp_edges: tuple[LampEdge, ...]
    site: Site
    origin: Origin
    clock: Clock = Clock()


@dataclass(frozen=True, slots=True)
class SignedEvent:
    """An event that is well formed and names its key; whether the signature holds is not known yet."""

    document: Mapping[str, Any]
    kid: str
    payload: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The event's id, or an empty text where it has none."""
        return _text(self.document.get("id"))

    @property
    def source(self) -> str:
        """The event's source, or an empty text where it has none."""
        return _text(self.document.get("source"))


@dataclass(frozen=True, slots=True)
class VerifiedEvent:
    """An event whose signature by a trusted key holds and which follows its schema; ``document`` is all of it.

    Of a change of state ``lane`` is its subject, and there is no vehicle and no crossing.
    """

    id: str
    site: str
    node: str
    kid: str
    sequence: int
    time: str | None
    lane: str
    vehicle_class: VehicleClass | None
    t_cross_s: float | None
    red_at_least_s: float | None
    document: Mapping[str, Any] = field(repr=False)

    @property
    def is_violation(self) -> bool:
        """Whether it is a violation; else it tells of a change of the node's state."""
        return bool(self.document["type"] == EVENT_TYPE)


def uuid7(unix_ms: int, randomness: bytes) -> str:
    """A UUID version 7 (RFC 9562, section 5.7) from a time in ms since 1970 and 10 random bytes."""
    number = int.from_bytes(unix_ms.to_bytes(6, "big") + randomness[:10], "big")
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=number))


def build(case: ViolationCase, *, event_id: str, nonce: bytes, sequence: int) -> dict[str, Any]:
    """The event of a case, not signed yet. ``nonce`` is 16 random bytes, ``sequence`` counts from 1.

    All but ``id``, ``nonce`` and ``sequence`` follows from the case alone. Raises EventError for a case that is none.
    """
    _check_case(case)
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"stopline://{case.site.site.id}/{case.origin.node}",
        "type": EVENT_TYPE,
        "subject": case.passage.lane,
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
        "sequence": f"{sequence:016d}",
        "data": _data(case) | {"nonce": nonce.hex()},
    }
    if case.clock.utc_zero_ns is not None:
        event["time"] = rfc3339(case.clock.utc_zero_ns + case.passage.t_cross_ns)
    return event


def with_evidence(event: Mapping[str, Any], evidence: EvidenceRef) -> dict[str, Any]:
    """An unsigned event that names its evidence bundle."""
    named = asdict(evidence) | {
        "missing": list(evidence.missing),
        "warning": UNSEALED if evidence.seal == "none" else None,
    }
    return {**event, "data": {**event["data"], "evidence": named}}


def canonical(event: Mapping[str, Any]) -> bytes:
    """The RFC 8785 bytes of an event. Raises EventError for what JSON cannot carry exactly."""
    try:
        return rfc8785.dumps(dict(event))
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise EventError(f"The event cannot be written as canonical JSON: {error}") from None


def sign(event: Mapping[str, Any], key: SigningKey) -> bytes:
    """The final bytes of an event, signature included: store, send and check exactly these."""
    signature = sign_detached(canonical(event), key)
    raw = canonical({**event, "signature": signature})
    if len(raw) > MAX_EVENT_BYTES:
        raise EventError(f"The event has {len(raw)} bytes, more than {MAX_EVENT_BYTES}: its texts are too long")
    return raw


def read(raw: bytes) -> SignedEvent:
    """Check the form of an event's bytes and find the key it names. Raises EventError in a reader's words."""
    document = _parse(raw)
    plain = _is_plainly_canonical(document, raw)
    if not plain and canonical(document) != raw:
        raise EventError(
            "The event was changed or written anew: its bytes are not in the canonical form it is signed in"
        )
    signature = document.get("signature")
    kid = _kid(signature)
    payload = _cut_out(raw, signature) if plain else None
    if payload is None:
        payload = canonical({name: value for name, value in document.items() if name != "signature"})
    return SignedEvent(document, kid, payload)


def verify(raw: bytes, keys: Mapping[str, PublicKey]) -> VerifiedEvent:
    """Check an event's bytes against the trusted keys (by ``kid``). Raises EventError in a reader's words.

    Any changed byte fails. A key that is not in ``keys`` fails as well, in words of its own: then nothing is known of
    the content; tell the two apart beforehand with ``read(raw).kid in keys``.
    """
    signed = read(raw)
    if signed.kid not in keys:
        raise EventError(
            f"The event is well formed, but its key is not trusted: it names the key {signed.kid}, which is not among "
            "those given, so whether its content is genuine cannot be told"
        )
    _check_signature(signed, keys[signed.kid])
    _check_schema(signed.document)
    return _verified(signed)


@cache
def schema(name: str = "event") -> dict[str, Any]:
    """The JSON Schema (2020-12) of a signed event, as it lies in the package; of a change of state with ``state``."""
    text = files("edge").joinpath("schema", f"{name}.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _check_case(case: ViolationCase) -> None:
    if case.judgement.verdict is not Verdict.VIOLATION or case.passage.t_confirm_ns is None:
        raise EventError(f"A passage judged {case.judgement.verdict} makes no event: only a confirmed violation does")
    if case.passage.vehicle_class is VehicleClass.PERSON:
        raise EventError("A passage by somebody on foot makes no event: only vehicles are recorded")
    unknown = set(case.judgement.deductions_s) - set(DEDUCTIONS)
    if unknown:
        raise EventError(f"The event format knows no deduction named {', '.join(sorted(unknown))}")


def _data(case: ViolationCase) -> dict[str, Any]:
    lane = case.site.lane(case.passage.lane)
    group = case.site.group(lane.signal_group)
    edges = [edge for edge in case.lamp_edges if edge.group == group.id]
    return {
        "review": "required",
        "verdict": case.judgement.verdict.value,
        "clock": _clock(case.clock),
        "lane": lane.id,
        "signal_group": group.id,
        "vehicle_class": case.passage.vehicle_class.value,
        "contact": lane.contact.value,
        "crossing": _crossing(case.passage),
        "red_time": _red_time(case.judgement),
        "amber": {"measured_s": _seconds(case.judgement.amber_s), "minimum_s": _seconds(group.min_amber_s)},
        "speed_mps": rounded(case.passage.speed_mps, 3),
        "track": [track_row(point) for point in case.passage.points[-MAX_ROWS:]],
        "lamps": [[instant(edge.t_ns), edge.lamp.value, edge.lit] for edge in edges[-MAX_ROWS:]],
        "omitted": {"track": _beyond(case.passage.points), "lamps": _beyond(edges)},
        "rule": _fields(case.site.rule, "grace_s", "confirm_within_s", "dwell_s", "rear_margin_s", "vehicle_length_m"),
        "signal": _fields(group, "debounce_s", "hold_s", "transition_s", "uncertainty_s", "max_phase_s"),
        "geometry": _geometry(lane, case.site.camera.size_px),
        "calibration": _calibration(case.site.calibration),
        "origin": {
            "software": case.origin.software,
            "model_sha256": case.origin.model_sha256,
            "site_sha256": case.site.sha256,
        },
        "evidence": None,
    }


def _clock(clock: Clock) -> dict[str, Any]:
    if clock.utc_zero_ns is None:
        return {"basis": "recording", "utc_bound_ms": None}
    return {"basis": "utc", "utc_bound_ms": rounded(clock.utc_bound_ms, 3)}


def _crossing(passage: Passage) -> dict[str, Any]:
    assert passage.t_confirm_ns is not None
    return {
        "t_cross_s": instant(passage.t_cross_ns),
        "uncertainty_s": instant(passage.uncertainty_ns),
        "t_confirm_s": instant(passage.t_confirm_ns),
        "point_px": _row(passage.cross_px, 2),
    }


def _red_time(judgement: Judgement) -> dict[str, Any]:
    return {
        "elapsed_s": _seconds(judgement.red_elapsed_s),
        "at_least_s": _seconds(judgement.red_at_least_s),
        "deductions_s": {part: _seconds(judgement.deductions_s.get(part, 0.0)) for part in DEDUCTIONS},
    }


def track_row(point: TrackPoint) -> list[float]:
    """An observation as events and kept tracks record it: seconds, the box in pixels, the confidence."""
    return [instant(point.t_ns), *_row(point.box_px, 2), round(point.score, 3)]


def _geometry(lane: Lane, size_px: tuple[int, int]) -> dict[str, Any]:
    return {
        "size_px": list(size_px),
        "stop_line_px": [_row(end, 2) for end in lane.stop_line_px],
        "confirm_line_px": [_row(end, 2) for end in lane.confirm_line_px],
        "direction": _row(lane.direction, 6),
        "turn_on_red": lane.turn_on_red,
    }


def _calibration(calibration: Calibration | None) -> dict[str, Any] | None:
    if calibration is None:
        return None
    return {
        "points_px": [_row(point, 2) for point in calibration.points_px],
        "points_m": [_row(point, 3) for point in calibration.points_m],
    }


def _fields(settings: object, *names: str) -> dict[str, float | None]:
    return {name: _seconds(getattr(settings, name)) for name in names}


def _beyond(rows: Sequence[object]) -> int:
    return max(0, len(rows) - MAX_ROWS)


def instant(t_ns: int) -> float:
    """Nanoseconds as seconds, rounded half up to whole microseconds in integers, so that no platform differs."""
    return (t_ns + _NS_PER_US // 2) // _NS_PER_US / _US_PER_S


def _seconds(value: float | None) -> float | None:
    return rounded(value, 6)


def rounded(value: float | None, digits: int) -> float | None:
    """A figure as it is recorded; None where it is not known."""
    return None if value is None else round(float(value), digits)


def _row(values: Iterable[float], digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]


def rfc3339(unix_ns: int) -> str:
    """An instant in ns since 1970 as events write it: UTC, to the microsecond."""
    instant = _EPOCH + timedelta(microseconds=(unix_ns + _NS_PER_US // 2) // _NS_PER_US)
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Registry(jws.JWSRegistry):
    """ES256 alone, for payloads as long as an event may be."""

    max_payload_length = MAX_EVENT_BYTES


_JWS = _Registry(algorithms=["ES256"])


def _parse(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_EVENT_BYTES:
        raise EventError(f"This is no event: it has more than {MAX_EVENT_BYTES} bytes")
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise EventError(f"This is no event, or it was damaged on the way: it is not valid JSON ({error})") from None
    if not isinstance(document, dict):
        raise EventError("This is no event: an event is a JSON object")
    return document


# Numbers that Python and RFC 8785 spell differently, or that RFC 8785 refuses; anything that may look like one.
_UNLIKE = re.compile(rb"[:,\[]-?[0-9]+(?:\.0[,\]}]|(?:\.[0-9]+)?e|[0-9]{15})")
_COMPACT = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"), sort_keys=True)


def _is_plainly_canonical(document: Mapping[str, Any], raw: bytes) -> bool:
    """Whether these bytes of ``document`` are in the form of RFC 8785, as far as that can be told quickly.

    Python's own encoder, ten times as fast, gives that form for everything but some numbers and for names beyond ASCII.
    A yes is certain; a no says that the slow way must tell.
    """
    if not raw.isascii() or _UNLIKE.search(raw):
        return False
    try:
        return _COMPACT.encode(document).encode(errors="surrogatepass") == raw
    except RecursionError:
        return False


def _cut_out(raw: bytes, signature: object) -> bytes | None:
    """Canonical bytes without their signature attribute; None where that cannot be done by cutting."""
    attribute = f',"signature":"{signature}"'.encode()
    before, found, after = raw.partition(attribute)
    is_one = bool(found) and attribute not in after and not raw.startswith(b'{"signature"')
    return before + after if is_one else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _kid(signature: object) -> str:
    """The key that a detached JWS names, if it is exactly of the one kind that is accepted."""
    if not isinstance(signature, str):
        raise EventError("The event is not signed: its signature attribute is missing")
    header, _, rest = signature.partition("..")
    _decode(rest)
    try:
        protected = json.loads(_decode(header), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise EventError("The event's signature is damaged: its header cannot be read") from None
    if not isinstance(protected, dict) or set(protected) != {"alg", "b64", "crit", "kid"}:
        raise EventError("The event's signature has a header that this format does not allow")
    if protected["alg"] != "ES256":
        raise EventError(f"The event is signed with {protected['alg']!r}: only ES256 is accepted")
    if protected["b64"] is not False or protected["crit"] != ["b64"] or not isinstance(protected["kid"], str):
        raise EventError("The event's signature is not the detached kind (b64 false, crit b64) that this format uses")
    return protected["kid"]


def _decode(segment: str) -> bytes:
    """Base64url in its one proper spelling: a decoder that ignores stray bits would let a changed character pass."""
    try:
        content = urlsafe_b64decode(segment.encode("ascii") + b"=" * (-len(segment) % 4))
    except ValueError:
        content = b""
    if not content or urlsafe_b64encode(content).rstrip(b"=").decode("ascii") != segment:
        raise EventError("The event's signature is damaged: it is not proper base64url")
    return content


def _check_signature(signed: SignedEvent, key: PublicKey) -> None:
    if holds(signed.document["signature"], signed.payload, key):
        return  # as this program spells it; a header in another order is left to the library
    try:
        jws.deserialize_compact(signed.document["signature"], key.jwk, registry=_JWS, payload=signed.payload)
    except (JoseError, ValueError):
        raise EventError(
            "The event was changed after it was signed: its signature does not match its content"
        ) from None


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


@cache
def _follows_form(name: str) -> Check:
    return compiled(schema(name))


def _check_schema(document: Mapping[str, Any]) -> None:
    name = "state" if document.get("type") == STATE_TYPE else "event"
    if _follows_form(name)(document):
        return
    error = next(_validator(name).iter_errors(document), None)
    if error is not None:
        raise EventError(
            f"The event is signed, but does not follow its format: {error.json_path} {_brief(error.message)}"
        )


def _brief(message: str) -> str:
    longest = 200
    return message if len(message) <= longest else message[:longest] + " …"


def _verified(signed: SignedEvent) -> VerifiedEvent:
    document, data = signed.document, signed.document["data"]
    _, _, site, node = document["source"].split("/")
    is_violation = document["type"] == EVENT_TYPE
    return VerifiedEvent(
        id=document["id"],
        site=site,
        node=node,
        kid=signed.kid,
        sequence=int(document["sequence"]),
        time=document.get("time"),
        lane=data["lane"] if is_violation else document["subject"],
        vehicle_class=VehicleClass(data["vehicle_class"]) if is_violation else None,
        t_cross_s=data["crossing"]["t_cross_s"] if is_violation else None,
        red_at_least_s=data["red_time"]["at_least_s"] if is_violation else None,
        document=document,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
