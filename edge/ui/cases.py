"""Where the cases to review come from: a receiver's store, or the folder that a replay has written."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import stat
import threading
import tomllib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from edge import verify
from edge.commands.verify import event_id as id_of
from edge.durable import sync_folder, write_whole
from edge.errors import ConfigError, StoreError
from edge.ui.monthly import VERDICTS, Counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

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
    """What can be reviewed, by several threads at once. ``is_replay`` where it is the folder of one replay."""

    name: str
    is_replay: bool

    def entries(self, wanted: Wanted) -> Iterator[Entry]:
        """The cases that are wanted, the latest first."""
        ...

    def choices(self) -> Choices:
        """What can be asked for in ``wanted``."""
        ...

    def hashes(self, wanted: Wanted) -> Iterator[str]:
        """SHA-256 of the events' bytes of the cases that are wanted, by which decisions name them."""
        ...

    def reported(self) -> Choices:
        """The nodes and months that there is a report of; no month where it is one of a whole replay."""
        ...

    def counted(self, month: str, origin: str | None) -> list[Counted]:
        """What each node counted in a month, or one node (SITE/NODE) alone; of a replay all of it."""
        ...

    def event(self, event_id: str) -> bytes | None:
        """An event's bytes."""
        ...

    def bundle(self, event_id: str) -> bytes | None:
        """Its bundle as it was sent."""
        ...

    def erase(self, event_id: str) -> bool:
        """Take event and bundle away for good; False where they were not there any more."""
        ...


class ReplayCases:
    """The cases of one replay: ``events.jsonl`` and ``evidence/``. StoreError where they cannot be read any more."""

    is_replay = True

    def __init__(self, folder: Path) -> None:
        self.name = folder.resolve().name
        self._folder = folder
        self._evidence = folder / "evidence"
        self._events = folder / "events.jsonl"
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, ...], dict[str, _Case]] = ((), {})
        try:
            self._cases()
        except StoreError as error:
            raise ConfigError(str(error)) from None

    def entries(self, wanted: Wanted) -> Iterator[Entry]:
        """The cases that are wanted, the last crossing first."""
        for case in reversed(list(self._cases().values())):
            if _is_wanted(case.entry, wanted):
                yield replace(case.entry, has_bundle=self._bundle_file(case.entry.id) is not None)

    def choices(self) -> Choices:
        """What the replay came upon."""
        found = [case.entry for case in self._cases().values()]
        return Choices(
            sorted({entry.origin for entry in found}),
            sorted({entry.lane for entry in found}),
            sorted({entry.month for entry in found} - {""}),
        )

    def hashes(self, wanted: Wanted) -> Iterator[str]:
        """By which decisions name the cases that are wanted."""
        return (entry.sha256 for entry in self.entries(wanted))

    def reported(self) -> Choices:
        """No choice: a replay is reported as a whole."""
        return Choices([], [], [])

    def counted(self, month: str, origin: str | None) -> list[Counted]:  # noqa: ARG002 - asked of every kind of cases
        """The replay's passages, and of its lamps what ``--keep-tracks`` left. Raises StoreError."""
        origins = self.choices().origins
        name = origins[0] if origins else self._folder.name
        counts = Counter(_verdicts_in(self._folder / "passages.csv"))
        lamps = _edges_in(self._folder / "lamps.csv")
        if not lamps:
            return [Counted(name, dict(counts))]
        minimums: dict[str, float] = {}
        last_s = max(row[0] for row in lamps)
        for group, signal, minimum_s in _groups_in(self._folder / "site.toml"):
            edges = [(t_s, lamp, lit) for t_s, of, lamp, lit in lamps if of == group]
            counts.update(_shown(group, verify.phases(edges, signal, minimum_s), round(1e6 * last_s)))
            minimums |= {} if minimum_s is None else {group: minimum_s}
        return [Counted(name, dict(counts), {"lamps": max(0.0, last_s)}, minimums)]

    def event(self, event_id: str) -> bytes | None:
        """An event's bytes."""
        case = self._cases().get(event_id)
        return None if case is None else case.raw

    def bundle(self, event_id: str) -> bytes | None:
        """Its bundle as it was written."""
        file = self._bundle_file(event_id)
        try:
            return None if file is None else file.read_bytes()
        except OSError as error:
            raise StoreError(f"{file} cannot be read ({error.strerror}): give it to this user") from None

    def erase(self, event_id: str) -> bool:
        """Take its bundle and its line of ``events.jsonl`` away for good; False where they were not there any more.

        The bundle goes first: a case that was cut off between the two is still listed, and can be erased again.
        """
        with self._held():
            if event_id not in self._cases():
                return False
            for ending in _ENDINGS:
                (self._evidence / f"{event_id}{ending}").unlink(missing_ok=True)
            if self._evidence.is_dir():
                sync_folder(self._evidence)
            kept = [line for line in self._events.read_bytes().split(b"\n") if id_of(line) != event_id]
            write_whole(self._events, b"\n".join(kept), mode=stat.S_IMODE(self._events.stat().st_mode))
        return True

    @contextmanager
    def _held(self) -> Iterator[None]:
        """The folder, against another page that would erase in it at the same time."""
        try:
            handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)
        except OSError as error:
            raise StoreError(
                f"{self._folder} cannot be changed ({error.strerror}): give it to this user, with room on its disk"
            ) from None

    def _cases(self) -> Mapping[str, _Case]:
        """Every case by its id, in the order of the file; that is read only where it is another than before."""
        with self._lock:
            try:
                now = self._events.stat()
                mark = (now.st_ino, now.st_size, now.st_mtime_ns)
                if mark != self._read[0]:
                    self._read = (mark, _cases_in(self._events.read_bytes()))
            except OSError as error:
                raise StoreError(
                    f"{self._events} cannot be read ({error.strerror}): name a folder that a replay wrote"
                ) from None
            return self._read[1]

    def _bundle_file(self, event_id: str) -> Path | None:
        if event_id not in self._cases():  # so a name from outside never becomes a path
            return None
        files = (self._evidence / f"{event_id}{ending}" for ending in _ENDINGS)
        return next((file for file in files if file.is_file()), None)


