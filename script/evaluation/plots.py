"""The page's plots: small SVGs, transparent, in tones that stand out on a light and on a dark page alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

mpl.use("svg")

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .scoring import Figures

INK = "#808080"
TONES = ("#2f81f7", "#e8590c", "#2f9e44", "#ae3ec9", "#c99700", "#d6336c", "#1098ad")
BAR_MS = 50
_STYLE: Any = {
    "svg.hashsalt": "stopline",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "savefig.transparent": True,
}


def _save(figure: Figure, path: Path) -> None:
    """Write without a date, so that the same figures give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    plt.close(figure)


def crossing_errors(sets: Mapping[str, Mapping[str, Figures]], path: Path) -> None:
    """For each set the share of passages whose crossing time is off by at most so much, one curve a condition."""
    conditions = sorted({name for figures in sets.values() for name in figures} - {"all"})
    tones = dict(zip(conditions, TONES * 2, strict=False))
    with plt.rc_context(_STYLE):
        figure, panels = plt.subplots(1, len(sets), figsize=(3.1 * len(sets), 2.7), sharey=True, squeeze=False)
        for axes, (title, figures) in zip(panels[0], sets.items(), strict=True):
            for name in conditions:
                errors_s = figures[name].errors_s() if name in figures else []
                if errors_s:
                    _share_below(axes, np.sort(errors_s) * 1000, f"{name} ({len(errors_s)})", tones[name])
            axes.axvline(BAR_MS, color=INK, linewidth=0.8, linestyle=":")
            axes.set(title=title, xlim=(0, 400), ylim=(0, 1.01), xlabel="error of the crossing time, ms")
            axes.legend(loc="lower right")
            axes.grid(visible=True)
        panels[0][0].set_ylabel("share of passages")
        _save(figure, path)


def _share_below(axes: Axes, values: np.ndarray[Any, Any], label: str, tone: str) -> None:
    shares = np.arange(1, len(values) + 1) / len(values)
    axes.step(np.append(0, values), np.append(0, shares), where="post", color=tone, linewidth=1.3, label=label)


def red_times(sets: Mapping[str, Mapping[str, Figures]], path: Path) -> None:
    """Each red time reported against the true one of the vehicle's front; above the diagonal it is too much."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(4.2, 3.6))
        for (title, figures), tone in zip(sets.items(), TONES, strict=False):
            points = [
                (pair.truth.red_front_s, pair.reported.red_at_least_s)
                for one in figures["all"].parts
                for pair in one.pairs
                if pair.above_s is not None and pair.reported is not None
            ]
            true, told = np.array(points, float).reshape(-1, 2).T
            axes.scatter(true, told, s=9, color=tone, alpha=0.7, linewidths=0, label=f"{title} ({len(points)})")
        most = max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([0, most], [0, most], color=INK, linewidth=0.8)
        axes.set(xlabel="true red time of the front, s", ylabel="red time reported, s")
        axes.legend(loc="upper left")
        axes.grid(visible=True)
        _save(figure, path)


def detectors(results: Mapping[str, Any], path: Path) -> None:
    """AP50 of each detector on each set of pictures, with its interval."""
    names = list(dict.fromkeys(who for exam in results.values() for who in exam["detectors"]))
    width = 0.8 / len(names)
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(8.6, 2.8))
        for index, (who, tone) in enumerate(zip(names, TONES, strict=False)):
            entries = [exam["detectors"][who] for exam in results.values()]
            at = np.arange(len(results)) + (index - (len(names) - 1) / 2) * width
            axes.bar(at, [one["ap50"] for one in entries], width * 0.92, color=tone, label=who)
            low, high = np.array([one["ap50_interval"] for one in entries]).T
            middle = [one["ap50"] for one in entries]
            _whiskers(axes, at, middle, low, high)
        axes.set_xticks(range(len(results)), [_wrapped(name) for name in results])
        axes.set(ylabel="AP50", ylim=(0, 1))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=len(names))
        axes.grid(visible=True, axis="y")
        _save(figure, path)


def _whiskers(
    axes: Axes, at: np.ndarray[Any, Any], middle: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> None:
    spread = [np.maximum(0, np.subtract(middle, low)), np.maximum(0, np.subtract(high, middle))]
    axes.errorbar(at, middle, yerr=spread, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)


def _wrapped(name: str) -> str:
    first, _, rest = name.partition(" ")
    return f"{first}\n{rest}"
