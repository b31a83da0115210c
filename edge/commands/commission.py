"""``stopline commission``: the self test, the reference view and a signed record, with somebody standing there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from edge import __version__
from edge.arming import grey
from edge.commands.chain import check_source, detector_for, open_source, wiring
from edge.commands.run import made_folder
from edge.commissioning import Fitness, read_record, software_sha256, write_record
from edge.config import load_node, load_site
from edge.errors import ConfigError, SourceError
from edge.health import Outcome
from edge.keys import load_signing_key
from edge.outbox import Outbox
from edge.picture_check import PictureCheck
from edge.records import NS_PER_S
from edge.selftest import self_test
from edge.sources.gpio import open_gpio
from edge.view import features, hash_of, match

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.commissioning import Commissioned
    from edge.config import Site
    from edge.detector import Detector
    from edge.keys import SigningKey
    from edge.view import Features

    Look = tuple[int, NDArray[uint8]]  # when a picture was taken, in ns, and the picture

MOST_PICTURES: Final = 61  # that the reference is the median of
_LEAST_PICTURES = 5
_LEAST_PATCHES = 12


@dataclass(frozen=True, slots=True)
class CommissionRequest:
    """What the command line asked for; the reference view is taken over ``seconds`` of ``source``."""

    source: str
    site: Path
    node: Path
    model: Path | None
    by: str
    installer_key: Path | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What was written down; ``patches`` is how many places of the picture the view can be told by."""

    record: Commissioned
    pictures: int
    patches: int


@dataclass(frozen=True, slots=True)
class Tried:
    """A commissioning for which all was found good and nothing is written yet."""

    state: Path
    told: dict[str, str]
    fitness: Fitness
    view: bytes
    key: SigningKey
    installer: SigningKey | None
    pictures: int
    patches: int

    def write(self) -> Report:
        """Write the record. Raises ConfigError; then nothing is written."""
        write_record(self.state, self.told, self.fitness, self.view, self.key, self.installer)
        return Report(read_record(self.state, self.key), self.pictures, self.patches)


def commission(request: CommissionRequest, tell: Callable[[str], None]) -> Report:
    """Try everything and write the record. Raises what fails as its own error; then nothing is written."""
    return tried(request, tell).write()


def tried(request: CommissionRequest, tell: Callable[[str], None]) -> Tried:
    """Try everything that the record vouches for. Raises what fails as its own error."""
    if not request.by.strip() or len(request.by) > 200:
        raise ConfigError("--by names nobody, or in more than 200 letters: say who answers for this commissioning")
    site, node = load_site(request.site), load_node(request.node)
    key = load_signing_key(node.node.key)
    installer = load_signing_key(request.installer_key) if request.installer_key else None
    check_source(request.source)
    detector = detector_for(site, request.model, 1)
    state = made_folder(node.node.state)
    _test(detector, key, state, tell)
    _try_lamps(site, tell)
    tell(f"Taking the reference view over {request.seconds:g} s.")
    pictures = _pictures(request.source, site, request.seconds)
    reference, patches = _reference(pictures, site)
    view = reference.packed()
    sha256 = hashlib.sha256(request.site.read_bytes()).hexdigest()
    fitness = Fitness(sha256, detector.model.sha256, __version__, software_sha256(), hash_of(view))
    told = {"site": site.site.id, "node": node.node.id, "by": request.by.strip(), "at": _now()}
    return Tried(state, told, fitness, view, key, installer, len(pictures), patches)


def _test(detector: Detector, key: SigningKey, state: Path, tell: Callable[[str], None]) -> None:
    with Outbox(state / "outbox.sqlite") as outbox:
        tested = self_test(detector, key, outbox)
    if tested.outcome is not Outcome.OK:
        raise ConfigError(tested.words.removesuffix("."))
    tell(tested.words)


def _reference(pictures: list[Look], site: Site) -> tuple[Features, int]:
    """What the view is told by later, and by how many places of the picture. Raises where that is too little."""
    _check_pictures(pictures)
    reference = features([grey for _, grey in pictures]).without(
        [mask.region_px for mask in site.masks], site.camera.size_px
    )
    patches = match(reference, reference).agreeing
    if patches < _LEAST_PATCHES:
        raise ConfigError(
            f"The view shows too little that stays ({patches} places, {_LEAST_PATCHES} are needed): commission by day "
            "and in clear weather, with buildings, kerbs or markings in the picture"
        )
    return reference, patches


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _try_lamps(site: Site, tell: Callable[[str], None]) -> None:
    """Read every wired input once. Raises SourceError where one cannot be read."""
    pins = wiring(site)
    if not pins:
        tell("No lamps are wired in the site file: none were tried.")
        return
    with open_gpio(pins, lambda _edge: None) as inputs:
        inputs.check()
    tell(f"The lamp inputs of {', '.join(group.group for group in pins)} can be read.")


def _pictures(source: str, site: Site, seconds: float) -> list[Look]:
    """Grey pictures with their times, spread evenly over the first ``seconds``."""
    every_ns = round(seconds * NS_PER_S / MOST_PICTURES)
    taken: list[Look] = []
    first_ns = due_ns = None
    with open_source(source, site.camera) as video:
        for frame in video:
            if first_ns is None or due_ns is None:
                first_ns = due_ns = frame.t_ns
            if frame.t_ns >= due_ns:
                taken.append((frame.t_ns, grey(frame)))
                due_ns += every_ns
            if len(taken) >= MOST_PICTURES or frame.t_ns - first_ns > seconds * NS_PER_S:
                break
    if len(taken) < _LEAST_PICTURES:
        raise SourceError(f"{source} gave {len(taken)} pictures: the reference view needs {_LEAST_PICTURES} at least")
    return taken


def _check_pictures(pictures: list[Look]) -> None:
    check = PictureCheck()
    for t_ns, picture in pictures:
        check.look(picture, t_ns)
        found = check.finding(None, t_ns)
        if found.outcome is not Outcome.OK:
            raise SourceError(found.words.removesuffix("."))
