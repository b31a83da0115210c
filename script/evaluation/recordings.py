"""Recordings whose truth is known: those below a folder, and what their truth says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import SourceError

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "evaluation"
PARTS = ("video.mp4", "lamps.csv", "site.toml", "truth.json")


@dataclass(frozen=True, slots=True)
class TruePassage:
    """One passage as `truth.json` gives it; times in seconds of the recording.

    `seen` is the least share of the vehicle visible about its crossing, None in committed cases. `red_front_s` is how
    long it had been red when the vehicle's front was over the line on the ground, None where it was not red or the
    front crossed before the recording began.
    """

    vehicle: str
    vehicle_class: str
    lane: str
    t_cross_s: float
    verdict: str
    red_s: float | None
    red_front_s: float | None
    clear_s: float
    seen: float | None


@dataclass(frozen=True, slots=True)
class Recording:
    """One folder of video, lamps, site file and truth; `approach` names the vehicles of the judged lanes."""

    folder: Path
    seed: int
    condition: str
    view: str
    fps: float
    duration_s: float
    passages: tuple[TruePassage, ...]
    approach: frozenset[str]

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.name

    @property
    def path(self) -> str:
        """The folder as a reader of the project names it."""
        folder = self.folder.resolve()
        return str(folder.relative_to(ROOT)) if folder.is_relative_to(ROOT) else self.name


def recordings_below(folder: Path) -> tuple[list[Recording], int]:
    """All whole recordings below a folder, by name, and how many were left aside because a part is missing.

    Raises SourceError where the folder does not exist, holds none, or holds a truth that cannot be read.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder: give one with recordings below it, each with its truth.json")
    homes = sorted(path.parent for path in folder.rglob("truth.json"))
    whole = [home for home in homes if all((home / part).exists() for part in PARTS)]
    if not whole:
        raise SourceError(f"{folder} holds no whole recording ({', '.join(PARTS)}): make some with sim_fixtures.render")
    return [read(home) for home in whole], len(homes) - len(whole)


def read(folder: Path) -> Recording:
    """One recording. Raises SourceError where its truth is not what the renderer writes."""
    path = folder / "truth.json"
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
        fronts = {vehicle["id"]: vehicle.get("front_stop_s") for vehicle in truth["vehicles"]}
        passages = tuple(_passage(row, fronts[row["vehicle"]]) for row in truth["passages"])
        approach = frozenset(vehicle["id"] for vehicle in truth["vehicles"] if vehicle["lane"] is not None)
        fps, duration_s = float(truth["fps"]), float(truth["duration_s"])
        seed, condition, view = int(truth["seed"]), truth["condition"], truth["view"]
        return Recording(folder, seed, condition, view, fps, duration_s, passages, approach)
    except (ValueError, KeyError, TypeError):
        raise SourceError(f"{path} is no truth that can be read: make the recording again") from None


def _passage(row: dict[str, Any], front_s: float | None) -> TruePassage:
    red_s, t_cross_s = row["red_elapsed_s"], float(row["t_cross_s"])
    red_front_s = None if red_s is None or front_s is None else max(0.0, front_s - (t_cross_s - red_s))
    return TruePassage(
        vehicle=row["vehicle"],
        vehicle_class=row["class"],
        lane=row["lane"],
        t_cross_s=t_cross_s,
        verdict=row["verdict"],
        red_s=red_s,
        red_front_s=red_front_s,
        clear_s=float(row["clear_s"]),
        seen=row.get("seen"),
    )


def digest_of(*parts: Path | bytes | str) -> str:
    """A short name for the content of files and values: what was computed from them holds while it stays the same."""
    total = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        total.update(hashlib.sha256(content).digest())
    return total.hexdigest()[:16]


def code_of(folder: Path, *names: str) -> str:
    """The digest of the Python files below a folder, or of those named."""
    files = [folder / name for name in names] if names else sorted(folder.rglob("*.py"))
    return digest_of(*files)
