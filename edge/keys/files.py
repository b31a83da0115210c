"""Key files: read in one go with their mode, written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from edge import durable
from edge.errors import KeyFileError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_MODE: Final = durable.PRIVATE_MODE
PUBLIC_MODE: Final = durable.PUBLIC_MODE
MAX_FILE_BYTES: Final = 65_536


def read_file(path: Path, *, hint: str, limit: int = MAX_FILE_BYTES) -> tuple[bytes, int]:
    """A file's bytes and its mode, both of the same open file, so that neither can be swapped in between.

    ``hint`` is what to do where it does not exist. Raises KeyFileError, also for a file of more than ``limit`` bytes.
    """
    try:
        with path.open("rb") as file:
            content, mode = file.read(limit + 1), os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        raise KeyFileError(f"{path} does not exist: {hint}") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read ({error.strerror}): give a file this user may read") from None
    if len(content) > limit:
        raise KeyFileError(f"{path} has more than {limit} bytes: that is no file of this kind; {hint}")
    return content, mode


def write_whole(path: Path, content: bytes, *, mode: int, replace: bool = False) -> None:
    """Write beside ``path`` and move into place in one step; unless ``replace``, an existing file is left alone.

    Raises KeyFileError in a user's words.
    """
    try:
        durable.write_whole(path, content, mode=mode, replace=replace)
    except FileExistsError:
        raise KeyFileError(f"{path} exists: name another file, or use --force to replace it for good") from None
    except OSError as error:
        raise _unwritable(path, error) from None


def check_place(path: Path) -> None:
    """See that ``path`` can be written, before what cannot be taken back. Raises KeyFileError."""
    try:
        durable.check_place(path)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(f"{path} cannot be written ({error.strerror}): give a folder this user may write")
