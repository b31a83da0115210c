"""Bundles as files of a folder: each whole or not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.durable import sync_folder, write_whole
from edge.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES: Final = {"age": ".tar.age", "none": ".tar"}


class BundleFolder:
    """``<event id>.tar.age`` (or ``.tar``) for every bundle. Raises StoreError where the folder cannot be written.

    Whoever writes holds the database's write lock, so one bundle is written at a time and its draft needs no own name.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None

    def file_of(self, event_id: str, seal: str) -> Path:
        """Where a bundle is, or would be."""
        return self._folder / f"{event_id}{SUFFIXES[seal]}"

    def write(self, event_id: str, seal: str, content: bytes) -> None:
        """Write a bundle; durable on return. The same one may be written again."""
        path = self.file_of(event_id, seal)
        try:
            write_whole(path, content, draft=_draft(path))
        except OSError as error:
            raise self._unwritable(error) from None

    def remove(self, event_id: str) -> None:
        """Take a bundle away, whichever seal it has."""
        try:
            for seal in SUFFIXES:
                path = self.file_of(event_id, seal)
                path.unlink(missing_ok=True)
                _draft(path).unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self._folder} cannot be written ({error.strerror}): give a folder this user may write, with room"
        )


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
