"""The running detector: frames in, detections in the site's grid out, in three steps that may run on three threads."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

from edge.detector.heads import HEADS
from edge.detector.plan import InputPlan, plan_input
from edge.detector.suppression import keep_best
from edge.errors import ModelError
from edge.records import Detection, VehicleClass

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray

    from edge.detector.model import Model
    from edge.records import Box, Frame, Size

_SPARE_TENSORS = 8
_SILENT = 4


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame as the network is fed it: ``tensor`` is (1, 3, height, width) float32."""

    tensor: NDArray[float32]
    plan: InputPlan


class Detector:
    """One model on one approach.

    ``region_px`` is the approach's part of ``grid_px`` (the site's grid), None for all of it. ``prepare``, ``infer``
    and ``decode`` may run on different threads, each on one at a time. Raises ModelError where the model cannot be run
    or is not what its description says.
    """

    def __init__(self, model: Model, grid_px: Size, region_px: Box | None = None, *, threads: int = 1) -> None:
        self.model = model
        self.grid_px = grid_px
        self.region_px = region_px
        self._plans: dict[Size, InputPlan] = {}
        self._spares: dict[InputPlan, deque[NDArray[float32]]] = {}
        self._wanted = np.array(sorted(model.classes), np.intp)
        self._classes = [model.classes[index] for index in sorted(model.classes)]
        self._is_person = np.array([kind is VehicleClass.PERSON for kind in self._classes])
        self._session = _start(model, threads)
        self._input_name = self._session.get_inputs()[0].name
        self._try_out()

    def plan(self, picture_px: Size) -> InputPlan:
        """How pictures of this size are laid into the network's input."""
        if picture_px not in self._plans:
            self._plans = {picture_px: plan_input(self.model.input, self.grid_px, self.region_px, picture_px)}
        return self._plans[picture_px]

    def prepare(self, frame: Frame) -> Prepared:
        """Crop, scale and normalise a frame's picture."""
        plan = self.plan(frame.picture.size_px)
        pixels = frame.picture.scaled(plan.content_px, plan.crop_px)
        return Prepared(self._fill(self._tensor(plan), pixels, plan), plan)

    def infer(self, prepared: Prepared) -> NDArray[float32]:
        """Run the network; the output is its own, to be read by ``decode``."""
        try:
            output = self._session.run(None, {self._input_name: prepared.tensor})[0]
        except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no other base
            raise ModelError(f"{self.model.name} cannot run on its input: {_first_line(error)}") from None
        return output  # type: ignore[no-any-return]

    def decode(self, output: NDArray[float32], plan: InputPlan) -> tuple[Detection, ...]:
        """The objects in a network's output, best first, at most one box a vehicle, in the site's grid."""
        thresholds = self.model.thresholds
        found = HEADS[self.model.head](output, plan.input_px, self._wanted, thresholds.low)
        best = found.scores.argmax(axis=1)
        scores = found.scores.max(axis=1, initial=0.0)
        # Vehicles are one kind: a car that also looks like a truck is one vehicle. A person in front of it is not.
        kept = keep_best(found.boxes, scores, self._is_person[best].astype(np.intp), thresholds.nms_iou)
        boxes = plan.to_grid(found.boxes[kept])
        return tuple(
            Detection((x1, y1, x2, y2), float(scores[index]), self._classes[best[index]])
            for index, (x1, y1, x2, y2) in zip(kept, boxes.tolist(), strict=True)
            if x2 > x1 and y2 > y1
        )

    def detect(self, frame: Frame) -> tuple[Detection, ...]:
        """All three steps at once."""
        prepared = self.prepare(frame)
        detections = self.decode(self.infer(prepared), prepared.plan)
        self.recycle(prepared)
        return detections

    def recycle(self, prepared: Prepared) -> None:
        """Hand a frame's tensor back for another; nobody may read it afterwards."""
        spares = self._spares.setdefault(prepared.plan, deque(maxlen=_SPARE_TENSORS))
        spares.append(prepared.tensor)

    def _tensor(self, plan: InputPlan) -> NDArray[float32]:
        """A tensor whose padding is filled in; a fresh one costs more page faults than a used one."""
        spares = self._spares.get(plan)
        if spares:
            return spares.popleft()
        width, height = plan.input_px
        form = self.model.input
        fill = (np.float32(form.pad) - np.array(form.mean, np.float32)) / np.array(form.std, np.float32)
        return np.broadcast_to(fill[:, None, None], (1, 3, height, width)).astype(np.float32, order="C")

    def _fill(self, tensor: NDArray[float32], pixels: NDArray[uint8], plan: InputPlan) -> NDArray[float32]:
        form = self.model.input
        left, top = plan.offset_px
        width, height = plan.content_px
        for channel in range(3):
            room = tensor[0, channel, top : top + height, left : left + width]
            room[:] = pixels[:, :, channel if form.colour == "bgr" else 2 - channel]
            if form.mean[channel]:
                room -= np.float32(form.mean[channel])
            if form.std[channel] != 1:
                room *= np.float32(1 / form.std[channel])
        return tensor

    def _try_out(self) -> None:
        """Run one grey picture through, so that a model that does not fit is refused before any real one."""
        form = self._session.get_inputs()[0]
        if len(form.shape) != 4 or form.type != "tensor(float)":
            raise ModelError(
                f"{self.model.name} takes {form.type} {form.shape}, not one picture of float32: export it so"
            )
        if not self.model.input.dynamic and _fixed(form.shape[2:]) not in {None, self.model.input.size_px[::-1]}:
            raise ModelError(
                f"{self.model.name} takes pictures of {form.shape[3]} x {form.shape[2]}: correct size_px in its TOML"
            )
        plan = self.plan(self.grid_px)
        self.decode(self.infer(Prepared(self._tensor(plan), plan)), plan)


def _start(model: Model, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _SILENT
    # A waiting thread that spins takes the core from the decoder.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model.weights, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors share no other base
        raise ModelError(f"{model.name} is no ONNX model that can be run: {_first_line(error)}") from None


def _fixed(sides: list[Any]) -> Size | None:
    """Height and width where the network fixes both."""
    return (sides[0], sides[1]) if all(isinstance(side, int) for side in sides) else None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rpartition(" : ")[2][:200]
