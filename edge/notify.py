"""What the node tells the service manager: that it is at work, that it still is, that it ends.

The protocol is systemd's, a datagram of NAME=VALUE lines to the socket that the environment names: sd_notify(3).
Without such a socket, on a laptop, nothing is told.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_S: Final = 1.0


class ServiceManager:
    """The other end of ``NOTIFY_SOCKET``. A message that it does not take is lost: the next progress tells again."""

    def __init__(self, address: str | None = None, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Take the environment's address where none is given; ``@`` at its beginning stands for an abstract one."""
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._clock_s = clock_s
        self._told_s: float | None = None

    def waiting(self) -> None:
        """The node is put together and waits for its camera."""
        self._tell("STATUS=Waiting for the camera")

    def progress(self) -> None:
        """A picture has been judged. The first one means ready; at most once a second the watchdog is fed."""
        now_s = self._clock_s()
        if self._told_s is None:
            self._tell("READY=1\nSTATUS=Judging pictures\nWATCHDOG=1")
        elif now_s - self._told_s < _EVERY_S:
            return
        else:
            self._tell("WATCHDOG=1")
        self._told_s = now_s

    def stopping(self) -> None:
        """The node ends in order: what it has is being sent."""
        self._tell("STOPPING=1\nSTATUS=Sending what waits")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.settimeout(0)
            manager.sendto(message.encode(), name)
