"""Instants in signed documents: UTC to the second, in the one spelling of RFC 3339 that ends in Z."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from edge.errors import KeyFileError

_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


def write_instant(instant: datetime) -> str:
    """``2026-05-04T12:00:00Z``; a part of a second is cut off."""
    return instant.astimezone(UTC).strftime(_FORMAT)


def read_instant(text: object) -> datetime:
    """The instant of a text that ``write_instant`` made. Raises ValueError for any other."""
    if not isinstance(text, str):
        raise ValueError("an instant is a text")  # noqa: TRY004 - one error for whatever is not an instant
    instant = datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    if write_instant(instant) != text:
        raise ValueError("an instant has one spelling")
    return instant


def given_instant(text: str) -> datetime:
    """An instant as a person writes it: RFC 3339, with its offset from UTC. Raises KeyFileError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise KeyFileError(f'"{text}" is no instant: write it as 2026-05-04T12:00:00Z')
    return instant.astimezone(UTC).replace(microsecond=0)
