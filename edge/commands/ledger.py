"""``stopline ledger``: audits a copy of a node's events, makes and checks proofs, countersigns checkpoints."""

from __future__ import annotations

import json
import time
from base64 import b64decode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import event
from edge.commands.audit_keys import audit_trust
from edge.durable import PRIVATE_MODE, write_whole
from edge.errors import ConfigError, EventError, LedgerError
from edge.keys import load_public_keys
from edge.ledger import checkpoint, merkle, note, proof, witness
from edge.ledger.audit import Audit, Known, audit
from edge.ledger.ended import Counted, late_checkpoint, late_events
from edge.ledger.findings import Entry
from edge.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from edge.keys import PublicKey, SigningKey
    from edge.ledger.checkpoint import SignedCheckpoint
    from edge.ledger.ended import Refusal
    from edge.ledger.findings import Finding
    from edge.ledger.note import WitnessKey
    from edge.receive.trust import Trusted

EVENTS: Final = "events.jsonl"
CHECKPOINT: Final = "checkpoint"
CHECKPOINTS: Final = "checkpoints"
LEAVES: Final = "leaves.txt"
RECEIVED: Final = "received.txt"

_MAX_FILE_BYTES = 1_000_000_000
_FORM = "PRIVATE+KEY+"
_ED25519 = 0x01


@dataclass(frozen=True, slots=True)
class Came:
    """When a receiver took in the events, by their places, and checkpoints, by the SHA-256 of their notes."""

    events: Mapping[int, datetime] = field(default_factory=dict)
    checkpoints: Mapping[str, datetime] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """As a text file."""
        rows = [(when, "event", str(place + 1)) for place, when in self.events.items()]
        rows += [(when, "checkpoint", digest) for digest, when in self.checkpoints.items()]
        return "".join(f"{when.astimezone(UTC).isoformat()} {what} {which}\n" for when, what, which in rows).encode()


@dataclass(frozen=True, slots=True)
class Copy:
    """A receiver's copy of one node's ledger; ``others`` counts lines of other nodes, which are left aside."""

    origin: str
    entries: tuple[Entry, ...]
    checkpoints: tuple[SignedCheckpoint, ...]
    leaves: tuple[bytes, ...]
    erased: frozenset[int]
    others: int
    came: Came


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit found; ``countersigned`` is the largest checkpoint that each named witness vouches for.

    ``undated`` events are signed by a key that has ended since, and nothing here tells that they were known before.
    """

    origin: str
    audit: Audit
    others: int
    countersigned: Mapping[str, int | None]
    undated: tuple[int, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong and every witness asked for has spoken."""
        return self.audit.sound and None not in self.countersigned.values()


def audit_copy(
    source: Path,
    key_files: Sequence[Path],
    *,
    trust_folder: Path | None = None,
    succession_files: Sequence[Path] = (),
    checkpoint_files: Sequence[Path] = (),
    leaves_file: Path | None = None,
    witnesses: Sequence[str] = (),
    origin: str | None = None,
) -> AuditReport:
    """Compare a copy with what its node has signed. ConfigError or LedgerError for input that cannot be used."""
    trusted = audit_trust(key_files, trust_folder, succession_files)
    vouching = [read_witness_key(given) for given in witnesses]
    copy = _read_copy(source, trusted.keys, checkpoint_files, leaves_file, origin)
    refusal = partial(_refusal, trusted, copy.origin)
    late = {id(one): found for one in copy.checkpoints if (found := _late(one, copy, refusal))}
    good = [one for one in copy.checkpoints if id(one) not in late]
    audited = audit(copy.entries, Known(tuple(one.checkpoint for one in good), copy.leaves, copy.erased))
    counted = [_counted(one, copy.came) for one in good]
    now = datetime.now(UTC)
    dated = late_events(copy.entries, copy.came.events, counted, audited.confirmed, refusal, now)
    countersigned = {key.name: _vouched_for(good, key) for key in vouching}
    audited = replace(audited, findings=(*late.values(), *audited.findings, *dated.findings))
    return AuditReport(copy.origin, audited, copy.others, countersigned, dated.undated)


def _refusal(trusted: Trusted, origin: str, kid: str, *, claimed: datetime | None, known_since: datetime) -> str | None:
    return trusted.refusal(kid, f"stopline://{origin}", claimed=claimed, known_since=known_since)


def _late(one: SignedCheckpoint, copy: Copy, refusal: Refusal) -> Finding | None:
    """Why a checkpoint does not count; where several keys signed it, one that had not ended is enough."""
    counted = _counted(one, copy.came)
    found = [late_checkpoint(replace(counted, kid=kid), copy.entries, refusal) for kid in one.kids]
    return found[0] if None not in found else None


