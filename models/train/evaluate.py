"""`python -m models.train.evaluate`: the embedded model beside two public ones, on pictures none was trained on.

Writes a JSON of average precision (with 95 % intervals), recall by class, condition and size, and ms a picture.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from models.train.classes import CLASSES, DATASETS
from models.train.contestants import Contestant, Seen, fastestdet, stopline, yolox
from models.train.data import Picture, Sample, read_labels, real_samples, rendered_samples
from models.train.metrics import (
    Judged,
    average_precision,
    best_threshold,
    coco,
    ground_errors,
    interval,
    judge,
    parts,
    rates,
)

if TYPE_CHECKING:
    from models.train.boxes import Floats
    from models.train.teacher import Found

NIGHT_BELOW = 70
"""Mean grey level of a picture that counts as taken at night."""
FOUND = 0.3
"""From this score on a box is asked how exact it is."""
BANDS_PX = ((0, 16), (16, 32), (32, 64), (64, 128), (128, 10_000))
FEWEST = 10


@dataclass(frozen=True, slots=True)
class Exam:
    """A set of pictures with truth; `how` says where its labels come from."""

    name: str
    how: str
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class Paper:
    """One picture of an exam as it is on disk, its truth in pixels, its condition."""

    bgr: Picture
    rows: Floats
    condition: str


def exams(datasets: Path, rendered: Path, cache: Path) -> list[Exam]:
    """The pictures that measure; sets that are absent are left out."""
    real = [
        Exam("road-views valid", "human labels", _human(datasets, "road-views", ("valid",))),
        Exam("road-night-day valid+test", "human labels", _human(datasets, "road-night-day", ("valid", "test"))),
        Exam(
            "junctions test",
            "human labels, completed by YOLOX-nano at high resolution",
            real_samples(datasets, ("test",), cache, "junctions"),
        ),
    ]
    folders = sorted((p for p in rendered.glob("*") if p.is_dir()), reverse=True)
    made = [Exam(f"rendered valid, {f.name}", "exact", list(rendered_samples(f, set()))) for f in folders]
    return [e for e in (*real, *made) if e.samples]


def _human(datasets: Path, name: str, splits: tuple[str, ...]) -> list[Sample]:
    paths = [p for split in splits for p in sorted((datasets / name / split / "images").glob("*.jpg"))]
    classes = DATASETS[name]
    return [Sample(p, name, read_labels(p.parent.parent / "labels" / f"{p.stem}.txt", classes)) for p in paths]


def paper(sample: Sample) -> Paper:
    """Load a sample as it is on disk."""
    picture = cv2.imread(str(sample.path))
    assert picture is not None, sample.path
    bgr = np.asarray(picture, np.uint8)
    whole = np.array([1, *bgr.shape[1::-1], *bgr.shape[1::-1]], np.float32)
    return Paper(bgr, sample.rows * whole, _condition(sample, bgr))


def _condition(sample: Sample, bgr: Picture) -> str:
    """Of a rendered picture the light is known from its seed, of a real one only its brightness."""
    if sample.dataset == "rendered" and sample.path.stem.isdigit():
        return _rendered_condition(int(sample.path.stem), sample.path.parent.parent.name)
    return "night" if float(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).mean()) < NIGHT_BELOW else "day"


def _rendered_condition(seed: int, view: str) -> str:
    """The light that the renderer drew for this seed and view, named by what it does to the picture."""
    from sim_fixtures.render.training import light_of

    light = light_of(seed, view)
    if sum(light.sun) == 0:
        return "night, wet" if light.wet > 0.3 else "night"
    if light.rain > 0:
        return "rain"
    if light.fog_per_m > 0.0095:
        return "fog"
    return "dusk" if light.street > 0 else "day"


def measure(contestants: dict[str, Contestant], exam: Exam, high: float) -> dict[str, Any]:
    """All contestants on one exam, picture by picture in turn so that their times compare."""
    papers = [paper(s) for s in exam.samples]
    seen: dict[str, list[Seen]] = {name: [] for name in contestants}
    for p in papers:
        for name, look in contestants.items():
            seen[name].append(look(p.bgr))
    results = {name: _result(papers, all_seen, high) for name, all_seen in seen.items()}
    vehicles = int(sum((p.rows[:, 0] >= -1).sum() for p in papers))
    return {"pictures": len(papers), "boxes": vehicles, "labels": exam.how, "detectors": results}


def _result(papers: list[Paper], seen: list[Seen], high: float) -> dict[str, Any]:
    founds: list[Found] = [s.vehicles for s in seen]
    judged = [judge(f, p.rows) for f, p in zip(founds, papers, strict=True)]
    sizes = [(p.bgr.shape[1], p.bgr.shape[0]) for p in papers]
    recall, precision = rates(judged, high)
    return {
        **coco(founds, [p.rows for p in papers], sizes),
        "ap50_interval": interval(judged),
        "recall_at_high": recall,
        "precision_at_high": precision,
        "best_f1_threshold": best_threshold(judged),
        "ap50_by_condition": _by_condition(papers, judged),
        "recall_by_class": _by_class(judged, high),
        "recall_by_height_px": _by_height(judged, high),
        "part_boxes_at_high": sum(parts(f, p.rows, high) for f, p in zip(founds, papers, strict=True)),
        "ground": _ground(papers, judged),
        "median_ms": float(np.median([s.whole_ms for s in seen])),
        "median_net_ms": float(np.median([s.net_ms for s in seen])),
    }


def _by_condition(papers: list[Paper], judged: list[Judged]) -> dict[str, dict[str, Any]]:
    out = {}
    for condition in sorted({p.condition for p in papers}):
        part = [j for p, j in zip(papers, judged, strict=True) if p.condition == condition]
        out[condition] = {"pictures": len(part), "ap50": average_precision(part), "interval": interval(part)}
    return out


def _share(found_at: Floats, high: float) -> dict[str, float]:
    return {"boxes": len(found_at), "recall": float((found_at >= high).mean())}


def _by_class(judged: list[Judged], high: float) -> dict[str, dict[str, float]]:
    classes = np.concatenate([j.rows[:, 0] for j in judged])
    found = np.concatenate([j.found_at for j in judged])
    names = {-1: "any", **dict(enumerate(CLASSES))}
    return {names[int(c)]: _share(found[classes == c], high) for c in np.unique(classes)}


def _by_height(judged: list[Judged], high: float) -> dict[str, dict[str, float]]:
    heights = np.concatenate([j.rows[:, 4] - j.rows[:, 2] for j in judged])
    found = np.concatenate([j.found_at for j in judged])

    def inside(low: int, top: int) -> Any:
        return (heights >= low) & (heights < top)

    return {f"{a}-{b}": _share(found[inside(a, b)], high) for a, b in BANDS_PX if inside(a, b).any()}


def _ground(papers: list[Paper], judged: list[Judged]) -> dict[str, dict[str, Any]]:
    """Percentiles of the errors at the middle of the lower side of vehicles found, by class, light and height."""
    errors = np.concatenate(
        [ground_errors(j, (p.bgr.shape[1], p.bgr.shape[0]), FOUND) for p, j in zip(papers, judged, strict=True)]
    )
    rows = np.concatenate([j.rows for j in judged])
    conditions = np.concatenate([[p.condition] * len(j.rows) for p, j in zip(papers, judged, strict=True)])
    heights = rows[:, 4] - rows[:, 2]
    groups = {"all": heights >= 0}
    groups |= {CLASSES[int(c)]: rows[:, 0] == c for c in np.unique(rows[:, 0]) if c >= 0}
    groups |= {str(name): conditions == name for name in np.unique(conditions)}
    groups |= {f"{low}-{top} px high": (heights >= low) & (heights < top) for low, top in BANDS_PX}
    shares = np.stack([*errors.T, errors[:, 0] / heights], 1)
    return {name: _percentiles(shares[inside]) for name, inside in groups.items() if inside.sum() >= FEWEST}


def _percentiles(errors: Floats) -> dict[str, Any]:
    """Of columns down px, right px, down as a share of the height: p5, p50, p95 of what is not NaN."""
    told = [column[~np.isnan(column)] for column in errors.T]
    names = ("down_px", "right_px", "down_share")
    figures = {n: np.percentile(c, (5, 50, 95)).tolist() for n, c in zip(names, told, strict=True) if len(c)}
    return {"vehicles": len(told[0]), **figures}


def contestants_of(folder: Path, public: Path) -> tuple[dict[str, Contestant], float]:
    """Every model of ours in `folder`, the public ones where present, and our threshold for a sure detection."""
    entries: dict[str, Contestant] = {}
    high = 0.45
    for path in sorted(folder.glob("*.toml"), reverse=True):
        model = tomllib.loads(path.read_text("utf-8"))
        width, height = model["input"]["size_px"]
        entries[model["name"]] = stopline(folder / model["file"], (width, height))
        high = float(model["thresholds"]["high"])
    for name, make in (("yolox_nano", yolox), ("fastestdet", fastestdet)):
        if (public / f"{name}.onnx").exists():
            entries[name] = make(public / f"{name}.onnx")
    return entries, high


def _table(name: str, result: dict[str, Any]) -> str:
    lines = [f"{name}: {result['pictures']} pictures, {result['boxes']} boxes ({result['labels']})"]
    for who, r in result["detectors"].items():
        low, top = r["ap50_interval"]
        conditions = " ".join(f"{c} {v['ap50']:.3f}" for c, v in r["ap50_by_condition"].items())
        lines.append(
            f"  {who:16} AP50 {r['ap50']:.3f} [{low:.3f} {top:.3f}] AP {r['ap50_95']:.3f}"
            f" R {r['recall_at_high']:.3f} P {r['precision_at_high']:.3f} best {r['best_f1_threshold']:.2f}"
            f" {r['median_ms']:.1f} ms (net {r['median_net_ms']:.1f}) | {conditions} | {_placing(r)}"
        )
    return "\n".join(lines)


def _placing(result: dict[str, Any]) -> str:
    """How exact the boxes are, and how many are mere parts, in one line."""
    ground = result["ground"]["all"]
    down, right = ([f"{v:+.2f}" for v in ground[name]] for name in ("down_px", "right_px"))
    return f"down {' '.join(down)} right {' '.join(right)} parts {result['part_boxes_at_high']}"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m models.train.evaluate")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--public", type=Path, default=Path("../shared/models"))
    parser.add_argument("--datasets", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--rendered", type=Path, default=Path("build/render/valid"))
    parser.add_argument("--cache", type=Path, default=Path("build/train/teacher.jsonl"))
    parser.add_argument("--out", type=Path, default=Path("build/train/evaluation.json"))
    given = parser.parse_args()
    cv2.setNumThreads(1)
    contestants, high = contestants_of(given.models, given.public)
    results = {}
    for exam in exams(given.datasets, given.rendered, given.cache):
        results[exam.name] = measure(contestants, exam, high)
        print(_table(exam.name, results[exam.name]), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(results, indent=1), "utf-8")


if __name__ == "__main__":
    main()
