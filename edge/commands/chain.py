"""The parts of the chain that ``replay`` and ``run`` set up alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from edge.approach import Approach
from edge.config import Broker
from edge.detector import Detector, load_model
from edge.durable import check_place
from edge.embedded import embedded_model
from edge.errors import ConfigError
from edge.evidence.keeper import Desk
from edge.evidence.masking import Masker
from edge.evidence.ring import PacketRing
from edge.evidence.seal import Seal
from edge.sources.gpio import LampPins
from edge.sources.lampview import LampView, LampWatch
from edge.sources.picamera import is_picamera, open_picamera, require_picamera2
from edge.sources.video import check_address, open_video
from edge.tracker import TrackerSettings

if TYPE_CHECKING:
    from edge.config import Camera, Evidence, SignalGroup, Site
    from edge.keys import SigningKey
    from edge.mqtt import Topics
    from edge.records import Size
    from edge.sources.lampview import Detailed
    from edge.sources.picamera import PicameraSource
    from edge.sources.video import VideoSource

DEFAULT_PREFIX = "stopline"
VIEW = Path("view")
"""In place of a timeline: the lamps are read in the picture."""

_ASPECT_TOLERANCE = 0.02
_JUDGED_WITHIN_S = 5.0  # after the confirm line, or the time for it: dwell, debouncing, a track that ends


def detector_for(site: Site, model_file: Path | None, threads: int) -> Detector:
    """The named detector, or the embedded one, on the site's region. Raises ModelError."""
    model = load_model(model_file or embedded_model())
    return Detector(model, site.camera.size_px, site.detector.region_px, threads=threads)


def approach_for(site: Site, detector: Detector, *, trust_start: bool, clock_uncertainty_s: float = 0.0) -> Approach:
    """The site's approach, judged with the scores that the detector's model file names.

    ``clock_uncertainty_s`` is deducted from every red time; lamps read in the picture are known to a frame interval.
    """
    scores = TrackerSettings(high=detector.model.thresholds.high, low=detector.model.thresholds.low)
    return Approach(site, scores, trust_start=trust_start, clock_uncertainty_s=clock_uncertainty_s)


def watch_for(site: Site, video: Detailed, *, keep: bool = False) -> LampWatch:
    """What reads the lamps in a source's pictures; the site's regions have been checked."""
    return LampWatch(LampView.on(video, site), keep=keep)


def check_views(site: Site, file: Path) -> None:
    """ConfigError where the site file does not say where the lamps of each lane are in the picture."""
    for group in dict.fromkeys(lane.signal_group for lane in site.lanes):
        if site.group(group).view is None:
            raise ConfigError(
                f"{file} does not say where the lamps of signal group {group} are in the picture: "
                "add [signal_groups.view] to it, or name another --signal"
            )


def open_source(source: str, camera: Camera) -> VideoSource | PicameraSource:
    """A recording, a network camera, or a Pi's own as the site file's ``[camera]`` asks; SourceError without one."""
    return open_picamera(source, camera) if is_picamera(source) else open_video(source)


def check_source(source: str) -> None:
    """SourceError where it can be told without opening it that a recording or a camera is not there."""
    if is_picamera(source):
        require_picamera2()
    else:
        check_address(source)


def check_writable(file: Path, option: str) -> None:
    """ConfigError where a file that an option of the command line names could not be written at the end."""
    try:
        check_place(file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written ({error.strerror}): name another with {option}") from None


def check_aspect(site: Site, name: str, size_px: Size) -> None:
    """ConfigError where a video is of another aspect than the site's grid: geometry scales to its own alone."""
    if not fits_grid(site, size_px):
        (width, height), (grid_width, grid_height) = size_px, site.camera.size_px
        raise ConfigError(
            f"{name} is {width} x {height}, another aspect than the site's camera.size_px of "
            f"{grid_width} x {grid_height}: give the recording the lines were drawn on, or draw them anew"
        )


def fits_grid(site: Site, size_px: Size) -> bool:
    """Whether a picture's width and height are in the proportion of the site's grid."""
    (width, height), (grid_width, grid_height) = size_px, site.camera.size_px
    return abs(width * grid_height / (height * grid_width) - 1) <= _ASPECT_TOLERANCE


def ring_for(evidence: Evidence, site: Site) -> PacketRing:
    """Room for the video that a violation's evidence needs: from before its crossing until it is judged."""
    return PacketRing(evidence.before_s + site.rule.confirm_within_s + _JUDGED_WITHIN_S, evidence.ring_mb * 1_000_000)


def desk_for(evidence: Evidence, site: Site, site_toml: bytes, key: SigningKey, topics: Topics) -> Desk:
    """How cases become events. Raises ConfigError for a recipient that is none."""
    seal = Seal(evidence.recipients)
    regions_px = tuple(mask.region_px for mask in site.masks)
    return Desk(key, seal, topics, evidence.part_kb * 1024, site_toml, regions_px, site.site.name)


def masker() -> Masker:
    """What finds persons and windscreens: always the embedded detector, which was trained to see persons."""
    return Masker(load_model(embedded_model()))


def wiring(site: Site) -> list[LampPins]:
    """The lamp inputs that the site file names."""
    return [pins for group in site.signal_groups if (pins := lamp_pins(group)) is not None]


def lamp_pins(group: SignalGroup) -> LampPins | None:
    """The inputs of one signal group, None where it has none."""
    if group.pins is None:
        return None
    return LampPins(group.id, group.pins.red, group.pins.amber, group.pins.green, active_low=group.active_low)


def broker_at(url: str, given: Broker | None = None) -> Broker:
    """The broker at a URL of the command line, with the certificates of ``given``. Raises ConfigError."""
    try:
        return Broker.model_validate({**(given.model_dump() if given else {}), "url": url})
    except ValidationError:
        raise ConfigError(f'"{url}" is no broker: write mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS') from None
