"""Sealing: a bundle is closed with age to the recipients in the node file, so that their keys alone open it.

The format is that of age (age-encryption.org/v1): ``age -d -i KEY`` opens it. The node holds no key that could.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import pyrage

from edge.errors import ConfigError, EvidenceError

if TYPE_CHECKING:
    from collections.abc import Sequence

SEALED_TYPE: Final = "application/vnd.stopline.evidence+age"
PLAIN_TYPE: Final = "application/x-tar"


class Seal:
    """Closes bundles to one or more recipients (``age1...``), or leaves them open where there are none.

    Raises ConfigError for a recipient that is none.
    """

    def __init__(self, recipients: Sequence[str]) -> None:
        self._recipients = [_recipient(text) for text in recipients]

    @property
    def name(self) -> Literal["age", "none"]:
        """What the event says of it."""
        return "age" if self._recipients else "none"

    @property
    def content_type(self) -> str:
        """The MIME type of what ``close`` gives."""
        return SEALED_TYPE if self._recipients else PLAIN_TYPE

    def close(self, plain: bytes) -> bytes:
        """The bundle as it leaves the node; sealed, no two times the same. Raises EvidenceError where age fails."""
        if not self._recipients:
            return plain
        try:
            sealed: bytes = pyrage.encrypt(plain, self._recipients)
        except pyrage.EncryptError as error:
            raise EvidenceError(f"The evidence could not be sealed ({error}): nothing of it is stored") from None
        return sealed


def _recipient(text: str) -> object:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise ConfigError(
            f'evidence.recipients names "{text}", which is no age recipient, or was mistyped: copy the public key that '
            "age-keygen prints"
        ) from None
