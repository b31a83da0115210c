"""Chances of kinds and paints: which road users a street carries and how they look."""

from __future__ import annotations

import numpy as np

from .vehicles import CARS, model

Rgb = tuple[float, float, float]
_PAINTS: list[tuple[Rgb, float]] = [
    ((0.62, 0.62, 0.63), 0.20),
    ((0.012, 0.012, 0.014), 0.18),
    ((0.30, 0.31, 0.33), 0.15),
    ((0.09, 0.095, 0.10), 0.15),
    ((0.30, 0.012, 0.015), 0.09),
    ((0.015, 0.05, 0.20), 0.09),
    ((0.05, 0.14, 0.30), 0.03),
    ((0.02, 0.08, 0.045), 0.03),
    ((0.32, 0.25, 0.17), 0.03),
    ((0.45, 0.20, 0.02), 0.02),
    ((0.50, 0.40, 0.03), 0.02),
    ((0.10, 0.05, 0.03), 0.01),
]
_CLOTHES: list[Rgb] = [
    (0.03, 0.03, 0.035),
    (0.05, 0.07, 0.14),
    (0.35, 0.05, 0.05),
    (0.5, 0.5, 0.48),
    (0.2, 0.2, 0.2),
    (0.07, 0.16, 0.08),
    (0.5, 0.35, 0.05),
    (0.16, 0.11, 0.07),
]
_BODIES: list[Rgb] = [
    (0.62, 0.62, 0.6),
    (0.55, 0.55, 0.52),
    (0.1, 0.16, 0.3),
    (0.4, 0.06, 0.05),
    (0.45, 0.38, 0.1),
    (0.12, 0.25, 0.14),
    (0.25, 0.25, 0.25),
]


def vehicle_kind(rng: np.random.Generator, two_wheels: float = 0.08, heavy: float = 0.16) -> str:
    """A vehicle's kind; the shares of two-wheelers and of lorries and buses are given."""
    draw = rng.random()
    if draw < two_wheels:
        return "motorcycle" if rng.random() < 0.6 else "bicycle"
    if draw < two_wheels + heavy:
        return str(rng.choice(["lorry", "long_lorry", "tanker", "bus", "short_bus"], p=[0.34, 0.16, 0.10, 0.26, 0.14]))
    if rng.random() < 0.15:
        return "van" if rng.random() < 0.7 else "minibus"
    return str(rng.choice(CARS))


def paints(kind: str, rng: np.random.Generator) -> tuple[Rgb, Rgb]:
    """Both paints of a kind."""
    label = model(kind).label
    if label == "person":
        return _CLOTHES[int(rng.integers(len(_CLOTHES)))], _CLOTHES[int(rng.integers(4))]
    second = (
        _CLOTHES[int(rng.integers(len(_CLOTHES)))]
        if label in ("motorcycle", "bicycle")
        else _BODIES[int(rng.integers(len(_BODIES)))]
    )
    index = int(rng.choice(len(_PAINTS), p=[share for _, share in _PAINTS]))
    first = np.array(_PAINTS[index][0]) * rng.uniform(0.75, 1.25)
    if label in ("van", "bus") and rng.random() < 0.5:
        first = np.array([0.6, 0.6, 0.6]) * rng.uniform(0.8, 1.1)
    return (float(first[0]), float(first[1]), float(first[2])), second
