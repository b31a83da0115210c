"""A file of nothing beside the outbox: on a full disk it is thrown away, and what must be finished has room.

SQLite needs new blocks even to remove a row. Without such a reserve a disk that other programs have filled would keep
the node from completing what it has begun, and from noting what the broker has taken.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

BALLAST_BYTES: Final = 8_000_000


class Ballast:
    """Holds ``size`` bytes of the disk while it is laid."""

    def __init__(self, path: Path, size: int = BALLAST_BYTES) -> None:
        self._path = path
        self._size = size
        self._is_mine = False

    def lay(self) -> bool:
        """Take the room where it is not taken; says whether it is held now."""
        try:
            if not self._is_whole():
                self._fill()
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        self._is_mine = True
        return True

    def throw(self) -> bool:
        """Give the room up, to whoever comes first; says whether there was any."""
        with suppress(OSError):
            self._path.unlink()
            return True
        return False

    def clear(self) -> None:
        """Remove the file where it was laid here and is no longer needed."""
        if self._is_mine:
            self.throw()

    def _is_whole(self) -> bool:
        try:
            return self._path.stat().st_size == self._size
        except FileNotFoundError:
            return False

    def _fill(self) -> None:
        self._path.touch(mode=0o600)
        with self._path.open("wb") as file:
            file.write(bytes(self._size))
            file.flush()
            os.fsync(file.fileno())
