"""Which lamps are lit, from the pixels of their head. Pure: time comes as an argument.

Where each lamp has a box of its own (``HeadMemory``), the lamp that is lit stands out: its box is far brighter than the
darkest lamp's, and what is bright has its colour. An over-exposed lamp is white in its core and coloured at its rim; a
lens that the sun shines on has the colour but not the brightness, for its two other channels stay dark. What neither
brightness nor colour settles is compared with what the same lamp was like before. With one box for the whole head
(``read_head``), the colour of the rim and the place of the glow tell the lamps apart.

Unknown is an answer of its own: a head that is hidden, or dark without being recognised.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

import numpy as np

from edge.records import NS_PER_S, Lamp

if TYPE_CHECKING:
    from numpy import float32, uint8
    from numpy.typing import NDArray

    Pixels = NDArray[uint8]
    Plane = NDArray[float32]

LAMPS = (Lamp.RED, Lamp.AMBER, Lamp.GREEN)
LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # of B, G, R: ITU-R BT.601

# One lamp's box: how far (of 255) the brightest lamp must stand out from the darkest; less where it was seen lit,
# and less again where it is all but white, which no lens in the sun is. What share of that makes another one lit too,
# and the least difference of colour channels that tells a coloured light from a white one.
_STANDS_OUT, _STANDS_OUT_KNOWN, _STANDS_OUT_WHITE = 36.0, 24.0, 12.0
_WHITE = 240.0
_LIT_SHARE = 0.6
_TINT = 8.0
# Beside a lit lamp another one is lit if its hue, 0 red to 1 yellow, is its own and not the bloom of the first.
_OWN_RED, _OWN_AMBER = 0.6, 0.4
# A head is the one known if its look, the lamps left out, correlates at least so much with how it was.
_SAME_HEAD = 0.6
_MEMORY_S = 20.0
# A whole head's box: the least glow (mean of its brightest eighth) that is a lamp's; the hue of the rim, 0 red to 1
# yellow, above which it is amber, in the part of the long side where the amber lamp lies and elsewhere. Fitted on the
# training part of a public set of junction cameras, see docs/lampview.md.
_FAINT = 4.0
_TALL, _WIDE = 1.35, 1.12
_AMBER_PLACE = {"tall": (0.60, 0.95), "wide": (0.48, 0.72), "square": (0.0, 1.0)}
_AMBER_HUE = {"tall": 0.15, "wide": 0.08, "square": 0.23}
_AMBER_HUE_ELSEWHERE = 0.48

States = tuple[bool | None, bool | None, bool | None]
UNKNOWN: States = (None, None, None)
DARK: States = (False, False, False)


@dataclass(frozen=True, slots=True)
class LampReading:
    """What one frame shows of a group's lamps: True is lit, False dark, None not to be told."""

    t_ns: int
    group: str
    red: bool | None
    amber: bool | None
    green: bool | None

    def of(self, lamp: Lamp) -> bool | None:
        """One lamp's state."""
        return (self.red, self.amber, self.green)[LAMPS.index(lamp)]


@dataclass(frozen=True, slots=True)
class HeadGlow:
    """Which lamp of a head glows (None: none does) and how sure that is, 0 to 1."""

    shown: Lamp | None
    confidence: float


def read_head(pixels: Pixels) -> HeadGlow:
    """The lamp that glows in one picture of a whole head, BGR ``(height, width, 3)``, whichever way its lamps lie."""
    blue, green, red = np.moveaxis(pixels.astype(np.float32), -1, 0)
    strength = (np.maximum(np.maximum(blue, green), red) / 255) ** 2
    # The green of lamps is nearer to cyan than that of leaves: its blue counts as much.
    cold = _brightest(np.clip(np.minimum(green, 1.1 * blue) - red, 0, None) * strength)
    warm = _brightest(np.clip(red - np.maximum(0.9 * green, blue), 0, None) * strength)
    sure = abs(cold - warm) / (cold + warm + _FAINT)
    if max(cold, warm) < _FAINT:
        return HeadGlow(None, 1 - max(cold, warm) / _FAINT)
    if cold > warm:
        return HeadGlow(Lamp.GREEN, sure)
    return HeadGlow(Lamp.AMBER if _is_amber(blue, green, red) else Lamp.RED, sure)


