"""The model that ships: its file is the one that its description names, and it runs wherever ONNX Runtime does."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

MODELS = Path(__file__).parents[2] / "models"
DESCRIPTIONS = sorted(MODELS.glob("*.toml"))


def described(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def test_the_embedded_model_is_there() -> None:
    assert MODELS / "stopline-s.toml" in DESCRIPTIONS


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda p: p.stem)
def test_the_hash_is_that_of_the_file(path: Path) -> None:
    model = described(path)
    assert hashlib.sha256((path.parent / model["file"]).read_bytes()).hexdigest() == model["sha256"]


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda p: p.stem)
def test_it_stays_small(path: Path) -> None:
    assert (path.parent / described(path)["file"]).stat().st_size <= 4_000_000


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda p: p.stem)
@pytest.mark.parametrize(("width", "height"), [(512, 288), (384, 384), (320, 640)])
def test_it_answers_at_any_size(path: Path, width: int, height: int) -> None:
    model = described(path)
    session = ort.InferenceSession(str(path.parent / model["file"]), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
    (rows,) = session.run(None, {"images": picture})
    cells = sum((width // s) * (height // s) for s in (8, 16, 32))
    assert rows.shape == (1, cells, 4 + len(model["classes"]))
    assert np.isfinite(rows).all()
    assert (rows[..., 2:4] >= rows[..., :2]).all()
    assert ((rows[..., 4:] >= 0) & (rows[..., 4:] <= 1)).all()


def test_an_empty_road_holds_nothing() -> None:
    model = described(MODELS / "stopline-s.toml")
    session = ort.InferenceSession(str(MODELS / model["file"]), providers=["CPUExecutionProvider"])
    width, height = model["input"]["size_px"]
    grey = np.full((1, 3, height, width), 110, np.float32)
    assert session.run(None, {"images": grey})[0][0, :, 4:].max() < model["thresholds"]["high"]
