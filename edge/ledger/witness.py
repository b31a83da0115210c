"""The witness: a second party that countersigns checkpoints, and only ones that grew from the last it has seen.

``judge`` decides (pure); ``Record`` keeps what was seen, one file a ledger, so that deciding and remembering are one
step even where two witnesses' programs share a folder.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from edge.durable import write_whole
from edge.errors import LedgerError
from edge.ledger import checkpoint, note
from edge.ledger import proof as proof_file
from edge.ledger.proof import GrowthProof

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from edge.keys import PublicKey
    from edge.ledger.checkpoint import Checkpoint, SignedCheckpoint
    from edge.ledger.note import Note


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a checkpoint is not countersigned. ``fork``: it proves that the node keeps more than one ledger."""

    words: str
    fork: bool


def judge(new: Checkpoint, proof: GrowthProof, last: Checkpoint | None) -> Refusal | None:
    """Whether a ledger only grew since the last checkpoint seen of it; None where it did."""
    if last is None:
        if proof.old_size == 0 and not proof.path:
            return None
        words = f"no checkpoint of {new.origin} was seen before: send the checkpoint alone, without a proof"
        return Refusal(words, fork=False)
    if new == last:
        return None
    if new.size == last.size:
        words = (
            f"{new.origin} signed two different ledgers of {new.size} events: a fork, and both are kept as its proof"
        )
        return Refusal(words, fork=True)
    return _judge_growth(new, proof, last)


def _judge_growth(new: Checkpoint, proof: GrowthProof, last: Checkpoint) -> Refusal | None:
    seen = f"the last checkpoint seen of {new.origin} counts {last.size} events"
    if new.size < last.size:
        return Refusal(f"{seen} and this one only {new.size}: it is an old one, or the ledger was cut", fork=False)
    if proof.old_size != last.size:
        how = f"prove the growth from there, with 'stopline ledger prove --since {last.size}'"
        return Refusal(f"{seen}: {how}", fork=False)
    if not proof.holds(last.root, new):
        words = (
            f"{seen}, and the proof does not lead from them to these {new.size}: something of them was changed, or it "
            "is the proof of another ledger"
        )
        return Refusal(words, fork=False)
    return None


class Record:
    """The last checkpoint seen of each ledger, in a folder. Every method raises LedgerError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, origin: str, keys: Mapping[str, PublicKey]) -> SignedCheckpoint | None:
        """The last checkpoint seen of a ledger, whose signature is checked again."""
        path = self._path(origin)
        if not path.exists():
            return None
        with _translated(path):
            return checkpoint.verify(path.read_bytes(), keys)

    def keep(self, origin: str, signed: Note) -> None:
        """Remember a checkpoint as the last seen: whole, and durable on return."""
        _write_durably(self._path(origin), signed.encoded())

    def keep_fork(self, origin: str, first: Note, second: Note) -> Path:
        """Keep two checkpoints that contradict each other, for whoever must be told; gives the file."""
        content = first.encoded() + b"\n" + second.encoded()
        path = self._path(origin).with_suffix(f".fork-{sha256(content).hexdigest()[:12]}")
        _write_durably(path, content)
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No other witness's program decides meanwhile on what lies in this folder."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / ".lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise LedgerError(
                f"{self._folder} cannot keep what the witness has seen ({error.strerror}): give a folder it may write"
            ) from None

    def _path(self, origin: str) -> Path:
        """One file a ledger; the hash keeps apart what a file system would take for one name."""
        plain = "".join(char if char.isalnum() or char in "-_" else "_" for char in origin)[:80]
        return self._folder / f"{plain}-{sha256(origin.encode()).hexdigest()[:8]}.checkpoint"


def request(raw: bytes) -> GrowthProof:
    """What is put before a witness: a growth proof, or a bare checkpoint for the first time. Raises LedgerError."""
    if raw.startswith(b"old "):
        found = proof_file.parse(raw)
        assert isinstance(found, GrowthProof)
        return found
    return GrowthProof(0, (), note.parse(raw))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"{path} cannot be used ({error.strerror}): check the folder of the witness") from None


def _write_durably(path: Path, content: bytes) -> None:
    with _translated(path):
        write_whole(path, content)
