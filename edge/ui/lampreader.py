"""What a recording shows of the lamps where a draft says they are: roughly at once, exactly a little later."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from PIL import Image

from edge.records import NS_PER_S, Frame
from edge.sources.lampview import LampView, LampWatch
from edge.sources.video import open_video
from edge.ui.film import LONGEST_S
from edge.ui.refused import tell_unforeseen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy import uint8
    from numpy.typing import NDArray

    from edge.config import View
    from edge.proposals.pictures import PictureStack
    from edge.records import LampEdge, Size
    from edge.ui.film import Film

    Views = Mapping[str, View]

_KEPT: Final = 8

Key = TypeVar("Key")
Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class LampsSeen:
    """Edges of all groups in the order of their times; ``is_exact`` where every picture was read."""

    edges: tuple[LampEdge, ...]
    is_exact: bool


NO_LAMPS: Final = LampsSeen((), is_exact=True)


class LampReader:
    """Reads lamps by the node's own classifier; ``grid_px`` is what the places are drawn in.

    The same places over the same pictures are read once, and what is given again is the same object.
    """

    def __init__(self, film: Film, grid_px: Size) -> None:
        self._film = film
        self._grid_px = grid_px
        self._lock = threading.Lock()
        self._exact: OrderedDict[str, LampsSeen | None] = OrderedDict()  # None: the film cannot be read
        self._glances: OrderedDict[tuple[str, tuple[int, ...]], LampsSeen] = OrderedDict()
        self._wanted: tuple[str, Views] | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    def read(self, views: Views, stack: PictureStack) -> LampsSeen:
        """What is known now; where that is not exact every picture is read next, and the answer will be."""
        if not views:
            return NO_LAMPS
        key = _key(views)
        with self._lock:
            if key not in self._exact:
                self._want(key, views)
            exact = self._exact.get(key)
        return exact or self.glance(views, stack)

    def glance(self, views: Views, stack: PictureStack) -> LampsSeen:
        """What the few kept pictures show."""
        pictures, times_ns = list(stack.pictures), list(stack.times_ns)
        count = min(len(pictures), len(times_ns))  # one may be coming just now
        key = _key(views), tuple(times_ns[:count])
        with self._lock:
            known = self._glances.get(key)
        if known is not None:
            return known
        seen = self._glanced(views, pictures[:count], times_ns[:count])
        with self._lock:
            _keep(self._glances, key, seen)
        return seen

    def _glanced(self, views: Views, pictures: Sequence[NDArray[uint8]], times_ns: Sequence[int]) -> LampsSeen:
        if not pictures:
            return LampsSeen((), is_exact=False)
        watch = LampWatch(LampView(views, self._grid_px, _Still(pictures[0]).size_px), keep=True)
        kept = (
            Frame(t_ns, index, _Still(one)) for index, (t_ns, one) in enumerate(zip(times_ns, pictures, strict=True))
        )
        for _ in watch.frames(kept):
            pass
        return LampsSeen(tuple(watch.kept), is_exact=False)

    def close(self) -> None:
        """Stop, if it still reads."""
        self._closing = True
        if self._thread is not None:
            self._thread.join(10)

    def _want(self, key: str, views: Views) -> None:
        self._wanted = (key, views)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._read_wanted, name="lamps", daemon=True)
            self._thread.start()

    def _read_wanted(self) -> None:
        """Until nothing more is wanted; what is wanted newly takes the place of what is being read."""
        while True:
            with self._lock:
                if self._wanted is None or self._closing:
                    self._thread = None
                    return
                key, views = self._wanted
            self._read_once(key, views)

    def _read_once(self, key: str, views: Views) -> None:
        try:
            seen = self._read_all(key, views)
            is_known = seen is not None
        except Exception as error:  # noqa: BLE001 - the watch reads the same film and says so
            tell_unforeseen(error)
            seen, is_known = None, True
        with self._lock:
            if is_known:
                _keep(self._exact, key, seen)
                if self._wanted == (key, views):
                    self._wanted = None

    def _read_all(self, key: str, views: Views) -> LampsSeen | None:
        """Every picture; None where other places are wanted meanwhile. Raises SourceError."""
        with open_video(self._film.path, live=False) as video:
            watch = LampWatch(LampView(views, self._grid_px, video.size_px), keep=True)
            for frame in watch.frames(video):
                if self._is_idle(key):
                    return None
                if frame.t_ns > LONGEST_S * NS_PER_S:
                    break
        return LampsSeen(tuple(watch.kept), is_exact=True)

    def _is_idle(self, key: str) -> bool:
        """Whether nobody waits for what is being read."""
        with self._lock:
            return self._closing or self._wanted is None or self._wanted[0] != key


def _key(views: Views) -> str:
    return json.dumps({name: view.regions for name, view in views.items()})


def _keep(kept: OrderedDict[Key, Seen], key: Key, seen: Seen) -> None:
    kept[key] = seen
    while len(kept) > _KEPT:
        kept.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Still:
    """A kept picture as a ``Picture``."""

    pixels: NDArray[uint8]

    @property
    def size_px(self) -> Size:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def scaled(self, size_px: Size, crop_px: tuple[int, int, int, int] | None = None) -> NDArray[uint8]:
        """A part of it at a size."""
        left, top, right, bottom = crop_px or (0, 0, *self.size_px)
        part = self.pixels[top:bottom, left:right]
        if (part.shape[1], part.shape[0]) == size_px:
            return part
        return np.asarray(Image.fromarray(part).resize(size_px, Image.Resampling.BOX))
