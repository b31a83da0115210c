"""Files written whole or not at all, on the disk before it is said. Raises OSError: each adapter has its own words."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644


def write_whole(
    path: Path, content: bytes, *, mode: int = PUBLIC_MODE, replace: bool = True, draft: Path | None = None
) -> None:
    """Write beside ``path`` and move into place in one step; durable on return.

    Unless ``replace``, an existing file is left alone, and FileExistsError says so. A crash may leave a draft under a
    name of its own; whoever alone writes ``path`` can name the ``draft``, and the next one then takes its place.
    """
    once = os.O_EXCL if draft is None else os.O_TRUNC
    draft = draft or path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | once, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def check_place(path: Path) -> None:
    """See that ``path`` can be written, before the work whose result goes there; OSError. Leaves nothing behind."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def sync_folder(folder: Path) -> None:
    """Make durable which files a folder has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