@dataclass(frozen=True, slots=True)
class _Case:
    """A case as its file has it, held to the schema once."""

    entry: Entry
    raw: bytes


def _cases_in(content: bytes) -> dict[str, _Case]:
    named = ((entry_of(line, has_bundle=False), line) for line in content.split(b"\n"))
    return {entry.id: _Case(entry, line) for entry, line in named if entry is not None}


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


def _verdicts_in(file: Path) -> Iterator[str]:
    """The counter of each passage of ``passages.csv``; none where there is no such file."""
    for row in _rows_of(file):
        if row.get("verdict") not in VERDICTS:
            raise StoreError(f"{file} holds a verdict that is none ({row.get('verdict')}): replay the recording again")
        yield f"passages/{row['verdict']}"


def _edges_in(file: Path) -> list[tuple[float, str, str, bool]]:
    """Time, group, lamp and whether it is lit, of ``lamps.csv``; none where there is no such file."""
    try:
        return [(float(row["t_s"]), row["group"], row["lamp"], row["lit"] == "1") for row in _rows_of(file)]
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{file} is not what a replay writes: replay the recording again") from None


def _rows_of(file: Path) -> Iterator[Mapping[str, str]]:
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            yield from csv.DictReader(opened)
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError, csv.Error):
        raise StoreError(f"{file} cannot be read: replay the recording again") from None


def _groups_in(file: Path) -> Iterator[tuple[str, Mapping[str, float], float | None]]:
    """Each signal group of a site file, with its times and its lawful minimum of amber."""
    told = set()
    try:
        site: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
        for lane in site["lanes"]:
            found = verify.settings(site, lane["id"])
            if found["signal_group"] not in told:
                told.add(found["signal_group"])
                yield found["signal_group"], found["signal"], found["amber"]["minimum_s"]
    except (OSError, LookupError, TypeError, ValueError):
        raise StoreError(f"{file} is not what a replay writes: replay the recording again") from None


def _shown(group: str, phases: Iterable[verify.Phase], last_us: int) -> Iterator[str]:
    """The counter of each fault that began, and of each amber that led into a red, under its length.

    What the lamps did before the recording began is not its own, and what they may do after the last edge not known.
    """
    for phase in phases:
        if not 0 <= phase.start <= last_us:
            continue
        if phase.fault is not None:
            yield f"faults/{group}/{phase.fault}"
        if phase.amber is not None:
            yield f"ambers/{group}/{phase.amber // 10_000 / 100:.2f}"


def _is_wanted(entry: Entry, wanted: Wanted) -> bool:
    pairs = ((wanted.origin, entry.origin), (wanted.lane, entry.lane), (wanted.month, entry.month))
    return all(asked is None or asked == has for asked, has in pairs)
