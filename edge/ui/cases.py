"""Where the cases to review come from: a receiver's store, or the folder that a replay has written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge import verify
from edge.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENDINGS = (".tar", ".tar.age")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases; None for any. ``month`` is like ``2026-05``. There is no way to ask for a vehicle or a person."""

    origin: str | None = None
    lane: str | None = None
    month: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A case in the list. ``sha256`` is of the event's bytes; ``time`` is empty where no UTC is known."""

    id: str
    sha256: str
    site: str
    node: str
    lane: str
    time: str
    vehicle_class: str
    red_at_least_s: float
    has_bundle: bool

    @property
    def origin(self) -> str:
        """``SITE/NODE``."""
        return f"{self.site}/{self.node}"

    @property
    def month(self) -> str:
        """``2026-05``."""
        return self.time[:7]


@dataclass(frozen=True, slots=True)
class Choices:
    """The nodes (SITE/NODE), lanes and months that there are cases of."""

    origins: list[str]
    lanes: list[str]
    months: list[str]


class Cases(Protocol):
    """What can be reviewed."""

    name: str
    can_erase: bool

    def entries(self, wanted: Wanted) -> Iterator[Entry]:
        """The cases that are wanted, the latest first."""
        ...

    def choices(self) -> Choices:
        """What can be asked for in ``wanted``."""
        ...

    def event(self, event_id: str) -> bytes | None:
        """An event's bytes."""
        ...

    def bundle(self, event_id: str) -> bytes | None:
        """Its bundle as it was sent."""
        ...

    def erase(self, event_id: str) -> bool:
        """Take event and bundle away for good; says whether that can be done here and was."""
        ...


class ReplayCases:
    """The cases of one replay: ``events.jsonl`` and ``evidence/``. They are a copy, so nothing is erased here."""

    can_erase = False

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._evidence = folder / "evidence"
        file = folder / "events.jsonl"
        try:
            lines = file.read_bytes().splitlines()
        except OSError as error:
            raise ConfigError(f"{file} cannot be read ({error.strerror}): name a folder that a replay wrote") from None
        named = ((entry_of(line, has_bundle=False), line) for line in lines)
        self._events = {entry.id: line for entry, line in named if entry is not None}

    def entries(self, wanted: Wanted) -> Iterator[Entry]:
        """The cases that are wanted, the last crossing first."""
        for entry in reversed(self._all()):
            if _is_wanted(entry, wanted):
                yield entry

    def choices(self) -> Choices:
        """What the replay came upon."""
        found = self._all()
        origins = sorted({entry.origin for entry in found})
        return Choices(
            origins, sorted({entry.lane for entry in found}), sorted({entry.month for entry in found} - {""})
        )

    def event(self, event_id: str) -> bytes | None:
        """An event's bytes."""
        return self._events.get(event_id)

    def bundle(self, event_id: str) -> bytes | None:
        """Its bundle as it was written."""
        file = self._file(event_id)
        try:
            return None if file is None else file.read_bytes()
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({error.strerror}): give it to this user") from None

    def erase(self, event_id: str) -> bool:  # noqa: ARG002 - what is asked of every kind of cases
        """Nothing: the replay can be made again, and its folder is the user's."""
        return False

    def _all(self) -> list[Entry]:
        found = (entry_of(raw, has_bundle=self._file(name) is not None) for name, raw in self._events.items())
        return [entry for entry in found if entry is not None]

    def _file(self, event_id: str) -> Path | None:
        if event_id not in self._events:  # so a name from outside never becomes a path
            return None
        files = (self._evidence / f"{event_id}{ending}" for ending in _ENDINGS)
        return next((file for file in files if file.is_file()), None)


def entry_of(raw: bytes, *, has_bundle: bool) -> Entry | None:
    """An event's line in the list; None where it does not follow the schema."""
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not verify.schema().is_valid(event):
        return None
    site, _, node = event["source"].removeprefix("stopline://").partition("/")
    data = event["data"]
    return Entry(
        event["id"],
        hashlib.sha256(raw).hexdigest(),
        site,
        node,
        data["lane"],
        event.get("time", ""),
        data["vehicle_class"],
        data["red_time"]["at_least_s"],
        has_bundle,
    )


def _is_wanted(entry: Entry, wanted: Wanted) -> bool:
    pairs = ((wanted.origin, entry.origin), (wanted.lane, entry.lane), (wanted.month, entry.month))
    return all(asked is None or asked == has for asked, has in pairs)