def _counted(one: SignedCheckpoint, came: Came) -> Counted:
    digest = sha256(one.note.encoded()).hexdigest()
    return Counted(one.checkpoint.size, one.kids[0], came.checkpoints.get(digest))


def entry_of(line: int, raw: bytes, keys: Mapping[str, PublicKey], origin: str) -> Entry | None:
    """What a line of a copy is; None where it is another node's sound event."""
    leaf = merkle.leaf_hash(raw)
    try:
        found = event.verify(raw, keys)
    except EventError as error:
        index, id_ = _claims(raw)
        return Entry(line, index, id_, leaf, str(error))
    if checkpoint.origin_of(found.site, found.node) != origin:
        return None
    return Entry(line, found.sequence - 1, found.id, leaf, kid=found.kid, claimed=_instant(found.time))


def _instant(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def prove_event(source: Path, checkpoint_file: Path, key_files: Sequence[Path], which: str) -> bytes:
    """The proof that an event, named by its id or by its index from 0, is in the ledger of a checkpoint."""
    signed = _one_checkpoint(checkpoint_file, _trusted(key_files))
    place = int(which) if which.isascii() and which.isdigit() else _place_of(source, which)
    leaves = read_leaves(source)
    return proof.prove_inclusion(leaves, place, signed.checkpoint, signed.note).encoded()


def prove_growth(source: Path, checkpoint_file: Path, key_files: Sequence[Path], since: int) -> bytes:
    """The proof that a ledger only grew since it had ``since`` events; a request to a witness as well."""
    signed = _one_checkpoint(checkpoint_file, _trusted(key_files))
    return proof.prove_growth(read_leaves(source), since, signed.checkpoint, signed.note).encoded()


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a proof holds, and in words what follows from it."""

    holds: bool
    words: str


def check_proof(
    file: Path,
    key_files: Sequence[Path],
    *,
    event_file: Path | None = None,
    old_file: Path | None = None,
    witnesses: Sequence[str] = (),
) -> Checked:
    """Check either kind of proof. ConfigError where the event or the old checkpoint that it speaks of is not given."""
    keys = _trusted(key_files)
    vouching = [read_witness_key(given) for given in witnesses]
    given = proof.parse(_read(file))
    signed = checkpoint.verify_note(given.note, keys.values())
    for key in vouching:
        if signed.cosigned_s(key) is None:
            return Checked(holds=False, words=f"the checkpoint is not countersigned by {key.name}")
    if isinstance(given, proof.InclusionProof):
        if event_file is None:
            raise ConfigError("This proof speaks of an event: give its bytes with --event")
        return _check_inclusion(given, signed, _read(event_file).removesuffix(b"\n"))
    if given.old_size and old_file is None:
        raise ConfigError("This proof speaks of an older checkpoint: give it with --old")
    return _check_growth(given, signed, _one_checkpoint(old_file, keys) if old_file else None)


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A countersigned checkpoint, or why there is none; ``fork_file`` keeps the proof of a fork."""

    countersigned: bytes | None
    words: str
    fork_file: Path | None = None


def countersign(request_file: Path, key_files: Sequence[Path], secret_file: Path, folder: Path) -> Witnessed:
    """Countersign a checkpoint that grew from the last one seen, which is remembered before the signature is given."""
    keys = _trusted(key_files)
    name, secret = _read_secret(secret_file)
    request = witness.request(_read(request_file))
    signed = checkpoint.verify_note(request.note, keys.values())
    new, record = signed.checkpoint, witness.Record(folder)
    with record.locked():
        last = record.last(new.origin, keys)
        refusal = witness.judge(new, request, last.checkpoint if last else None)
        if refusal is not None:
            fork = record.keep_fork(new.origin, last.note, signed.note) if refusal.fork and last else None
            return Witnessed(None, refusal.words, fork)
        result = signed.note.signed(note.cosign(signed.note.text, name, secret, int(time.time())))
        record.keep(new.origin, result)
    return Witnessed(result.encoded(), f"{new.origin} at {new.size} events is countersigned by {name}")


def create_witness_key(file: Path, name: str) -> WitnessKey:
    """Make a witness's key in ``file`` (mode 0600), in the form that Go's note package reads; never replaces one."""
    secret = Ed25519PrivateKey.generate()
    public = note.witness_key(name, secret)
    seed = secret.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    plain_id = sha256(name.encode() + b"\n" + bytes([_ED25519]) + public.raw).hexdigest()[:8]
    line = f"{_FORM}{name}+{plain_id}+{note.encode64(bytes([_ED25519]) + seed)}\n"
    try:
        write_whole(file, line.encode(), mode=PRIVATE_MODE, replace=False)
    except FileExistsError:
        raise LedgerError(f"{file} exists: name another file, since a key that is replaced is lost") from None
    except OSError as error:
        raise LedgerError(f"{file} cannot be written ({error.strerror}): give a folder this user may write") from None
    return public


def sign_copy(folder: Path, origin: str, key: SigningKey) -> None:
    """Write the checkpoint of a whole copy beside it, as its own node: what a replay logs is what lies in its folder.

    Where the events are not all there, a checkpoint of an earlier run is taken away and none is written.
    """
    file = folder / CHECKPOINT
    try:
        leaves = _leaves_of_events(folder / EVENTS, _lines(_read(folder / EVENTS)))
    except LedgerError:
        file.unlink(missing_ok=True)
        return
    one = checkpoint.of_edge(origin, merkle.Edge().extend(leaves))
    file.write_bytes(checkpoint.sign(one, key).encoded())


def read_witness_key(given: str) -> WitnessKey:
    """A witness's public key from the line itself."""
    return note.WitnessKey.from_vkey(given)


def node_vkeys(key_file: Path, origin: str) -> list[str]:
    """A node's keys in the line that other programs for signed notes take."""
    return [note.ecdsa_vkey(origin, key) for key in load_public_keys([key_file]).values()]


def read_leaves(source: Path) -> tuple[bytes, ...]:
    """The leaf hashes of a ledger: from a node's outbox, a list of them, or a complete copy of its events."""
    if source.is_dir():
        source = source / (LEAVES if (source / LEAVES).exists() else EVENTS)
    if _is_database(source):
        with Outbox(source) as outbox:
            return outbox.leaves()
    raw = _read(source)
    if raw.startswith(b"{"):
        return _leaves_of_events(source, _lines(raw))
    return proof.parse_leaves(raw)[0]


def encoded_leaves(source: Path) -> bytes:
    """The leaf hashes as a text file."""
    return proof.encode_leaves(read_leaves(source))


def _read_copy(
    source: Path,
    keys: Mapping[str, PublicKey],
    checkpoint_files: Sequence[Path],
    leaves_file: Path | None,
    origin: str | None,
) -> Copy:
    events, notes_beside, leaves_beside = _parts(source)
    signed = _checkpoints((*notes_beside, *checkpoint_files), keys)
    lines = _lines(_read(events))
    origin = origin or _origin(signed, lines)
    found = [entry_of(number, raw, keys, origin) for number, raw in enumerate(lines, start=1)]
    entries = tuple(entry for entry in found if entry is not None)
    checkpoints = tuple(one for one in signed if one.checkpoint.origin == origin)
    leaves_file = leaves_file or leaves_beside
    leaves, erased = proof.parse_leaves(_read(leaves_file)) if leaves_file else ((), frozenset())
    if not entries and not checkpoints:
        others = ", ".join(sorted(_origins(signed, lines))[:5])
        but = f", but of {others}: correct --origin" if others else ": give a copy with its events or checkpoints"
        raise ConfigError(f"{source} holds nothing of {origin}{but}")
    return Copy(
        origin,
        entries,
        checkpoints,
        leaves,
        erased,
        found.count(None),
        _read_came(source / RECEIVED) if source.is_dir() and (source / RECEIVED).exists() else Came(),
    )


def _read_came(file: Path) -> Came:
    events: dict[int, datetime] = {}
    checkpoints: dict[str, datetime] = {}
    for line in _lines(_read(file)):
        try:
            instant, what, which = line.decode().split(" ")
            when = datetime.fromisoformat(instant).astimezone(UTC)
            if what == "event":
                events[int(which) - 1] = when
            elif what == "checkpoint":
                checkpoints[which] = when
        except ValueError:
            raise ConfigError(
                f"{file} does not say when what came: take it as 'stopline receive export' wrote it"
            ) from None
    return Came(events, checkpoints)


def _parts(source: Path) -> tuple[Path, list[Path], Path | None]:
    """The events of a copy, and the checkpoints and leaf hashes that lie beside them in its folder."""
    if not source.is_dir():
        return source, [], None
    folder = source / CHECKPOINTS
    notes = [path for path in sorted(source.glob("checkpoint*")) if path.is_file()]
    notes += [path for path in sorted(folder.iterdir()) if path.is_file()] if folder.is_dir() else []
    leaves = source / LEAVES
    return source / EVENTS, notes, leaves if leaves.exists() else None


def _origin(signed: Iterable[SignedCheckpoint], lines: Sequence[bytes]) -> str:
    """Whose ledger this is, where that is beyond doubt."""
    origins = _origins(signed, ()) or _origins((), lines)
    if len(origins) != 1:
        names = ", ".join(sorted(origins)[:5]) or "none"
        raise ConfigError(f"Whose ledger to audit is not clear (found: {names}): name it with --origin SITE/NODE")
    return origins.pop()


def _origins(signed: Iterable[SignedCheckpoint], lines: Iterable[bytes]) -> set[str]:
    """Whose checkpoints and events these are."""
    return {one.checkpoint.origin for one in signed} | {found for raw in lines if (found := _source(raw))}


def _source(raw: bytes) -> str:
    try:
        return event.read(raw).source.removeprefix("stopline://")
    except EventError:
        return ""


def _claims(raw: bytes) -> tuple[int | None, str]:
    """The index and id that a line claims which is no sound event; None and nothing where it claims none."""
    try:
        document = json.loads(raw)
        sequence, id_ = document["sequence"], document["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, ""
    readable = isinstance(sequence, str) and sequence.isascii() and sequence.isdigit() and len(sequence) < 18
    index = int(sequence) - 1 if readable else -1
    return index if index >= 0 else None, id_[:64] if isinstance(id_, str) else ""


def _checkpoints(files: Iterable[Path], keys: Mapping[str, PublicKey]) -> tuple[SignedCheckpoint, ...]:
    found: list[SignedCheckpoint] = []
    for file in files:
        try:
            found += [checkpoint.verify_note(one, keys.values()) for one in note.parse_many(_read(file))]
        except LedgerError as error:
            raise LedgerError(f"{file} cannot be relied on: {error}") from None
    return tuple(found)


def _one_checkpoint(file: Path, keys: Mapping[str, PublicKey]) -> SignedCheckpoint:
    """The checkpoint in a file; the largest where it holds several."""
    return max(_checkpoints([file], keys), key=lambda one: one.checkpoint.size)


def _vouched_for(signed: Iterable[SignedCheckpoint], key: WitnessKey) -> int | None:
    return max((one.checkpoint.size for one in signed if one.cosigned_s(key) is not None), default=None)


def _check_inclusion(given: proof.InclusionProof, signed: SignedCheckpoint, raw: bytes) -> Checked:
    of = f"index {given.place} in the ledger of {signed.checkpoint.origin} at {signed.checkpoint.size} events"
    if not given.holds(raw, signed.checkpoint):
        return Checked(holds=False, words=f"the proof does not show that this event has {of}")
    return Checked(holds=True, words=f"event {_claims(raw)[1]} has {of}")


def _check_growth(given: proof.GrowthProof, signed: SignedCheckpoint, old: SignedCheckpoint | None) -> Checked:
    new = signed.checkpoint
    if old is not None and (old.checkpoint.origin, old.checkpoint.size) != (new.origin, given.old_size):
        return Checked(
            holds=False,
            words=f"the proof begins with {given.old_size} events of {new.origin}, the old checkpoint counts "
            f"{old.checkpoint.size} of {old.checkpoint.origin}",
        )
    if not given.holds(old.checkpoint.root if old else merkle.EMPTY_ROOT, new):
        words = f"the proof does not show that {new.origin} only grew from {given.old_size} to {new.size} events"
        return Checked(holds=False, words=words)
    return Checked(holds=True, words=f"{new.origin} only grew from {given.old_size} to {new.size} events")


def _place_of(source: Path, event_id: str) -> int:
    events = source / EVENTS if source.is_dir() else source
    if not _is_database(events):
        for raw in _lines(_read(events)):
            index, id_ = _claims(raw)
            if id_ == event_id and index is not None:
                return index
    raise LedgerError(f"{source} holds no event {event_id}: name it by its index, which is its sequence less one")


def _leaves_of_events(source: Path, lines: Sequence[bytes]) -> tuple[bytes, ...]:
    """The leaf hashes of a copy that is complete and in order."""
    if [_claims(raw)[0] for raw in lines] != list(range(len(lines))):
        raise LedgerError(f"{source} is not complete and in order: run 'stopline ledger audit' on it first")
    return tuple(merkle.leaf_hash(raw) for raw in lines)


def _read_secret(file: Path) -> tuple[str, Ed25519PrivateKey]:
    if file.exists() and file.stat().st_mode & 0o077:
        raise LedgerError(f"{file} can be read by other users: run chmod 600 {file}")
    line = _read(file).decode("utf-8", errors="replace").strip()
    name, _, rest = line.removeprefix(_FORM).partition("+")
    content = b64decode(rest.partition("+")[2]) if line.startswith(_FORM) else b""
    if len(content) != 33 or content[0] != _ED25519:
        raise LedgerError(f"{file} is no witness's key: make one with 'stopline ledger key'")
    return note.check_name(name), Ed25519PrivateKey.from_private_bytes(content[1:])


def _trusted(key_files: Sequence[Path]) -> dict[str, PublicKey]:
    if not key_files:
        raise ConfigError("No key to check with: give the node's public key with --key")
    return load_public_keys(key_files)


def _lines(raw: bytes) -> list[bytes]:
    return raw.removesuffix(b"\n").split(b"\n") if raw else []


def _is_database(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(16) == b"SQLite format 3\x00"
    except OSError:
        return False


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{file} is over 1 GB: split it")
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}): give a file that is there") from None
