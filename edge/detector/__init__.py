"""The detector: an ONNX model, described by a small TOML file, fed with the approach's part of the picture."""

from edge.detector.model import Description, Model, load_model, read_description
from edge.detector.plan import InputPlan, plan_input
from edge.detector.session import Detector, Prepared

__all__ = ["Description", "Detector", "InputPlan", "Model", "Prepared", "load_model", "plan_input", "read_description"]
