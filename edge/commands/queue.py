"""``stopline outbox``: a look at the events and the evidence that wait for the broker."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from edge.errors import OutboxError
from edge.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

_MOST_ROWS = 1000


def list_outbox(file: Path) -> tuple[dict[str, int], list[dict[str, object]]]:
    """The counts of an outbox, its oldest rows and the cases that are still open."""
    with _existing(file) as outbox:
        rows = [asdict(listed) | {"reason": listed.reason or ""} for listed in outbox.listed(_MOST_ROWS)]
        return asdict(outbox.counts()), rows


def full_of(file: Path) -> str | None:
    """Why an outbox would not take one more case, as the rest of a sentence; None where it would."""
    with _existing(file) as outbox:
        return outbox.full()


def retry_refused(file: Path) -> int:
    """Let refused rows wait again; gives their number."""
    with _existing(file) as outbox:
        return outbox.retry()


def _existing(file: Path) -> Outbox:
    """An outbox that is there already: whoever only looks makes none."""
    if file.is_dir():
        raise OutboxError(f"{file} is a folder: give the outbox.sqlite of a node or a replay")
    if not file.exists():
        raise OutboxError(f"{file} does not exist: give the outbox.sqlite of a node or a replay")
    if not file.stat().st_size:
        raise OutboxError(f"{file} is empty, and so no outbox: give the outbox.sqlite of a node or a replay")
    return Outbox(file)
