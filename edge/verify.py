"""Checks a Stopline case without trusting the node that made it: this file shares no code with the node.

    python verify.py EVENT [BUNDLE] --key NODE.pub.pem [--site SITE.toml]

EVENT holds a signed event, or several, one a line; BUNDLE is the evidence of one (``age -d`` opens what is sealed).
Needs ``cryptography``, ``jsonschema`` and ``rfc8785``. Written from the pages event-format, evidence, site-file,
passages and judging in docs; docs/verify.md explains the findings.

Exit code 0: every event is intact, by a trusted key, and its verdict follows from its raw data. 1: not. 2: unreadable.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import sys
import tarfile
import tomllib
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import groupby, pairwise
from math import ceil, copysign, dist, floor, fsum, hypot, inf, log, sqrt
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Json = dict[str, Any]
Key = ec.EllipticCurvePublicKey

_SCHEMAS = Path(__file__).with_name("schema")
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, tarfile.TarError)
_PICTURES = ("still-1.jpg", "still-1-data.jpg", "still-2.jpg", "still-2-data.jpg", "clip.mp4")


class Outcome(Enum):
    """What was found, from the best to the worst; the value is a sentence for anybody."""

    RECOMPUTED = "Intact and recomputed: unchanged since it was signed, and the verdict follows from the raw data."
    STATED = "Intact: unchanged since it was signed. It tells of a change of the node's state and has no verdict."
    INCOMPLETE = "Intact and recomputed, but incomplete: unchanged since it was signed, but something is not there."
    SEALED = "Intact and recomputed, but the evidence stayed closed: it is sealed, and no key was given that opens it."
    UNTRUSTED = "Key not trusted: the parts agree with each other, but whether they come from the node is not known."
    DIFFERS = "The verdict does not follow: computed again from the raw data, something comes out otherwise."
    CHANGED = "Content changed: something is not as it was when the node signed it."


class Finding(NamedTuple):
    """One thing that was looked at, and what was found in a sentence."""

    outcome: Outcome
    words: str


@dataclass(slots=True)
class Report:
    """Everything found of one event; ``files`` are those of its bundle where it could be opened."""

    event: Json = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """The worst finding decides."""
        return max((finding.outcome for finding in self.findings), key=list(Outcome).index)

    @property
    def intact(self) -> bool:
        """Whether nothing speaks against the event and one of the given keys signed it."""
        return self.outcome in (Outcome.RECOMPUTED, Outcome.STATED, Outcome.INCOMPLETE, Outcome.SEALED)

    def add(self, words: str, outcome: Outcome = Outcome.RECOMPUTED) -> None:
        """Note a finding; without an outcome, a good one."""
        self.findings.append(Finding(outcome, words))


class ChangedError(Exception):
    """Something is not as it was signed; the text is the finding."""


def load_key(pem: bytes) -> tuple[str, Key]:
    """A public P-256 key and its name, the RFC 7638 thumbprint. ValueError for anything else."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("no public P-256 key: give the PEM file of the node's public key")  # noqa: TRY004 - of its content
    x, y = (_base64url(part.to_bytes(32, "big")) for part in (key.public_numbers().x, key.public_numbers().y))
    return _base64url(hashlib.sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest()), key


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def check(raw: bytes, keys: Mapping[str, Key], bundle: bytes | None = None, site: bytes | None = None) -> Report:
    """Everything that can be found of the event in these bytes; raises nothing for anything that it is given.

    ``keys`` are trusted, by their names; ``bundle`` is its evidence, ``site`` the site file that was commissioned.
    """
    report = Report()
    steps: dict[str, Callable[[], None]] = {
        "event": lambda: _check_form(report, raw),
        "signature": lambda: _check_signature(report, raw, keys),
        "event's content": lambda: _check_schema(report),
        "evidence bundle": lambda: _check_bundle(report, bundle),
        "site file that was given": lambda: _check_site(report, site, "The site file that was given"),
        "raw data": lambda: _check_verdict(report),
    }
    for what, step in steps.items():
        try:
            step()
        except (ChangedError, *_UNREADABLE) as error:
            unreadable = f"The {what} cannot be read for what it should be."
            report.add(str(error) if isinstance(error, ChangedError) else unreadable, Outcome.CHANGED)
        if report.findings and report.findings[-1].outcome in (Outcome.STATED, Outcome.CHANGED):
            break
    return report


