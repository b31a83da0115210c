"""Shares and percentiles with the doubt that a limited number of cases leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Z_95 = 1.959964
RESAMPLES = 1000

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of` cases."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share itself; there must be cases."""
        return self.hits / self.of

    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson, Journal of the American Statistical Association 22, 1927)."""
        if not self.of:
            return 0.0, 1.0
        z2 = Z_95 * Z_95
        middle = (self.value + z2 / (2 * self.of)) / (1 + z2 / self.of)
        spread = self.value * (1 - self.value) / self.of + z2 / (4 * self.of * self.of)
        half = Z_95 * math.sqrt(spread) / (1 + z2 / self.of)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        if not self.of:
            return "none to count"
        low, high = self.interval()
        return f"{self.value:.3f} ({low:.3f} to {high:.3f}; {self.hits} of {self.of})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, nearest rank; there must be values."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def resampled(
    groups: Sequence[_Item], figure: Callable[[Sequence[_Item]], float], seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a figure by drawing whole groups (recordings) anew, with replacement.

    What happens in one recording hangs together, so recordings are drawn and not single passages. Draws for which the
    figure is not a number, because nothing was there to count, are left out.
    """
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(groups), (RESAMPLES, len(groups)))
    values = np.array([figure([groups[i] for i in draw]) for draw in draws])
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
