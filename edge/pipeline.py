"""Decoding, inference and judging side by side: three threads joined by bounded channels, in the frames' order."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from edge.errors import StoplineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sized

    from numpy import float32
    from numpy.typing import NDArray

    from edge.detector import Detector, Prepared
    from edge.records import Detection, Frame

PLACES: Final = 4
"""Between two stages, each for one decoded picture: enough to ride out a key frame that takes long to decode."""

LIVE_PLACES: Final = 1
"""The same where the source is live. It has a backlog of its own, of which the oldest picture goes first; more places
behind it would hold older pictures, and memory that is not given back once it was needed."""

_JOIN_S = 15.0

_Item = TypeVar("_Item")


@dataclass(slots=True)
class StageTimes:
    """Seconds spent in each stage so far, waiting for a neighbour left out. Each field is written by one thread."""

    decode_s: float = 0.0
    prepare_s: float = 0.0
    infer_s: float = 0.0
    head_s: float = 0.0
    judge_s: float = 0.0
    frames: int = 0

    def per_frame_ms(self) -> dict[str, float]:
        """Milliseconds a frame by stage."""
        seconds = {key.removesuffix("_s"): value for key, value in asdict(self).items() if key.endswith("_s")}
        return {stage: 1000 * value / max(1, self.frames) for stage, value in seconds.items()}


class Waiting:
    """How many pictures wait between the stages of a stream; may be asked from any thread."""

    def __init__(self) -> None:
        self._channels: tuple[Sized, Sized] = ((), ())

    @property
    def prepared(self) -> int:
        """Pictures that wait for the detector."""
        return len(self._channels[0])

    @property
    def inferred(self) -> int:
        """Pictures that wait to be judged."""
        return len(self._channels[1])

    def watch(self, prepared: Sized, inferred: Sized) -> None:
        """These are the channels of the stream."""
        self._channels = (prepared, inferred)


class _Closed(Exception):  # noqa: N818 - tells a worker that its neighbour has gone, never leaves this module
    pass


class _Channel(Generic[_Item]):
    """A bounded queue between two threads that either end can close."""

    def __init__(self, places: int) -> None:
        self._items: deque[_Item] = deque()
        self._places = places
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None

    def put(self, item: _Item) -> None:
        """Wait for a place; _Closed where the consumer has gone."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._places or self._ended)
            if self._ended:
                raise _Closed
            self._items.append(item)
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)

    def end(self, error: BaseException | None = None) -> None:
        """No more items come; the consumer meets ``error`` after those that wait."""
        with self._changed:
            self._ended = True
            self._error = self._error or error
            self._changed.notify_all()

    def __iter__(self) -> Iterator[_Item]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended)
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item


def detect_stream(
    frames: Iterable[Frame],
    detector: Detector,
    *,
    places: int = PLACES,
    times: StageTimes | None = None,
    waiting: Waiting | None = None,
) -> Iterator[tuple[Frame, tuple[Detection, ...]]]:
    """Every frame with what was detected in it, in order; at most so many ``places`` of them wait between two stages.

    Frames are decoded and prepared on one thread and inferred on another while the caller judges the ones before. What
    a worker raises is raised here. Closing the iterator ends and joins both threads.
    """
    spent = times or StageTimes()
    prepared: _Channel[tuple[Frame, Prepared]] = _Channel(places)
    inferred: _Channel[tuple[Frame, Prepared, NDArray[float32]]] = _Channel(places)
    if waiting is not None:
        waiting.watch(prepared, inferred)
    workers = (
        _start("decode", lambda: _prepare_all(frames, detector, prepared, spent), prepared),
        _start("inference", lambda: _infer_all(prepared, detector, inferred, spent), inferred),
    )
    try:
        for frame, ready, output in inferred:
            start = perf_counter()
            detections = detector.decode(output, ready.plan)
            detector.recycle(ready)
            judged_from = perf_counter()
            spent.head_s += judged_from - start
            spent.frames += 1
            yield frame, detections
            spent.judge_s += perf_counter() - judged_from
    finally:
        prepared.end()
        inferred.end()
        _join(workers)


def _prepare_all(
    frames: Iterable[Frame], detector: Detector, out: _Channel[tuple[Frame, Prepared]], spent: StageTimes
) -> None:
    start = perf_counter()
    for frame in frames:
        decoded = perf_counter()
        ready = detector.prepare(frame)
        spent.decode_s += decoded - start
        spent.prepare_s += perf_counter() - decoded
        out.put((frame, ready))
        start = perf_counter()


def _infer_all(
    ready: _Channel[tuple[Frame, Prepared]],
    detector: Detector,
    out: _Channel[tuple[Frame, Prepared, NDArray[float32]]],
    spent: StageTimes,
) -> None:
    for frame, prepared in ready:
        start = perf_counter()
        output = detector.infer(prepared)
        spent.infer_s += perf_counter() - start
        out.put((frame, prepared, output))


def _start(name: str, work: Callable[[], None], out: _Channel[_Item]) -> threading.Thread:
    """A named thread that does ``work`` and then ends ``out``, with the error if it failed."""

    def run() -> None:
        try:
            work()
        except _Closed:
            out.end()
        except BaseException as error:  # noqa: BLE001 - carried over to the consumer's thread
            out.end(error)
        else:
            out.end()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def _join(workers: Iterable[threading.Thread]) -> None:
    for worker in workers:
        worker.join(_JOIN_S)
        if worker.is_alive():
            raise StoplineError(f"the {worker.name} thread did not end within {_JOIN_S:.0f} s: restart the program")
