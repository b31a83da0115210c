from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge.detector import Detector, Model, load_model
from edge.embedded import embedded_model
from edge.records import Detection, Frame, VehicleClass
from edge.sources.video import open_video

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/models and ../shared/clips are not here")


class Painted:
    """A picture of one colour for each channel: blue, green, red."""

    size_px = (640, 352)

    def __init__(self, bgr: tuple[int, int, int]) -> None:
        self.bgr = bgr

    def scaled(self, size_px: tuple[int, int], crop_px: object = None) -> NDArray[uint8]:  # noqa: ARG002
        return np.broadcast_to(np.array(self.bgr, np.uint8), (size_px[1], size_px[0], 3))


def embedded(**form: object) -> Model:
    model = load_model(embedded_model())
    return Model(
        model.name,
        model.sha256,
        model.description_sha256,
        model.head,
        model.input.model_copy(update=form),
        model.classes,
        model.thresholds,
        model.weights,
    )


def channels(tensor: NDArray[float32]) -> list[float]:
    _, _, height, width = tensor.shape
    return [float(tensor[0, channel, height // 2, width // 2]) for channel in range(3)]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"colour": "bgr"}, [10, 20, 30]),
        ({"colour": "rgb"}, [30, 20, 10]),
        ({"colour": "rgb", "mean": (5.0, 10.0, 0.0), "std": (5.0, 2.0, 255.0)}, [5, 5, 10 / 255]),
    ],
)
def test_a_picture_is_normalised_as_the_model_says(form: dict[str, object], expected: list[float]) -> None:
    detector = Detector(embedded(**form), (640, 352))
    prepared = detector.prepare(Frame(0, 0, Painted((10, 20, 30))))
    assert channels(prepared.tensor) == pytest.approx(expected)
    assert prepared.tensor.flags.c_contiguous
    assert prepared.tensor.shape[2:] == prepared.plan.input_px[::-1]


def test_padding_is_normalised_too_and_survives_recycling() -> None:
    detector = Detector(embedded(dynamic=False, size_px=(256, 256), std=(2.0, 2.0, 2.0)), (640, 352))
    for value in (10, 200):
        prepared = detector.prepare(Frame(0, 0, Painted((value, value, value))))
        top, bottom = prepared.tensor[0, :, 0, 0], prepared.tensor[0, :, -1, -1]
        assert top.tolist() == bottom.tolist() == [57.0] * 3
        assert channels(prepared.tensor) == [value / 2] * 3
        detector.recycle(prepared)


def test_a_tensor_is_not_written_again_before_it_is_recycled() -> None:
    detector = Detector(embedded(), (640, 352))
    prepared = [detector.prepare(Frame(0, 0, Painted((value, 0, 0)))) for value in (1, 2, 3)]
    assert [channels(each.tensor)[0] for each in prepared] == [1, 2, 3]
    detector.recycle(prepared[1])
    again = detector.prepare(Frame(0, 0, Painted((4, 0, 0))))
    assert again.tensor is prepared[1].tensor
    assert [channels(each.tensor)[0] for each in (prepared[0], again, prepared[2])] == [1, 4, 3]


def crowded(detector: Detector) -> tuple[Detection, ...]:
    """A car that also looks like a truck, a person in front of it, and a car beside."""
    plan = detector.plan((640, 352))
    rows = np.zeros((1, 6, 4 + 7), np.float32)
    for index, (box, kind, score) in enumerate(
        [
            ((100, 100, 200, 160), 0, 0.8),
            ((102, 101, 203, 161), 2, 0.7),
            ((100, 100, 200, 160), 6, 0.6),
            ((300, 100, 400, 160), 0, 0.4),
            ((310, 0, 350, 40), 0, 0.05),
            ((-90, 10, -50, 40), 0, 0.9),  # wholly in the padding
        ]
    ):
        rows[0, index, :4] = box
        rows[0, index, 4 + kind] = score
    return detector.decode(rows, plan)


def test_a_vehicle_is_one_box_whatever_its_classes_and_persons_stand_apart() -> None:
    found = crowded(Detector(embedded(), (640, 352)))
    assert [(each.vehicle_class, round(each.score, 2)) for each in found] == [
        (VehicleClass.CAR, 0.8),
        (VehicleClass.PERSON, 0.6),
        (VehicleClass.CAR, 0.4),
    ]


def test_boxes_are_in_the_sites_grid_whatever_the_stream() -> None:
    model = load_model(embedded_model())
    one, two = Detector(model, (640, 352)), Detector(model, (1280, 704))
    small, large = crowded(one), two.decode(np.zeros((1, 0, 11), np.float32), two.plan((640, 352)))
    assert large == ()
    doubled = crowded(two)
    assert np.array([each.box_px for each in doubled]) == pytest.approx(2 * np.array([each.box_px for each in small]))


@needs_shared
@pytest.mark.parametrize(
    ("name", "clip", "size", "region", "least"),
    [
        ("yolox_nano", "side-road", (640, 352), (150, 100, 500, 352), 1.0),
        ("yolox_nano", "highway", (320, 240), (90, 60, 320, 240), 0.9),
        ("yolox_nano", "car-park", (768, 432), (168, 0, 600, 432), 0.5),  # one of two: it takes the other for a phone
        ("fastestdet", "side-road", (640, 352), (150, 100, 500, 352), 0.8),
    ],
)
def test_vehicles_are_found_at_the_line_in_real_clips(name, clip, size, region, least) -> None:  # noqa: ANN001
    model = load_model(ROOT / "models" / "examples" / f"{name}.toml", file=SHARED / "models" / f"{name}.onnx")
    detector = Detector(model, size, region)
    truth = json.loads((SHARED / "clips" / f"{clip}.json").read_text())["crossings"]
    wanted = {crossing["frame_index"]: crossing["bottom_centre_px"] for crossing in truth}
    found = 0
    with open_video(next((SHARED / "clips").glob(f"{clip}.[am]*[v4i]"))) as video:
        for frame in video:
            if frame.sequence in wanted:
                x, y = wanted[frame.sequence]
                found += any(_stands_on(each, x, y) for each in detector.detect(frame))
    assert found >= least * len(truth)


def _stands_on(found: Detection, x: float, y: float) -> bool:
    x1, y1, x2, y2 = found.box_px
    reach = 0.35 * max(x2 - x1, y2 - y1)
    return abs((x1 + x2) / 2 - x) < reach and abs(y2 - y) < reach
