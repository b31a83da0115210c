"""Key files: read in one go with their mode, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Final

from edge.errors import KeyFileError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644
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
        _write(path, content, mode, replace=replace)
    except FileExistsError:
        raise KeyFileError(f"{path} exists: name another file, or use --force to replace it for good") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written ({error.strerror}): give a folder this user may write") from None


def _write(path: Path, content: bytes, mode: int, *, replace: bool) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
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
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
