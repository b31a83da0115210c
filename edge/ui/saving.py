"""The draft written to its file, and the node commissioned by it: both or neither."""

from __future__ import annotations

import shlex
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.durable import write_whole
from edge.errors import StoplineError
from edge.ui.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge.commissioning import Commissioned
    from edge.config import Site


@dataclass(slots=True)
class Saving:
    """Where the draft goes. ``written`` are the file's bytes as this page knows them, None where there is no file yet.

    Where somebody else changed the file, that is refused once: ``changed`` is given what it holds now, and who saves
    again means it.

    ``commission`` is given the file and who answers for it, tries everything, and gives what writes the record; None
    where no node was named. ``then`` is the command that comes next by the saved site.
    """

    file: Path
    node: str | None
    commission: Callable[[Path, str], Callable[[], Commissioned]] | None
    written: bytes | None
    then: Callable[[Site], dict[str, str] | None] = lambda _site: None
    changed: Callable[[bytes], None] = lambda _content: None
    _saving: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_busy(self) -> bool:
        """Whether it is being saved just now."""
        return self._saving.locked()

    def save(self, text: str, by: str) -> dict[str, Any]:
        """Write the file and commission the node by it; neither where one of them fails. Raises RefusedError."""
        if not self._saving.acquire(blocking=False):
            raise RefusedError("saving")
        draft = self.file.with_name(f".{self.file.name}.draft")
        try:
            self._check()
            write_whole(draft, text.encode())
            record = self._tried(draft, by)
            self._check()  # trying takes its time
            done = self._place(draft, record)
        except OSError as error:
            raise RefusedError("not_written", file=self.file, detail=error.strerror) from None
        finally:
            draft.unlink(missing_ok=True)
            self._saving.release()
        self.written = text.encode()
        return {"file": str(self.file), "commissioned": done and {"by": done.by, "at": done.at}}

    def _check(self) -> None:
        there = self.file.read_bytes() if self.file.exists() else self.written
        if there is not None and there != self.written:
            self.written = there
            self.changed(there)
            raise RefusedError("changed_meanwhile", file=self.file)

    def _tried(self, draft: Path, by: str) -> Callable[[], Commissioned] | None:
        with _commissioning():
            return self.commission(draft, by) if self.commission else None

    def _place(self, draft: Path, record: Callable[[], Commissioned] | None) -> Commissioned | None:
        """The file first: where the record cannot be written it is easily put back."""
        draft.replace(self.file)
        try:
            with _commissioning():
                return record() if record else None
        except BaseException:
            self._put_back()
            raise

    def _put_back(self) -> None:
        if self.written is None:
            self.file.unlink()
        else:
            write_whole(self.file, self.written)


@contextmanager
def _commissioning() -> Iterator[None]:
    try:
        yield
    except StoplineError as error:
        raise RefusedError("not_commissioned", detail=error) from None


def command(*words: object) -> str:
    """A command line as it can be typed into a shell."""
    return shlex.join(["stopline", *map(str, words)])
