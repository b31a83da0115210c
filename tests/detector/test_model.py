from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edge.detector import Detector, load_model
from edge.embedded import embedded_model
from edge.errors import ModelError
from edge.records import VehicleClass

EMBEDDED = embedded_model()
EXAMPLES = Path(__file__).resolve().parents[2] / "models" / "examples"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "models"


def description(weights: bytes, **changes: str) -> str:
    lines = {
        "schema": "1",
        "name": '"trial"',
        "file": '"trial.onnx"',
        "sha256": f'"{hashlib.sha256(weights).hexdigest()}"',
        "head": '"stopline"',
        "input": "{ size_px = [416, 256], dynamic = true }",
        "classes": '{ 0 = "car" }',
    } | changes
    return "".join(f"{key} = {value}\n" for key, value in lines.items() if value)


def write(folder: Path, weights: bytes | None, **changes: str) -> Path:
    if weights is not None:
        (folder / "trial.onnx").write_bytes(weights)
    path = folder / "trial.toml"
    path.write_text(description(weights or b"", **changes))
    return path


def network() -> bytes:
    return EMBEDDED.with_suffix(".onnx").read_bytes()


def test_a_model_is_its_checked_bytes_and_what_they_mean(tmp_path: Path) -> None:
    path = write(tmp_path, network(), classes='{ 0 = "car", 6 = "person" }')
    model = load_model(path)
    assert model.sha256 == hashlib.sha256(network()).hexdigest() == hashlib.sha256(model.weights).hexdigest()
    assert model.description_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.classes == {0: VehicleClass.CAR, 6: VehicleClass.PERSON}
    assert (model.thresholds.high, model.thresholds.low, model.thresholds.nms_iou) == (0.45, 0.1, 0.6)


def test_the_network_may_lie_elsewhere(tmp_path: Path) -> None:
    path = write(tmp_path, network())
    moved = (tmp_path / "trial.onnx").rename(tmp_path / "moved.onnx")
    assert load_model(path, file=moved).weights == network()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": f'"{"0" * 64}"'}, "is not the file that trial.toml describes"),
        ({"head": '"detr"'}, 'head "detr" is not known: use one of fastestdet, stopline, yolox'),
        ({"schema": "2"}, "schema"),
        ({"sha256": '"short"'}, "sha256: is no SHA-256 in hex: give"),
        ({"classes": '{ 0 = "pedestrian" }'}, "classes.0: must be 'car', "),
        ({"classes": '{ car = "car" }'}, "classes.car: is no whole number: write"),
        ({"classes": "{ }"}, "classes: holds 0 where at least 1 must be: add to it"),
        ({"input": "{ size_px = [416] }"}, "input.size_px"),
        ({"input": "{ size_px = [416, 250] }"}, "multiples of stride 32"),
        ({"input": "{ size_px = [416, 256], std = [0.0, 1.0, 1.0] }"}, "std must be above zero"),
        ({"name": ""}, "name: is missing: add it"),
        ({"owner": '"me"'}, "owner"),
        ({"file": '"none.onnx"'}, "none.onnx does not exist"),
        ({"name": '"unclosed'}, "not valid TOML"),
    ],
)
def test_a_description_that_is_wrong_is_refused_in_one_sentence(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(ModelError) as refused:
        load_model(write(tmp_path, network(), **changes))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_of_another_kind_is_no_description(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text('schema = 1\n[site]\nid = "a"\n', encoding="utf-8")
    with pytest.raises(ModelError, match=r"site\.toml describes no model: give the TOML file"):
        load_model(site)


def test_missing_and_binary_descriptions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load_model(tmp_path / "none.toml")
    with pytest.raises(ModelError, match="is no text file"):
        load_model(EMBEDDED.with_suffix(".onnx"))


@pytest.mark.parametrize(
    ("weights", "changes", "words"),
    [
        (b"this is no network", {}, "is no ONNX model that can be run"),
        (None, {"head": '"fastestdet"'}, "correct head"),
        (None, {"classes": '{ 60 = "car" }'}, "index 60"),
        (None, {"input": "{ size_px = [420, 260], stride = 20 }"}, "cannot run on its input"),
    ],
)
def test_a_network_unlike_its_description_is_refused_at_the_start(
    tmp_path: Path, weights: bytes | None, changes: dict[str, str], words: str
) -> None:
    model = load_model(write(tmp_path, weights or network(), **changes))
    with pytest.raises(ModelError) as refused:
        Detector(model, (640, 352))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/models is not here")
@pytest.mark.parametrize("name", ["yolox_nano", "fastestdet"])
def test_a_fixed_network_refuses_another_size(tmp_path: Path, name: str) -> None:
    toml = (EXAMPLES / f"{name}.toml").read_text()
    path = tmp_path / "model.toml"
    path.write_text(toml.replace("416", "320").replace("352", "320"))
    with pytest.raises(ModelError, match="correct size_px"):
        Detector(load_model(path, file=SHARED / f"{name}.onnx"), (640, 352))