def _check_form(report: Report, raw: bytes) -> None:
    """One spelling of every byte (RFC 8785)."""
    event = json.loads(raw[:1_000_001].decode("utf-8"))
    if rfc8785.dumps(event) != raw or not isinstance(event, dict):
        raise ChangedError("The event was changed or written anew: its bytes are not in the form of RFC 8785.")
    report.event = event


@cache
def schema(name: str = "event") -> Draft202012Validator:
    """What every event must follow; with ``state``, every change of state."""
    return Draft202012Validator(json.loads((_SCHEMAS / f"{name}.schema.json").read_bytes()))


def _check_schema(report: Report) -> None:
    name = "state" if report.event.get("type") == "org.stopline.state.v1" else "event"
    for error in schema(name).iter_errors(report.event):
        raise ChangedError(f"The event does not follow its schema: {error.json_path}: {error.message[:200]}.")
    report.add("The event is complete in form: every field of its schema, no other, each byte in its one spelling.")
    if name == "state":
        report.add(f"The node was {report.event['data']['state']}: {report.event['data']['reason']}", Outcome.STATED)


def _check_signature(report: Report, raw: bytes, keys: Mapping[str, Key]) -> None:
    """The signature is a detached ES256 JWS over the bytes without it (docs/event-format.md)."""
    text = report.event["signature"]
    head, _, tail = text.partition("..")
    decoded, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (head, tail))
    header = json.loads(decoded)
    kid = header.pop("kid")
    proper = f"{_base64url(decoded)}..{_base64url(signature)}" == text and len(signature) == 64
    if not proper or header != {"alg": "ES256", "b64": False, "crit": ["b64"]}:
        raise ChangedError("The event's signature is damaged, or of a kind that this format does not use.")
    if kid not in keys:
        return report.add(f"Signed, but its key is not trusted: {kid} is not among those given.", Outcome.UNTRUSTED)
    r_s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    signed = head.encode() + b"." + raw.replace(b',"signature":"' + text.encode() + b'"', b"", 1)
    try:
        keys[kid].verify(utils.encode_dss_signature(*r_s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise ChangedError("The event was changed after it was signed: its signature does not fit it.") from None
    return report.add(f"The signature holds: the key {kid} signed exactly these bytes.")


def sha256(data: bytes) -> str:
    """In hex, as events and manifests give it."""
    return hashlib.sha256(data).hexdigest()


def _check_bundle(report: Report, bundle: bytes | None) -> None:
    """The evidence as the signed event names it, and every file in it (docs/evidence.md)."""
    evidence = report.event["data"]["evidence"]
    if evidence is None:
        return report.add("The node made no evidence bundle for this event.", Outcome.INCOMPLETE)
    for sentence in evidence["missing"]:
        report.add(f"Missing, as the node itself says: {sentence}", Outcome.INCOMPLETE)
    if bundle is None:
        return report.add("The evidence bundle was not at hand: its pictures are not checked.", Outcome.INCOMPLETE)
    if sha256(bundle) not in (evidence["bundle_sha256"], evidence["sent_sha256"]):
        raise ChangedError("The evidence bundle is not the one that the event was signed with: its SHA-256 differs.")
    report.add("The evidence bundle is the one that the event was signed with, by its SHA-256.")
    if sha256(bundle) != evidence["bundle_sha256"]:
        return report.add("The evidence bundle is sealed: `age -d -i KEY BUNDLE` opens it.", Outcome.SEALED)
    report.files = _untar(bundle)
    return _check_files(report)


def _untar(data: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None or not member.isreg() or member.name in files or "/" in member.name:
                raise ChangedError(f"The evidence bundle holds what no bundle holds: {member.name[:100]}.")
            files[member.name] = content.read()
    return files


def _check_files(report: Report) -> None:
    """Manifest against files, and the raw data in the bundle against the event's own."""
    event, files, data = report.event, report.files, report.event["data"]
    manifest = json.loads(files["manifest.json"])
    listed = {entry["name"]: (entry["bytes"], entry["sha256"]) for entry in manifest["files"]}
    belongs = [manifest[name] for name in ("format", "event_id", "source", "missing")]
    if belongs != ["stopline-evidence/1", event["id"], event["source"], data["evidence"]["missing"]]:
        raise ChangedError("The bundle's manifest speaks of another event than this one.")
    there = {name: (len(raw), sha256(raw)) for name, raw in files.items() if name != "manifest.json"}
    for name in sorted({*listed, *there}):
        if listed.get(name) != there.get(name):
            raise ChangedError(f"{name} in the bundle does not fit the bundle's manifest.")
    report.add(f"Each of the bundle's {len(there)} files has the size and the SHA-256 that its manifest gives.")
    own = {
        "track.csv": _csv("t_s,x1,y1,x2,y2,confidence", data["track"]),
        "lamps.csv": _csv("t_s,lamp,lit", data["lamps"]),
        "origin.json": rfc8785.dumps({**data["origin"], "clock": data["clock"]}),
    }
    for name, content in own.items():
        if files.get(name) != content:
            raise ChangedError(f"{name} in the bundle is not there or says something else than the signed event.")
    report.add(f"Track ({len(data['track'])} observations) and lamps in the bundle are those of the signed event.")
    _check_site(report, files.get("site.toml", b""), "The site file in the bundle")
    _check_regions(report, manifest)
    gone = [name for name in _PICTURES if name not in files]
    if gone and not manifest["missing"]:
        report.add(f"Missing, and the node does not say why: {', '.join(gone)}.", Outcome.INCOMPLETE)


def _check_regions(report: Report, manifest: Json) -> None:
    """The site file's mask regions against the rows of what was black in every picture (docs/evidence.md)."""
    site, clip, due = tomllib.loads(report.files["site.toml"].decode("utf-8")), manifest["clip"], []
    for mask in site.get("masks", []) if clip else []:
        sizes = 2 * manifest["masking"]["size_px"], 2 * site["camera"]["size_px"]
        ends = zip((floor, floor, ceil, ceil), mask["region_px"], *sizes, strict=True)
        sides = (f"{whole(side * pixels / grid)}.0" for whole, side, pixels, grid in ends)
        due.append(",".join([f"{clip['from_s']:.6f}", f"{clip['to_s']:.6f}", *sides, "region"]))
    black = [row for row in report.files.get("masks.csv", b"").decode("ascii").splitlines() if row.endswith(",region")]
    if black != due:
        report.add("What the bundle records as black are not the mask regions of the site file.", Outcome.INCOMPLETE)
    elif due:
        report.add(f"Each mask region of the site file ({len(due)}) is recorded as black in every picture.")


def _csv(header: str, rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as a bundle spells them: every number as in the event, so that texts can be compared."""
    cells = ([cell if isinstance(cell, str) else rfc8785.dumps(cell).decode() for cell in row] for row in rows)
    return "".join(line + "\n" for line in (header, *map(",".join, cells))).encode()


def settings(site: Mapping[str, Any], lane_id: str) -> Json:
    """What a site file (docs/site-file.md) says of one lane, under the names of an event's ``data``. KeyError."""
    lane = {lane["id"]: lane for lane in site["lanes"]}[lane_id]
    group = {group["id"]: group for group in site["signal_groups"]}[lane["signal_group"]]
    signal = {"debounce_s": 0.01, "hold_s": 0.03, "transition_s": 0.25, "uncertainty_s": 0.02, "max_phase_s": 600.0}
    rule = {"grace_s": 0.5, "confirm_within_s": 4.0, "dwell_s": 0.1, "rear_margin_s": 0.5, "vehicle_length_m": None}
    drawn = {name: lane[name] for name in ("stop_line_px", "confirm_line_px", "direction")}
    drawn |= {"size_px": site["camera"]["size_px"], "turn_on_red": lane.get("turn_on_red", "forbidden")}
    return {
        "signal_group": group["id"],
        "contact": lane["contact"],
        "rule": rule | site.get("rule", {}),
        "signal": {name: group.get(name, value) for name, value in signal.items()},
        "amber": {"minimum_s": group.get("min_amber_s")},
        "geometry": drawn,
        "calibration": site.get("calibration"),
    }


def _check_site(report: Report, toml: bytes | None, whose: str) -> None:
    """Hold a site file's hash, and what it says of the lane, against the event."""
    if toml is None:
        return
    data = report.event["data"]
    if sha256(toml) != data["origin"]["site_sha256"]:
        raise ChangedError(f"{whose} is not the one that the verdict was reached with: its SHA-256 differs.")
    site = tomllib.loads(toml.decode("utf-8"))
    odd = [name for name, own in settings(site, data["lane"]).items() if not _near(own, data[name], _slack(name))]
    if odd or report.event["source"].split("/")[2] != site["site"]["id"]:
        raise ChangedError(f"{whose} says something else than the event of: {', '.join(odd) or 'the site'}.")
    report.add(f"{whose} is the one whose SHA-256 was signed; the event's lines, rule and signal times are its own.")


def _slack(part: str) -> float:
    """An event rounds positions to the hundredth, all else to the millionth."""
    return 0.00501 if part in ("geometry", "calibration") else 5.1e-7


def _near(ours: Any, theirs: Any, slack: float) -> bool:
    """Whether numbers are equal within ``slack``, and all else is the same."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(_near(value, theirs[name], slack) for name, value in ours.items())
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(_near(*pair, slack) for pair in zip(ours, theirs, strict=True))
    number = isinstance(ours, float) and isinstance(theirs, int | float)
    return bool(abs(ours - theirs) <= slack if number else ours == theirs)


_CLEAR, _UNEVEN, _NEAR, _AROUND, _LAST, _FARTHEST_S, _FEWEST = 0.1, 0.1, 800_000, 400_000, 400_000, 0.4, 5
_FOREVER = 2**62
_ALONE = {(True, False, False): "red", (False, True, False): "amber", (False, False, True): "green"}
_ASPECTS = _ALONE | {(True, True, False): "red_amber", (False, False, False): "dark"}
_NEXT = {"green": ("amber",), "amber": ("red",), "red": ("red_amber", "green"), "red_amber": ("green",)}


class Phase(NamedTuple):
    """What a signal group shows from an instant on, in microseconds; ``amber`` is that which led into a red."""

    name: str
    start: int
    seen: bool = True
    amber: int | None = None
    fault: str | None = None


def _lamp(edges: Sequence[tuple[int, bool]], hold: int, debounce: int) -> list[tuple[int, bool]]:
    """One lamp's changes: gaps of up to ``hold`` closed, then pulses shorter than ``debounce`` dropped."""
    pulses: list[tuple[int, int]] = []
    for t, lit in edges:
        burning = bool(pulses) and pulses[-1][1] == _FOREVER
        if lit and not burning:
            again = bool(pulses) and t - pulses[-1][1] <= hold
            pulses.append((pulses.pop()[0] if again else t, _FOREVER))
        elif burning and not lit:
            pulses[-1] = (pulses[-1][0], t)
    kept = [pulse for pulse in pulses if pulse[1] - pulse[0] >= debounce]
    changes = [] if edges[0][1] and kept[:1] == pulses[:1] else [(edges[0][0], False)]
    return changes + [change for start, end in kept for change in ((start, True), (end, False))]


class _Signal:
    """Walks through the aspects that one signal group has shown (docs/judging.md)."""

    def __init__(self, transition_us: int, longest_us: int, minimum_us: int | None) -> None:
        self._transition, self._longest, self._minimum = transition_us, longest_us, minimum_us
        self._lasting: str | None = None
        self._overlap: tuple[int, str] | None = None
        self.phases = [Phase("unknown", -_FOREVER)]

    def wait(self, now: int) -> None:
        """Nothing changes until ``now``: an overlap may outlast what is tolerated, a phase its longest."""
        if self._overlap is not None and now - self._overlap[0] > self._transition:
            (start, aspect), self._overlap = self._overlap, None
            if self._may_follow(aspect):
                self._begin(aspect, start, start)
            else:
                self._lasting = aspect
                self._fault(start, "order" if aspect in _NEXT else aspect)
        stuck = self.phases[-1].start + self._longest
        if self.phases[-1].name != "unknown" and stuck <= (self._overlap[0] if self._overlap else now):
            self._fault(stuck, "stuck")

    def show(self, t: int, aspect: str) -> None:
        """The lamps show another aspect from ``t`` on."""
        left, self._overlap = self._overlap[0] if self._overlap else t, None
        if aspect in _ALONE.values() and aspect != self._lasting and self._may_follow(aspect):
            self._begin(aspect, t, left)
        elif aspect != self._lasting:
            self._overlap = (left, aspect)

    def _may_follow(self, aspect: str) -> bool:
        free = self.phases[-1].name == "fault" or self._lasting not in _NEXT
        return aspect in (_NEXT if free else _NEXT[str(self._lasting)])

    def _begin(self, name: str, t: int, left: int) -> None:
        first, before = self._lasting is None, self.phases[-1]
        self._lasting = name
        if before.name != "fault" or (name == "green" and not first):
            amber = left - before.start if (before.name, name, before.seen) == ("amber", "red", True) else None
            short = amber is not None and self._minimum is not None and amber < self._minimum
            self.phases.append(Phase(name, t, not first, amber, "short_amber" if short else None))

    def _fault(self, t: int, fault: str) -> None:
        if self.phases[-1].name != "fault":
            self.phases.append(Phase("fault", t, fault=fault))


def phases(lamps: Sequence[Sequence[Any]], signal: Mapping[str, float], minimum_s: float | None) -> list[Phase]:
    """The phases that raw lamp edges ``(t_s, lamp, lit)`` of one group amount to."""
    edges = {name: [(_us(t_s), lit) for t_s, lamp, lit in lamps if lamp == name] for name in ("red", "amber", "green")}
    minimum = None if minimum_s is None else _us(minimum_s)
    walk = _Signal(_us(signal["transition_s"]), _us(signal["max_phase_s"]), minimum)
    if all(edges.values()):
        times = _us(signal["hold_s"]), _us(signal["debounce_s"])
        changes = [(t, lamp, lit) for lamp, raw in edges.items() for t, lit in _lamp(raw, *times)]
        state: dict[str, bool] = {}
        for instant, due in groupby(sorted(changes, key=itemgetter(0)), key=itemgetter(0)):
            walk.wait(instant)
            state |= {lamp: lit for _, lamp, lit in due}
            if len(state) == len(edges) and instant < _FOREVER:
                walk.show(instant, _ASPECTS.get((state["red"], state["amber"], state["green"]), "conflict"))
        walk.wait(_FOREVER)
    return walk.phases


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)


class Box(NamedTuple):
    """One observation: microseconds, contact, sides, pixels and heights past the stop line, pixels past the other."""

    t: int
    x: float
    y: float
    w: float
    h: float
    d: float
    u: float
    confirm: float
    whole_before: bool

    def towards(self, other: Box, t: float) -> tuple[float, float]:
        """Where the contact was at an instant, on the straight way to another observation."""
        share = (t - self.t) / (other.t - self.t)
        return self.x + share * (other.x - self.x), self.y + share * (other.y - self.y)


def _line(ends: Any, direction: Any) -> Callable[[float, float], tuple[float, float]]:
    """Gives of a place the pixels past a line, negative before it, and how far along it lies, from 0 to 1."""
    (x1, y1), (x2, y2) = ends
    dx, dy, length = x2 - x1, y2 - y1, hypot(x2 - x1, y2 - y1)
    ux, uy = dx / length, dy / length
    sign = copysign(1.0, dx * direction[1] - dy * direction[0])
    return lambda x, y: (sign * (ux * (y - y1) - uy * (x - x1)), ((x - x1) * ux + (y - y1) * uy) / length)


class Passage(NamedTuple):
    """A track's passage over the stop line: its figures as in an event, and what else the rule asks for."""

    figures: Json
    to_line_m: list[tuple[float, float]]
    whole_before_s: float
    doubtful: bool


def find_passage(data: Mapping[str, Any]) -> Passage | None:
    """The crossing of the stop line in a raw track (docs/passages.md); None where there is none."""
    way, dwell = data["geometry"]["direction"], _us(data["rule"]["dwell_s"])
    stop, confirm = (_line(data["geometry"][name], way) for name in ("stop_line_px", "confirm_line_px"))
    boxes = []
    for t, x1, y1, x2, y2, _ in data["track"]:
        x, w, h = (x1 + x2) / 2, max(1.0, x2 - x1), max(1.0, y2 - y1)
        whole = all(stop(*corner)[0] < 0 for corner in ((x1, y1), (x2, y1), (x1, y2), (x2, y2)))
        boxes.append(Box(_us(t), x, y2, w, h, stop(x, y2)[0], stop(x, y2)[0] / h, confirm(x, y2)[0], whole))
    for at, (before, after) in enumerate(pairwise(boxes), start=1):
        if before.d < 0 <= after.d:
            t0 = _zero(before, after, before.d, after.d)
            clear = [index for index in range(at) if boxes[index].u < -_CLEAR]
            past = _past(boxes[at - 1 :], dwell)
            if not clear or past is None or t0 - boxes[clear[0]].t < dwell:
                continue
            last, then = boxes[clear[-1]], boxes[clear[-1] + 1]
            forwards = (after.x - last.x) * way[0] + (after.y - last.y) * way[1] > 0
            if forwards and 0 <= stop(*before.towards(after, t0))[1] <= 1:
                left = _zero(last, then, last.d + _CLEAR * last.h, then.d + _CLEAR * then.h)
                return _measured(data, boxes, at, t0, (left, past), confirm)
    return None


def _zero(before: Box, after: Box, was: float, now: float) -> float:
    """When what was negative at one observation and is not at the next went through nought."""
    return before.t + (after.t - before.t) * -was / (now - was)


def _past(boxes: Sequence[Box], dwell: int) -> float | None:
    """When a track came clearly past the line to stay there for the dwell time; None where it went back before."""
    since: tuple[float, float] | None = None
    for before, box in pairwise(boxes):
        if box.d < 0:
            return None
        if box.u <= _CLEAR:
            since = None
        elif since is None:
            since = _zero(before, box, before.d - _CLEAR * before.h, box.d - _CLEAR * box.h), box.t
        if since and box.t - since[1] >= dwell:
            return since[0]
    return None


def _measured(data: Any, boxes: list[Box], at: int, t0: float, edges: tuple[float, float], confirm: Any) -> Passage:
    """Everything about a crossing between the observations ``at - 1`` and ``at``; ``edges`` are left and past."""
    before, after = boxes[at - 1], boxes[at]
    near = [box for box in boxes if before.t - _NEAR <= box.t <= after.t + _NEAR and (box.t < after.t or box.d >= 0)]
    root, unevenness = _drive([((box.t - t0) / 1e6, box.u) for box in near])
    t, place = t0 + 1e6 * (root or 0.0), before.towards(after, t0)
    reached = (
        (max(t0, _zero(one, two, one.confirm, two.confirm)), one, two)
        for one, two in pairwise(boxes[at - 1 :])
        if one.confirm < 0 <= two.confirm and two.d >= 0
    )
    confirmed = (when for when, one, two in reached if -0.1 <= confirm(*one.towards(two, when))[1] <= 1.1)
    last = next((max(t, when) for when in confirmed if when - t0 <= 1e6 * data["rule"]["confirm_within_s"]), None)
    doubt = max(t - before.t, after.t - t) + max(t - edges[0], edges[1] - t)
    crossing = {"t_cross_s": t / 1e6, "uncertainty_s": doubt / 1e6, "point_px": list(place)}
    crossing["t_confirm_s"] = last and last / 1e6
    speed, to_line_m = None, []
    if data["calibration"] is not None:
        ground = _ground(**data["calibration"])
        to_line_m = [(box.t / 1e6, dist(ground(box.x, box.y), ground(*place))) for box in boxes[:at]]
        first, *_, final = (box for box in near if before.t - _AROUND <= box.t <= after.t + _AROUND)
        speed = dist(ground(first.x, first.y), ground(final.x, final.y)) / (final.t - first.t) * 1e6
    whole = next((box for box in reversed(boxes[:at]) if box.whole_before), boxes[0])
    doubtful = root is None or unevenness > _UNEVEN or _doubtful(boxes, near, t)
    return Passage({"crossing": crossing, "speed_mps": speed}, to_line_m, whole.t / 1e6, doubtful)


def _drive(points: Sequence[tuple[float, float]]) -> tuple[float | None, float]:
    """Where the parabola of least squares through ``(t, u)`` rises through nought, and the rest it leaves."""
    if len(points) < _FEWEST:
        return None, inf
    powers = [fsum(t**n for t, _ in points) for n in range(5)]
    columns = [tuple(powers[n : n + 3]) for n in range(3)]
    sums = tuple(fsum(u * t**n for t, u in points) for n in range(3))
    whole = _det(*columns)
    a, b, c = (_det(*(*columns[:n], sums, *columns[n + 1 :])) / whole for n in range(3))
    rest = sqrt(fsum((u - (a + b * t + c * t * t)) ** 2 for t, u in points) / len(points))
    under = b * b - 4 * a * c
    if under < 0 or b + sqrt(under) <= 0 or abs(2 * a) > _FARTHEST_S * (b + sqrt(under)):
        return None, rest
    return -2 * a / (b + sqrt(under)), rest


def _doubtful(boxes: Sequence[Box], near: Sequence[Box], t: float) -> bool:
    """Whether the boxes near a crossing may not be one vehicle's own: hidden, jump, seen late, returned, shape."""
    steps = [((then.t - box.t) / 1e6, log(then.w / box.w), log(then.h / box.h)) for box, then in pairwise(near)]
    jumps = any(apart_s > 0.6 or max(abs(wider), abs(taller)) > 0.5 + apart_s for apart_s, wider, taller in steps)
    back = any(box.u > 0.3 for box in boxes if 0 < t - box.t < 2_500_000)
    late = [box for box in boxes if box.t >= max(t, boxes[-1].t - _LAST)]
    spans = [box for box in near if box.t < t], [box for box in near if box.t >= t], late
    before, *after = (median(log(box.h / box.w) for box in span) if span else inf for span in spans)
    return jumps or back or t - boxes[0].t < 500_000 or not all(abs(shape - before) <= 0.3 for shape in after)


_Triple = tuple[float, ...]


def _det(u: _Triple, v: _Triple, w: _Triple) -> float:
    return u[0] * (v[1] * w[2] - v[2] * w[1]) - v[0] * (u[1] * w[2] - u[2] * w[1]) + w[0] * (u[1] * v[2] - u[2] * v[1])


def _ground(points_px: Any, points_m: Any) -> Callable[[float, float], tuple[float, float]]:
    """The one projective map that takes four points of the picture to four on the ground, in metres."""

    def basis(points: Any) -> list[_Triple]:
        """Three of the points as homogeneous vectors so long that the fourth is their sum."""
        a, b, c, d = ((float(x), float(y), 1.0) for x, y in points)
        lengths = _det(d, b, c), _det(a, d, c), _det(a, b, d)
        return [tuple(part * length for part in point) for point, length in zip((a, b, c), lengths, strict=True)]

    (a, b, c), ground = basis(points_px), basis(points_m)

    def place(x: float, y: float) -> tuple[float, float]:
        p = (x, y, 1.0)
        shares = _det(p, b, c), _det(a, p, c), _det(a, b, p)
        u, v, w = (sum(share * point[n] for share, point in zip(shares, ground, strict=True)) for n in range(3))
        return u / w, v / w

    return place


_LENGTH_M = {"car": 6.0, "van": 7.5, "truck": 18.75, "bus": 18.75, "motorcycle": 3.0, "bicycle": 3.0}


def recompute(data: Mapping[str, Any]) -> Json:
    """What an event's ``data`` must say by its own raw track, lamps, geometry and rule, under the same names."""
    passage = find_passage(data)
    if passage is None:
        return {"verdict": "no passage at all"}
    t_us = _us(passage.figures["crossing"]["t_cross_s"])
    history = phases(data["lamps"], data["signal"], data["amber"]["minimum_s"])
    spans = pairwise([*history, Phase("", _FOREVER)])
    shown, until = next((phase, then.start) for phase, then in spans if phase.start <= t_us < then.start)
    if shown.name == "red":
        return passage.figures | {"phase": "red"} | _on_red(data, passage, shown, until)
    verdict = {"fault": "lamp_fault", "unknown": "unknown_phase"}.get(shown.name, f"on_{shown.name}")
    return passage.figures | {"phase": shown.name, "verdict": verdict}


def _on_red(data: Mapping[str, Any], passage: Passage, red: Phase, until: int) -> Json:
    """The red time with every doubt deducted, and the verdict: the first reason that holds (docs/judging.md)."""
    t, doubt, confirm = (passage.figures["crossing"][name] for name in ("t_cross_s", "uncertainty_s", "t_confirm_s"))
    clock = data["red_time"]["deductions_s"]["clock"]  # between camera and lamps; the node's word
    doubts = {"crossing": doubt, "lamp": data["signal"]["uncertainty_s"], "clock": clock}
    elapsed = t - red.start / 1e6
    contact = elapsed - sum(doubts.values())
    doubts["rear_margin"] = margin = _rear_margin_s(data, passage) if data["contact"] == "rear" else 0.0
    grace, turn = data["rule"]["grace_s"], data["geometry"]["turn_on_red"] == "allowed"
    reasons = {
        "short_amber": red.fault == "short_amber",
        "unknown_phase": until <= _us(max(t, min(t + doubt, data["track"][-1][0]))),
        "within_grace": contact <= grace,
        "rear_margin": contact - margin <= grace,
        "turn_permitted": turn and confirm is None,
        "stopped_past_line": confirm is None,
        "doubtful_track": passage.doubtful,
        "violation": True,
    }
    return {
        "verdict": next(verdict for verdict, holds in reasons.items() if holds),
        "red_time": {"elapsed_s": elapsed, "at_least_s": max(0.0, contact - margin), "deductions_s": doubts},
        "amber": {"measured_s": None if red.amber is None else red.amber / 1e6},
    }


def _rear_margin_s(data: Mapping[str, Any], passage: Passage) -> float:
    """How much earlier the unseen front may have crossed."""
    t: float = passage.figures["crossing"]["t_cross_s"]
    speed: float | None = passage.figures["speed_mps"]
    if speed is None:
        return max(float(data["rule"]["rear_margin_s"]), t - passage.whole_before_s)
    length: float = data["rule"]["vehicle_length_m"] or _LENGTH_M[data["vehicle_class"]]
    away = [at for at, metres in passage.to_line_m if metres >= length] or [passage.to_line_m[0][0]]
    return max(length / max(speed, 0.1), t - away[-1])


def differences(data: Mapping[str, Any]) -> list[str]:
    """Each figure that comes out otherwise when it is computed again, in words: theirs, then ours.

    Equal is what lies within a millisecond, 0.02 pixels or 0.02 m/s; a text or nothing must be the same.
    """
    theirs, ours = dict(_leaves(data)), dict(_leaves(recompute(data)))
    slack = {name: 0.02 if name.endswith(("_px", "_mps")) else 0.001 for name in ours}
    odd = [name for name in ours if name in theirs and not _near(ours[name], theirs[name], slack[name])]
    return [f"the {name.replace('_', ' ')} is said to be {theirs[name]}, but comes out as {ours[name]}" for name in odd]


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        yield from _leaves(value, f"{path}{name}, ") if isinstance(value, dict) else [(path + name, value)]


def _check_verdict(report: Report) -> None:
    data, odd = report.event["data"], differences(report.event["data"])
    for words in odd:
        report.add(f"Computed again: {words}.", Outcome.DIFFERS)
    if any(data["omitted"].values()):
        report.add("The event had to leave out its oldest rows, which the verdict may rest on.", Outcome.INCOMPLETE)
    least = data["red_time"]["at_least_s"]
    if not odd:
        report.add(f"Computed again from the raw data: a violation, and red for at least {least} s, as the event says.")


def main() -> int:
    """The command line; see the top of this file."""
    parser = argparse.ArgumentParser(description="Checks a Stopline case without trusting the node.")
    parser.add_argument("event", type=Path, help="a signed event, or several, one a line")
    parser.add_argument("bundle", type=Path, nargs="?", help="the evidence of the event")
    parser.add_argument("--key", type=Path, action="append", default=[], help="a trusted public key of a node (PEM)")
    parser.add_argument("--site", type=Path, help="the site file that was commissioned")
    given = parser.parse_args()
    try:
        lines = given.event.read_bytes().removesuffix(b"\n").split(b"\n")
        bundle, site = (file and file.read_bytes() for file in (given.bundle, given.site))
        keys = dict(load_key(file.read_bytes()) for file in given.key)
    except (OSError, ValueError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    # Of several events the bundle is checked with the one that names it.
    lines = [line for line in lines if bundle and sha256(bundle).encode() in line] or lines
    reports = [check(line, keys, bundle, site) for line in lines]
    for report in reports:
        print(f"Event {report.event.get('id', '(unreadable)')}\n{report.outcome.value}")
        print(*(f"  - {finding.words}" for finding in report.findings), sep="\n")
    return 0 if all(report.intact for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
