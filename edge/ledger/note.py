"""Signed notes as C2SP writes them (c2sp.org/signed-note): a text, a blank line, and lines that sign the text.

Two kinds of signature are made and checked here. A node signs with ECDSA on P-256 (type 0x02: key id of the
SubjectPublicKeyInfo, signature in DER over SHA-256). A witness signs with Ed25519 and the time (type 0x04,
c2sp.org/tlog-cosignature). Signatures of other keys are kept and ignored.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge.errors import LedgerError

if TYPE_CHECKING:
    from edge.keys import PublicKey, SigningKey

ECDSA: Final = 0x02
COSIGNATURE: Final = 0x04
MAX_NOTE_BYTES: Final = 200_000
MAX_SIGNATURES: Final = 64

_KEY_ID_BYTES = 4
_TIME_BYTES = 8
_DASH = "— "
_ONE_OF_MANY = re.compile(rb"\n*([^\n].*?\n\n(?:%s[^\n]*\n)+)" % _DASH.encode(), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who signed, the first four bytes of what names the key, and the signature itself."""

    name: str
    key_id: bytes
    content: bytes = field(repr=False)

    def line(self) -> str:
        """The line as it stands in a note, with its end."""
        return f"{_DASH}{self.name} {encode64(self.key_id + self.content)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a line's end, and what signs it."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def signed(self, *more: Signature) -> Note:
        """The same note with further signatures; one of the same key is replaced."""
        names = {(signature.name, signature.key_id) for signature in more}
        kept = (signature for signature in self.signatures if (signature.name, signature.key_id) not in names)
        return Note(self.text, (*kept, *more))

    def by(self, name: str, key_id: bytes) -> list[Signature]:
        """The signatures that claim to be of one key."""
        return [signature for signature in self.signatures if (signature.name, signature.key_id) == (name, key_id)]

    def encoded(self) -> bytes:
        """The note as it is stored and sent."""
        return (self.text + "\n" + "".join(signature.line() for signature in self.signatures)).encode()


def parse(raw: bytes) -> Note:
    """Read a signed note; nothing is known yet of whether its signatures hold. Raises LedgerError."""
    if len(raw) > MAX_NOTE_BYTES:
        raise LedgerError(f"A checkpoint of {len(raw)} bytes is none: give the file as it was published")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise LedgerError("The checkpoint is no text in UTF-8: give the file as it was published") from None
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n") or any(char < " " for char in whole if char != "\n"):
        raise LedgerError("The checkpoint is no signed note: it needs a text, an empty line and lines that sign it")
    signatures = lines.removesuffix("\n").split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise LedgerError(f"The checkpoint has {len(signatures)} signatures, more than {MAX_SIGNATURES}")
    return Note(text + "\n", tuple(_signature(line) for line in signatures))


def parse_many(raw: bytes) -> list[Note]:
    """Read notes that stand one after the other in a file, with or without empty lines between. Raises LedgerError."""
    notes = [parse(part) for part in _ONE_OF_MANY.findall(raw)]
    if not notes or _ONE_OF_MANY.sub(b"", raw).strip():
        raise LedgerError("The file holds something else than checkpoints: give them as they were published")
    return notes


def check_name(name: str) -> str:
    """A key's name, which may hold neither spaces nor plus signs. Raises LedgerError for another."""
    if not name or "+" in name or name.split() != [name] or not name.isprintable():
        raise LedgerError(f"{name!r} cannot name a key: use a name without spaces and plus signs, for example court/w1")
    return name


def ecdsa_key_id(key: PublicKey) -> bytes:
    """The key id of a node's key: of its SubjectPublicKeyInfo alone, as type 0x02 has it."""
    return sha256(_spki(key)).digest()[:_KEY_ID_BYTES]


def sign_ecdsa(text: str, name: str, key: SigningKey) -> Signature:
    """A node's signature over a note's text."""
    raw = key.sign(text.encode())
    half = len(raw) // 2
    der = utils.encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    return Signature(check_name(name), ecdsa_key_id(key.public), der)


def ecdsa_holds(text: str, signature: Signature, key: PublicKey) -> bool:
    """Whether a node's key signed this text."""
    try:
        key.native.verify(signature.content, text.encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def ecdsa_vkey(name: str, key: PublicKey) -> str:
    """A node's key in the line that other programs for signed notes take: name, key id, type and key."""
    return f"{check_name(name)}+{ecdsa_key_id(key).hex()}+{encode64(bytes([ECDSA]) + _spki(key))}"


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """The public key of a witness, with the name that is part of its key id."""

    name: str
    raw: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before its signatures."""
        return sha256(self.name.encode() + b"\n" + bytes([COSIGNATURE]) + self.raw).digest()[:_KEY_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key in one line: name, key id, type and key."""
        return f"{self.name}+{self.key_id.hex()}+{encode64(bytes([COSIGNATURE]) + self.raw)}"

    @classmethod
    def from_vkey(cls, line: str) -> WitnessKey:
        """What ``vkey`` gave. Raises LedgerError for anything else."""
        name, _, rest = line.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        content = decode64(encoded, "the witness's key")
        key = cls(check_name(name), content[1:])
        if content[:1] != bytes([COSIGNATURE]) or len(key.raw) != 32 or key.key_id.hex() != key_id.lower():
            raise LedgerError(
                f"The key of witness {name} is damaged or of another kind: it must be an Ed25519 witness key"
            )
        return key

    def time_of(self, text: str, signature: Signature) -> int | None:
        """When, in seconds since 1970, the witness signed this text; None where it did not."""
        stamp, content = signature.content[:_TIME_BYTES], signature.content[_TIME_BYTES:]
        seconds = int.from_bytes(stamp, "big")
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(content, _cosigned(text, seconds))
        except (InvalidSignature, ValueError):
            return None
        return seconds


def cosign(text: str, name: str, key: Ed25519PrivateKey, seconds: int) -> Signature:
    """A witness's signature over a note's text at a time, in seconds since 1970."""
    witness = witness_key(name, key)
    content = seconds.to_bytes(_TIME_BYTES, "big") + key.sign(_cosigned(text, seconds))
    return Signature(witness.name, witness.key_id, content)


def witness_key(name: str, key: Ed25519PrivateKey) -> WitnessKey:
    """The public part of a witness's key."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return WitnessKey(check_name(name), raw)


def encode64(content: bytes) -> str:
    """Base64 as all these formats spell it: the standard alphabet, padded."""
    return b64encode(content).decode("ascii")


def decode64(text: str, what: str) -> bytes:
    """What ``encode64`` gave, in its one spelling. Raises LedgerError, which names ``what``."""
    try:
        content = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content or encode64(content) != text:
        raise LedgerError(f"{text[:60]!r} is no proper base64 where {what} should stand")
    return content


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise LedgerError(f"{line[:80]!r} is no signature line of a checkpoint")
    content = decode64(encoded, "a signature")
    if len(content) <= _KEY_ID_BYTES:
        raise LedgerError(f"The signature of {name} is too short to be one")
    return Signature(check_name(name), content[:_KEY_ID_BYTES], content[_KEY_ID_BYTES:])


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _spki(key: PublicKey) -> bytes:
    return key.native.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
