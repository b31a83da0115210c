"""A live source that is waited for, and opened anew when it fails: a camera may restart without the node doing so."""

from __future__ import annotations

import threading
import time
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final, Self, TypeVar

from edge.errors import SourceError
from edge.sources.video import VideoStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from edge.records import Frame, Size
    from edge.sources.picture import Crop
    from edge.sources.video import VideoSource

# The device's unit shoots a node that judged nothing for 30 s, and gives it two minutes for the first picture: within
# these times it ends by itself. At its twenty-first start in half an hour it is given up, and the machine may then be
# started anew. A node that waits for its camera for more than 90 s each time never comes to that, however long it is
# away. A test holds these times against the unit's own.
PATIENCE_S: Final = 25.0
FIRST_S: Final = 92.0
_PAUSE_S = 0.5

_Opened = TypeVar("_Opened")


def awaited(
    opened: Callable[[], _Opened], over: threading.Event, tell: Callable[[str], None], for_s: float = FIRST_S
) -> _Opened | None:
    """What ``opened`` gives, tried for so long, since a camera may start more slowly than the node.

    None where ``over`` was set meanwhile. SourceError as the last try raised it; ``tell`` is given the first one.
    """
    give_up_s = time.monotonic() + for_s
    told = False
    while not over.is_set():
        try:
            return opened()
        except SourceError as error:
            if time.monotonic() >= give_up_s:
                raise
            if not told:
                tell(f"{error}; it is tried again for a while")
            told = True
            over.wait(_PAUSE_S)
    return None


class SteadyVideo:
    """What ``VideoSource`` is, for as long as the camera comes back within ``patience_s`` each time; iterate once.

    ``opened`` opens the source. ``tell`` is given a sentence whenever it is lost and found. Frames are numbered
    through. ``reopened`` counts how often it was opened anew.
    """

    def __init__(
        self,
        opened: Callable[[], VideoSource],
        tell: Callable[[str], None] = lambda _: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._opened = opened
        self._tell = tell
        self._patience_s = patience_s
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._before = VideoStats()
        self._video = opened()
        self.reopened = 0

    @property
    def is_live(self) -> bool:
        """Whether it never ends by itself; only then is it opened anew."""
        return self._video.is_live

    @property
    def size_px(self) -> Size:
        """Width and height."""
        return self._video.size_px

    @property
    def detail_px(self) -> Size:
        """The size of the largest picture there is of each frame: of the one that is judged."""
        return self._video.detail_px

    def keep_detail(self, parts_px: Iterable[Crop]) -> None:
        """Nothing is to be done for it, see ``VideoSource``."""

    @property
    def interval_ns(self) -> int:
        """The nominal time between two pictures."""
        return self._video.interval_ns

    @property
    def stats(self) -> VideoStats:
        """What was met so far, over all openings."""
        return _sum(self._before, self._video.stats)

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they come. SourceError where the camera stays away, or comes back with another picture size."""
        while True:
            numbered = self._before.decoded
            try:
                for frame in self._video:
                    if self._over.is_set():
                        return
                    yield replace(frame, sequence=numbered + frame.sequence)
            except SourceError as error:
                if not self.is_live:
                    raise
                if not self._over.is_set():
                    self._reopen(error)
            if self._over.is_set() or not self.is_live:
                return

    def _reopen(self, error: SourceError) -> None:
        """Open the source anew, trying for as long as there is patience."""
        self._tell(f"{error}; it is opened anew")
        size_px, give_up_s = self.size_px, time.monotonic() + self._patience_s
        self._video.close()
        while not self._over.is_set():
            try:
                video = self._opened()
            except SourceError:
                if time.monotonic() > give_up_s:
                    raise
                self._over.wait(_PAUSE_S)
                continue
            self._take(video)
            if video.size_px != size_px:
                raise SourceError(
                    f"{video.name} came back with {video.size_px[0]} x {video.size_px[1]} pixels in place of "
                    f"{size_px[0]} x {size_px[1]}: set the camera back"
                )
            self._tell(f"{video.name} is back")
            return

    def _take(self, video: VideoSource) -> None:
        with self._changing:
            self._before = self.stats
            self._video = video
            self.reopened += 1
            if self._over.is_set():
                video.close()

    def stop(self) -> None:
        """Let the frames end, at once where they come, else when the camera is given up; may be called anywhere."""
        self._over.set()

    def close(self) -> None:
        """Stop, and let go of the camera."""
        self._over.set()
        with self._changing:
            self._video.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sum(first: VideoStats, second: VideoStats) -> VideoStats:
    names = [field.name for field in fields(VideoStats)]
    return VideoStats(**{name: getattr(first, name) + getattr(second, name) for name in names})
