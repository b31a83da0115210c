"""`python -m models.train.quantise`: an 8-bit copy of the exported model, calibrated on training pictures.

Static QDQ quantisation per channel with unsigned activations. The decoding at the graph's end stays in float: pixels of
a whole picture do not fit into eight bits.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from models.train.augment import degraded
from models.train.contestants import letterbox
from models.train.data import Sample, real_samples, rendered_samples
from models.train.export import SIZE_PX, Thresholds, model_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from models.train.boxes import Floats

CALIBRATION_PICTURES = 200
IN_FLOAT = r"/(Conv|box/box\.1|kind/kind\.1)"
"""Convolutions that stay: the heads' last ones and the sums of the decoding."""


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Pictures, one in four degraded, letterboxed as the node does."""

    def __init__(self, samples: list[Sample]) -> None:
        self._tensors = self._read(samples)

    def get_next(self) -> dict[str, Floats] | None:
        """The next input, None at the end."""
        return next(self._tensors, None)

    def _read(self, samples: list[Sample]) -> Iterator[dict[str, Floats]]:
        rng = np.random.default_rng(0)
        for i in rng.choice(len(samples), min(CALIBRATION_PICTURES, len(samples)), replace=False):
            picture = samples[i].loaded().bgr
            assert picture is not None
            shown = degraded(picture, rng) if rng.random() < 0.25 else picture
            yield {"images": letterbox(shown, SIZE_PX)[0]}


def quantise(source: Path, target: Path, samples: list[Sample]) -> None:
    """Write the 8-bit copy of `source`: its convolutions but the heads' last ones."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        nodes: list[Any] = list(onnx.load(prepared).graph.node)
        names = [n.name for n in nodes if n.op_type == "Conv"]
        others = [n.name for n in nodes if n.name.startswith(("/backbone", "/neck")) and n.op_type != "Conv"]
        convolutions = [n for n in names if not re.match(IN_FLOAT, n)]
        quantize_static(
            str(prepared),
            str(target),
            Calibration(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_quantize=[*convolutions, *others],
            op_types_to_quantize=["Conv", "Add", "Concat", "MaxPool", "Resize"],
        )


def main() -> None:
    """Quantise the shipped model."""
    parser = argparse.ArgumentParser(prog="python -m models.train.quantise")
    parser.add_argument("--source", type=Path, default=Path("models/stopline-s.onnx"))
    parser.add_argument("--target", type=Path, default=Path("models/stopline-s-int8.onnx"))
    parser.add_argument("--datasets", type=Path, default=Path("../shared/datasets"))
    parser.add_argument("--rendered", type=Path, default=Path("build/render/train"))
    parser.add_argument("--cache", type=Path, default=Path("build/train/teacher.jsonl"))
    given = parser.parse_args()
    samples = real_samples(given.datasets, ("train",), given.cache)
    samples += list(rendered_samples(given.rendered, set()))[: len(samples)]
    quantise(given.source, given.target, samples)
    given.target.with_suffix(".toml").write_text(model_file(given.target, Thresholds()), "utf-8")
    print(f"{given.target}: {given.target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
