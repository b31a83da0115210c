"""A whole case as a node makes it: signed event, bundle, key; and the same with something wrong in it, signed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyrage

from edge.config import load_site
from edge.event import Clock, EvidenceRef, Origin, ViolationCase, build, sign, with_evidence
from edge.evidence.bundle import build_bundle
from edge.evidence.media import Media, StillInfo
from edge.evidence.seal import Seal
from tests.cases import EVENT_ID, NONCE, signing_key
from tests.core.motion import dice
from tests.verify.judged import CALIBRATION, SITE, drive, judged, lamps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = signing_key()
PICTURES = ("still-1.jpg", "still-1-data.jpg", "still-2.jpg", "still-2-data.jpg", "clip.mp4", "masks.csv")


def pictures() -> Media:
    """Stand-ins for what the camera's pictures give: the verifier looks at their hashes alone."""
    box = (1.0, 2.0, 3.0, 4.0)
    stills = (
        StillInfo("still-1.jpg", 12.4, box, "before the stop line on red"),
        StillInfo("still-2.jpg", 13.9, box, "past the confirm line on red"),
    )
    return Media({name: name.encode() * 40 for name in PICTURES}, stills, (6.0, 18.0))


@dataclass
class CaseFile:
    """An event before it is signed, with what its bundle is made of."""

    document: dict[str, Any]
    site_toml: bytes
    pictures: Media = field(default_factory=pictures)
    masking: dict[str, Any] | None = None
    recipients: tuple[str, ...] = ()
    plain: bytes = b""
    sent: bytes = b""
    event: bytes = b""

    def finish(self, change: Callable[[bytes], bytes] = lambda plain: plain) -> CaseFile:
        """Bundle, seal and sign as the node does; ``change`` is done to the plain bundle before it is hashed."""
        bundle = build_bundle(self.document, self.site_toml, self.pictures, self.masking)
        self.plain = change(bundle.data)
        seal = Seal(self.recipients)
        self.sent = seal.close(self.plain)
        hashes = (hashlib.sha256(raw).hexdigest() for raw in (self.plain, self.sent))
        plain_sha256, sent_sha256 = hashes
        reference = EvidenceRef(
            plain_sha256, len(self.plain), sent_sha256, len(self.sent), seal.name, 1, tuple(bundle.missing)
        )
        self.event = sign(with_evidence(self.document, reference), KEY)
        return self


def casefile(folder: Path, *, calibrated: bool = False, seed: int = 3) -> CaseFile:
    """A car that drives over the line well into red, judged by the node itself."""
    toml = (SITE + (CALIBRATION if calibrated else "")).encode()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_bytes(toml)
    site = load_site(folder / "site.toml")
    found = judged(site, drive(dice(seed), calm=True), lamps(6.0))
    assert found is not None
    assert found.judgement.verdict == "violation", found.judgement
    origin = Origin(node="edge-1", software="0.1.0", model_sha256="a7" * 32)
    case = ViolationCase(
        found.passage, found.judgement, found.lamps, site, origin, Clock(1_749_880_800_000_000_000, 12.5)
    )
    return CaseFile(build(case, event_id=EVENT_ID, nonce=NONCE, sequence=1), toml)


def age_key() -> tuple[str, str]:
    """A new age key: what opens, and the recipient that is sealed to."""
    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())
