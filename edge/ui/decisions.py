"""What reviewers have decided: signed records in one file, a line each, chained by their hashes.

A decision names its event by the hash of the event's bytes, among which are 128 random bits: when the event is erased,
what remains of it here tells nothing. There is no free text, so that nobody can be named. The record is canonical JSON
with a detached signature, as receipts and revocation lists have it; ``previous`` is the SHA-256 of the line before, so
that a line that was taken out or put in shows.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - a field of a record
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from edge.errors import StoreError
from edge.keys.instants import read_instant, write_instant
from edge.keys.jws import holds, read_document, sign_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from edge.keys import PublicKey, SigningKey

DECISION_TYPE: Final = "org.stopline.decision.v1"
MAX_JOURNAL_BYTES: Final = 200_000_000

_FIELDS = {"type", "event_sha256", "choice", "reason", "at", "reviewer", "previous"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Choice(StrEnum):
    """What a reviewer can decide."""

    CONFIRM = "confirm"
    REJECT = "reject"
    ERASE = "erase"


class Reason(StrEnum):
    """Why a case is rejected. A list, since a free text could name somebody."""

    PICTURE_UNCLEAR = "picture_unclear"
    OTHER_VEHICLE = "other_vehicle"
    NOT_PAST_LINE = "not_past_line"
    SIGNAL_DOUBTFUL = "signal_doubtful"
    TIME_DOUBTFUL = "time_doubtful"
    EMERGENCY_VEHICLE = "emergency_vehicle"
    WAVED_THROUGH = "waved_through"
    MADE_WAY = "made_way"
    EVIDENCE_INCOMPLETE = "evidence_incomplete"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. A rejection has its reason, the others have none."""

    event_sha256: str
    choice: Choice
    reason: Reason | None
    at: datetime
    reviewer: str

    def __post_init__(self) -> None:
        if (self.choice is Choice.REJECT) != (self.reason is not None):
            raise ValueError("a rejection has a reason, another decision none")


def sign_decision(decision: Decision, previous: str | None, key: SigningKey) -> bytes:
    """The line of a decision, without its end."""
    document = {
        "type": DECISION_TYPE,
        "event_sha256": decision.event_sha256,
        "choice": decision.choice.value,
        "reason": decision.reason.value if decision.reason else None,
        "at": write_instant(decision.at),
        "reviewer": decision.reviewer,
        "previous": previous,
    }
    return sign_document(document, key)


def read_decision(line: bytes, keys: Mapping[str, PublicKey] | None = None) -> tuple[Decision, str | None]:
    """A decision and the hash it names as its previous; with ``keys``, only where one of them signed it.

    Raises ValueError in a reader's words.
    """
    document, payload, signature = read_document(line)
    if set(document) != _FIELDS or document["type"] != DECISION_TYPE:
        raise ValueError("it is no decision")
    decision, previous = _decision(document), document["previous"]
    if previous is not None and not _is_hash(previous):
        raise ValueError("what it names as its previous is no hash")
    if keys is not None:
        if decision.reviewer not in keys:
            raise ValueError(f"it is by the key {decision.reviewer}, which is no trusted reviewer's")
        if not holds(signature, payload, keys[decision.reviewer]):
            raise ValueError("it was changed after it was signed")
    return decision, previous


def check_chain(lines: Iterable[bytes], keys: Mapping[str, PublicKey]) -> list[str]:
    """What is wrong with a whole file of decisions, a sentence each; nothing where all holds."""
    wrong = []
    before: str | None = None
    for number, line in enumerate(lines, start=1):
        try:
            _, previous = read_decision(line, keys)
        except (ValueError, KeyError, TypeError) as error:
            wrong.append(f"Line {number} does not hold: {error}")
        else:
            if previous != before:
                wrong.append(f"Before line {number} something was taken out, put in or changed")
        before = _hash(line)
    return wrong


class Journal:
    """The file of decisions: it only grows, each line is on the disk before ``add`` returns.

    Several reviewers on one machine may share it. StoreError where it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._latest: dict[str, Decision] = {}
        self._read_to = 0
        self._last: str | None = None
        self.refresh()

    def latest(self, event_sha256: str) -> Decision | None:
        """What was decided last about an event."""
        return self._latest.get(event_sha256)

    def erased_in(self, month: str) -> int:
        """How many cases were erased in a month (``2026-05``), by when that was decided: their own month is gone."""
        latest = self._latest.values()
        return sum(one.choice is Choice.ERASE and one.at.strftime("%Y-%m") == month for one in latest)

    def add(self, choice: Choice, reason: Reason | None, event_sha256: str, at: datetime, key: SigningKey) -> Decision:
        """Sign a decision and note it for good."""
        decision = Decision(event_sha256, choice, reason, at, key.kid)
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise self._failed("written", error) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self.refresh()
            os.write(handle, sign_decision(decision, self._last, key) + b"\n")
            os.fsync(handle)
        except OSError as error:
            raise self._failed("written", error) from None
        finally:
            os.close(handle)
        self.refresh()
        return decision

    def refresh(self) -> None:
        """Take in what others have added since the last time."""
        try:
            with self._path.open("rb") as file:
                if os.fstat(file.fileno()).st_size > MAX_JOURNAL_BYTES:
                    raise StoreError(f"{self._path} is over {MAX_JOURNAL_BYTES} bytes: begin a new file of decisions")
                file.seek(self._read_to)
                new = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failed("read", error) from None
        if new and not new.endswith(b"\n"):
            raise StoreError(f"{self._path} ends in a broken line: take the end after its last line break away")
        for number, line in enumerate(new.splitlines(), start=1):
            try:
                decision, _ = read_decision(line)
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"{self._path} holds what is no decision ({error}), new line {number}") from None
            self._latest[decision.event_sha256] = decision
            self._last = _hash(line)
        self._read_to += len(new)

    def _failed(self, done: str, error: OSError) -> StoreError:
        return StoreError(
            f"{self._path} cannot be {done} ({error.strerror}): name a file of this user with --decisions"
        )


def _decision(document: Mapping[str, Any]) -> Decision:
    if not _is_hash(document["event_sha256"]) or not isinstance(document["reviewer"], str):
        raise ValueError("its names are of another kind")
    reason = document["reason"]
    return Decision(
        document["event_sha256"],
        Choice(document["choice"]),
        None if reason is None else Reason(reason),
        read_instant(document["at"]),
        document["reviewer"],
    )


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
