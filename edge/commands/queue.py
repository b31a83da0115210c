"""``stopline outbox``: a look at the events that wait for the broker."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from edge.errors import OutboxError
from edge.outbox import Outbox

if TYPE_CHECKING:
    from pathlib import Path

_MOST_ROWS = 1000


def list_outbox(file: Path) -> tuple[dict[str, int], list[dict[str, object]]]:
    """The counts of an outbox and its oldest rows."""
    with _existing(file) as outbox:
        rows: list[dict[str, object]] = [
            {
                "id": row.message.id,
                "kind": row.message.kind.value,
                "topic": row.message.topic,
                "bytes": len(row.message.payload),
                "state": row.state.value,
                "reason": row.reason or "",
            }
            for row in outbox.rows(_MOST_ROWS)
        ]
        return asdict(outbox.counts()), rows


def retry_refused(file: Path) -> int:
    """Let refused rows wait again; gives their number."""
    with _existing(file) as outbox:
        return outbox.retry()


def _existing(file: Path) -> Outbox:
    if not file.is_file():
        raise OutboxError(f"{file} does not exist: give the outbox.sqlite of a node or a replay")
    return Outbox(file)
