"""The real Picamera2 and libcamera without a Raspberry Pi: libcamera's virtual pipeline, paced as a sensor is.

Test only. Picamera2 and libcamera run as they are; what stands in is what a Pi's kernel would give them:

- memory for pictures comes from memfd, since there are no DMA heaps;
- ``pykms`` (screens) and ``pidng`` (raw files) are empty, since Picamera2 imports them and the node uses neither;
- the virtual pipeline fills a buffer the moment it is given one and shows each picture four times, so a sensor that
  paces it stands in between: one picture an interval, each once, and none at all where no buffer is free.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
import types
from collections import deque
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/usr/share/libcamera/pipeline/virtual/virtual.yaml")
_REPEATS = 4  # as compiled into libcamera's ImageFrameGenerator


def missing() -> str | None:
    """Why the virtual camera cannot run here, None where it can."""
    if not CONFIGURATION.is_file():
        return "libcamera has no virtual camera here: run script/test-picamera"
    _stand_in()
    try:
        import picamera2  # noqa: F401
    except ImportError as error:
        return f"Picamera2 cannot be imported here ({error}): run script/test-picamera"
    return None


def _stand_in() -> None:
    class Names:
        def __getattr__(self, name: str) -> str:
            return name

    for module, names in {"pykms": ("PixelFormat",), "pidng": (), "pidng.camdefs": ("Picamera2Camera",)}.items():
        sys.modules.setdefault(module, types.ModuleType(module)).__dict__.update({name: Names() for name in names})
    sys.modules.setdefault("pidng.core", types.ModuleType("pidng.core")).__dict__["PICAM2DNG"] = object


class Sensor:
    """Gives the virtual camera one buffer an interval.

    ``skip`` pictures are missed next. While it ``is_dead`` it gives none, until the camera is started anew if it
    ``revives``.
    """

    def __init__(self, fps: float) -> None:
        self.interval_s = 1.0 / fps
        self.skip = 0
        self.is_dead = False
        self.revives = True
        self._waiting: deque[tuple[Any, Any]] = deque()
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="virtual-sensor", daemon=True).start()

    def queue(self, camera: Any, request: Any) -> None:
        """A buffer is free."""
        with self._lock:
            self._waiting.append((camera, request))

    def restart(self) -> None:
        """The camera starts or stops; its buffers so far are void."""
        with self._lock:
            self._waiting.clear()
            self.is_dead = self.is_dead and not self.revives

    def _run(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s = max(due_s + self.interval_s, time.monotonic() - self.interval_s)
            time.sleep(max(0.0, due_s - time.monotonic()))
            with self._lock:
                self._picture()

    def _picture(self) -> None:
        if self.is_dead or not self._waiting:
            return
        if self.skip:
            self.skip -= 1
            return
        with suppress(RuntimeError):  # the camera has been stopped meanwhile
            _original["queue_request"](*self._waiting.popleft())


_original: dict[str, Any] = {}


def install(fps: float = 25.0) -> Sensor:
    """Make Picamera2 use the virtual camera for the rest of this process; once."""
    _stand_in()
    import libcamera
    import picamera2.picamera2 as module

    sensor = Sensor(fps)
    camera, manager, metadata = libcamera.Camera, libcamera.CameraManager, libcamera.FrameMetadata
    _original["queue_request"] = camera.queue_request
    start, stop, ready, number = camera.start, camera.stop, manager.get_ready_requests, metadata.sequence.fget

    def queued(self: Any, request: Any) -> None:
        sensor.queue(self, request)

    def started(self: Any, *controls: Any) -> None:
        sensor.restart()
        start(self, *controls)

    def stopped(self: Any) -> None:
        sensor.restart()
        stop(self)

    def first_showings(self: Any) -> list[Any]:
        """The requests with a new picture; the others go back at once for the next."""
        complete = [request for request in ready(self) if request.status == libcamera.Request.Status.Complete]
        new = [request for request in complete if _number(request, number) % _REPEATS == 0]
        for request in complete:
            user = module.Picamera2._cm.cameras.get(request.cookie)
            if request not in new and user is not None:
                request.reuse()
                with suppress(RuntimeError):  # the camera has been stopped meanwhile
                    _original["queue_request"](user.camera, request)
        return new

    camera.queue_request, camera.start, camera.stop = queued, started, stopped
    manager.get_ready_requests = first_showings
    metadata.sequence = property(lambda self: number(self) // _REPEATS)
    module.DmaAllocator = _memfd_allocator()
    module.Picamera2._get_raw_modes = lambda _self: [{"format": "SRGGB10", "size": (1920, 1080)}]
    return sensor


@cache
def installed() -> Sensor:
    """The virtual camera of this process, at 25 pictures a second."""
    return install()


def _number(request: Any, number: Any) -> int:
    return int(number(next(iter(request.buffers.values())).metadata))


def _memfd_allocator() -> Any:  # noqa: C901 - two small classes, whose bases exist only where this is called
    """Picamera2's allocator on anonymous files."""
    import libcamera
    from picamera2.allocators.allocator import Allocator, Sync

    class MemfdAllocator(Allocator):  # type: ignore[misc]
        needs_sync = True

        def __init__(self) -> None:
            super().__init__()
            self.frame_buffers: dict[Any, list[Any]] = {}
            self.maps: dict[Any, mmap.mmap] = {}
            self.files: list[int] = []
            self.sync = MemfdSync

        def allocate(self, configuration: Any, _use: str) -> None:
            self.close()
            for stream in configuration:
                self.frame_buffers[stream.stream] = [self._buffer(stream) for _ in range(stream.buffer_count)]

        def _buffer(self, stream: Any) -> Any:
            file = os.memfd_create("picture")
            os.ftruncate(file, stream.frame_size)
            self.files.append(file)
            luma = stream.stride * stream.size.height
            planes = []
            for offset, length in ((0, luma), (luma, stream.frame_size - luma)):
                plane = libcamera.FrameBuffer.Plane()
                plane.fd, plane.offset, plane.length = file, offset, length
                planes.append(plane)
            buffer = libcamera.FrameBuffer(planes)
            self.maps[buffer] = mmap.mmap(file, stream.frame_size)
            return buffer

        def buffers(self, stream: Any) -> list[Any]:
            return self.frame_buffers[stream]

        def close(self) -> None:
            self.frame_buffers, self.maps = {}, {}
            while self.files:
                os.close(self.files.pop())

        def __del__(self) -> None:
            self.close()

    class MemfdSync(Sync):  # type: ignore[misc]
        def __init__(self, allocator: Any, buffer: Any, _write: bool) -> None:
            self._mapped = allocator.maps[buffer]

        def __enter__(self) -> Any:
            return self._mapped

        def __exit__(self, *_: object) -> None:
            pass

    return MemfdAllocator