def _brightest(values: Plane) -> float:
    """The mean of the greatest eighth."""
    count = max(1, values.size // 8)
    return float(np.partition(values, -count, axis=None)[-count:].mean())


def _is_amber(blue: Plane, green: Plane, red: Plane) -> bool:
    height, width = red.shape
    kind = "tall" if height > _TALL * width else "wide" if width > _WIDE * height else "square"
    first, last = _AMBER_PLACE[kind]
    needed = _AMBER_HUE[kind] if first <= _place(blue, red) <= last else _AMBER_HUE_ELSEWHERE
    return _rim_hue(blue, green, red) > needed


def _rim_hue(blue: Plane, green: Plane, red: Plane) -> float:
    """The hue, 0 red to 1 yellow, that a quarter of the coloured light lies below: the rim's, not the white core's."""
    colour = np.clip(red - blue, 0, None)
    weight = colour * (red / 255) ** 2
    coloured = weight >= 0.3 * weight.max()
    hue = (green - blue)[coloured] / np.maximum(colour[coloured], 1)
    order = np.argsort(hue, kind="stable")
    share = np.cumsum(weight[coloured][order])
    return float(hue[order][np.searchsorted(share, 0.25 * share[-1])])


def _place(blue: Plane, red: Plane) -> float:
    """Where along the long side, 0 to 1, seven tenths of the light lie before."""
    light = red + 0.5 * np.clip(red - blue, 0, None)
    middle, top = np.median(light), np.percentile(light, 97)
    lit = np.clip((light - middle) / (top - middle + 1e-3) - 0.5, 0, 0.5)
    along = lit.sum(axis=1 if red.shape[0] >= red.shape[1] else 0)
    share = np.cumsum(along)
    if share[-1] <= 0:
        return 0.5
    index = int(np.searchsorted(share, 0.7 * share[-1]))
    before = share[index - 1] if index else 0.0
    return float(index + (0.7 * share[-1] - before) / along[index]) / len(along)


def states_of(glow: HeadGlow) -> States:
    """A head that glows shows one lamp; one that does not may be hidden, so it is not called dark."""
    if glow.shown is None or glow.confidence < 0.1:
        return UNKNOWN
    red, amber, green = (lamp is glow.shown for lamp in LAMPS)
    return red, amber, green


def light_of(pixels: Pixels) -> Plane:
    """How much light BGR pixels show, 0 to 255: a red lamp has little luma, a lens in the sun little of its others."""
    return np.asarray((pixels.astype(np.float32) @ LUMA + pixels.max(axis=-1)) / 2)


class HeadMemory:
    """One head with a box a lamp: what this frame shows, with the help of what the frames before have shown."""

    def __init__(self) -> None:
        self._t_ns: int | None = None
        self._dark: list[float | None] = [None, None, None]
        self._lit: list[float | None] = [None, None, None]
        self._look: Plane | None = None
        self._around: NDArray[np.bool_] | None = None

    def read(self, t_ns: int, pixels: Pixels, lamps: tuple[tuple[slice, slice], ...]) -> States:
        """The states that BGR pixels show; times rise."""
        luma = pixels.astype(np.float32) @ LUMA
        light = light_of(pixels)
        cores = [_core(pixels, light, box) for box in lamps]
        likeness = self._likeness(luma, lamps)
        states = self._judged(cores, likeness)
        self._remember(t_ns, cores, states, luma, likeness)
        return states

    def _judged(self, cores: list[Core], likeness: float | None) -> States:
        levels = [core.level for core in cores]
        contrast = max(levels) - min(levels)
        brightest = levels.index(max(levels))
        if contrast < self._needed_contrast(brightest, levels[brightest]):
            return self._without_contrast(levels, likeness)
        if not cores[brightest].has_colour_of(LAMPS[brightest]):
            return self._without_contrast(levels, likeness)
        lit = [level - min(levels) >= _LIT_SHARE * contrast for level in levels]
        for index, lamp in enumerate(LAMPS):
            lit[index] = lit[index] and (index == brightest or cores[index].is_surely(lamp))
        if any(self._is_odd(index, core, lit[index]) for index, core in enumerate(cores)):
            return UNKNOWN
        return lit[0], lit[1], lit[2]

    def _needed_contrast(self, brightest: int, level: float) -> float:
        """Less where that lamp was seen lit before, and little where its core is white: its glow then lies over all."""
        if level >= _WHITE:
            return _STANDS_OUT_WHITE
        return _STANDS_OUT if self._lit[brightest] is None else _STANDS_OUT_KNOWN

    def _is_odd(self, index: int, core: Core, lit: bool) -> bool:
        """Whether a lamp looks more like its other state than like the one it seems to be in."""
        dark, bright = self._dark[index], self._lit[index]
        if dark is None or bright is None or bright - dark < _STANDS_OUT:
            return False
        share = (core.level - dark) / (bright - dark)
        return share < 0.35 if lit else share > 0.9 and core.is_surely(LAMPS[index])

    def _without_contrast(self, levels: list[float], likeness: float | None) -> States:
        """No lamp stands out: all dark if this surely is the head and no lamp brighter than when dark; else unknown."""
        if likeness is None or likeness < _SAME_HEAD or None in self._dark:
            return UNKNOWN
        near = all(level < (dark or 0.0) + _STANDS_OUT / 2 for level, dark in zip(levels, self._dark, strict=True))
        return DARK if near else UNKNOWN

    def _likeness(self, luma: Plane, lamps: tuple[tuple[slice, slice], ...]) -> float | None:
        """The correlation of the head's look with how it was, lamps left out; None before it was seen."""
        if self._around is None:
            self._around = np.ones(luma.shape, np.bool_)
            for box in lamps:
                self._around[box] = False
        if self._look is None:
            return None
        now, before = luma[self._around], self._look[self._around]
        now, before = now - now.mean(), before - before.mean()
        scale = float(np.sqrt((now @ now) * (before @ before)))
        return float(now @ before) / scale if scale > 1e-3 else 0.0

    def _remember(self, t_ns: int, cores: list[Core], states: States, luma: Plane, likeness: float | None) -> None:
        """Learn from frames in which a lamp was seen lit, slowly, so that daylight is followed and a lorry is not."""
        elapsed_s = 0.0 if self._t_ns is None else max(0, t_ns - self._t_ns) / NS_PER_S
        self._t_ns = t_ns
        if not any(states):
            return
        share = 1 - exp(-elapsed_s / _MEMORY_S)
        for index, (core, lit) in enumerate(zip(cores, states, strict=True)):
            known = self._lit if lit else self._dark
            before = known[index]
            known[index] = core.level if before is None else before + share * (core.level - before)
        if self._look is None:
            self._look = luma
        elif likeness is not None and likeness > _SAME_HEAD:
            self._look = self._look + np.float32(share) * (luma - self._look)


@dataclass(frozen=True, slots=True)
class Core:
    """A lamp's box: the light of its brightest quarter, 0 to 255, and the mean colour of what is bright around it."""

    level: float
    blue: float
    green: float
    red: float

    def has_colour_of(self, lamp: Lamp) -> bool:
        """Whether the light is tinted as the lamp's would be."""
        if lamp is Lamp.RED:
            return self.red > max(self.green, self.blue) + _TINT
        if lamp is Lamp.AMBER:
            return min(self.red, self.green) > self.blue + _TINT and self.red > self.green - _TINT
        return self.green > self.red + _TINT

    def is_surely(self, lamp: Lamp) -> bool:
        """Whether it is that lamp's own light, and not what a brighter lamp beside it has spilt over."""
        hue = (self.green - self.blue) / max(self.red - self.blue, 1.0)
        own = {Lamp.RED: hue < _OWN_RED, Lamp.AMBER: hue > _OWN_AMBER, Lamp.GREEN: True}
        return own[lamp] and self.has_colour_of(lamp)


def _core(pixels: Pixels, light: Plane, box: tuple[slice, slice]) -> Core:
    """A box of a picture with its ``light``.

    The colour is that of the brighter half, a little beyond the box too, where an over-exposed lamp has its rim; what
    is darker counts by its square less.
    """
    inside = light[box].reshape(-1)
    count = max(1, inside.size // 4)
    level = float(np.partition(inside, -count)[-count:].mean())
    rows, columns = (_grown(span, length) for span, length in zip(box, light.shape, strict=True))
    around = light[rows, columns].reshape(-1)
    brighter = around >= np.partition(around, around.size // 2)[around.size // 2]
    weights = around[brighter] ** 2 + 1e-3
    blue, green, red = (weights @ pixels[rows, columns].reshape(-1, 3)[brighter] / weights.sum()).tolist()
    return Core(level, blue, green, red)


def _grown(span: slice, length: int) -> slice:
    """A span with a fifth more on either side, a pixel at least."""
    more = max(1, (span.stop - span.start) // 5)
    return slice(max(0, span.start - more), min(length, span.stop + more))
