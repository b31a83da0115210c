"""How a node that fails ends: with exit code 1 where a restart may mend it, with 2 where a file holds a mistake.

Nobody is there to start it again after a 2, so only what a person alone can mend may end so.
"""

from __future__ import annotations

import errno
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from edge.errors import ConfigError, NodeError, StoplineError, TpmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack
    from types import TracebackType

# A disk that reads badly, is full or wants a check; a machine that has run out of something. Not among them are a wrong
# path and a missing right, nor EROFS, with which the device's sandbox answers a wrong node.state.
_MACHINES: Final = frozenset(
    {
        errno.EIO,
        errno.EBADMSG,
        errno.EUCLEAN,
        errno.ETIMEDOUT,
        errno.EAGAIN,
        errno.ENOSPC,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
    }
)


@contextmanager
def reading_files() -> Iterator[None]:
    """Before anything is begun: what fails is a mistake in a file, unless the machine or its TPM is at fault.

    NodeError in that case, else the error as it is.
    """
    try:
        yield
    except StoplineError as error:
        if may_pass(error):
            raise NodeError(str(error)) from error
        raise


@contextmanager
def at_work() -> Iterator[None]:
    """The files were good: whatever fails now may be well again, be it camera, disk, TPM or a fault of our own.

    NodeError for all of that. ConfigError is left for what shows only now, such as a recording given as a camera.
    """
    try:
        yield
    except NodeError:
        raise
    except StoplineError as error:
        if isinstance(error, ConfigError) and not may_pass(error):
            raise
        raise NodeError(str(error)) from error


def may_pass(error: StoplineError) -> bool:
    """Whether an error found while files are read is none of theirs. What it was made from stays known to it."""
    return isinstance(error, TpmError) or any(
        # OpenSSL's own numbers stand where others have an errno.
        isinstance(one, OSError) and not isinstance(one, ssl.SSLError) and one.errno in _MACHINES
        for one in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What an error was made from, itself included. One that is kept and raised again may be its own cause's cause."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        yield cause
        seen.append(cause)
        cause = cause.__cause__ or cause.__context__


def close_with(stack: ExitStack, close: Callable[[], object]) -> None:
    """Let ``stack`` call ``close`` at its end. Where an error is under way, it alone is told: it came first."""

    def end(_kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> bool:
        try:
            close()
        except Exception:
            if error is None:
                raise
        return False

    stack.push(end)
