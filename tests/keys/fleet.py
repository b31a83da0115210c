"""An authority with nodes and brokers, as ``stopline ca`` and ``stopline keys`` make them, for TLS tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from edge.keys.authority import Authority, create_authority
from edge.keys.certificates import Claim, Use, broker_claim, make_request, node_claim
from edge.keys.enrolment import enroll, new_key

if TYPE_CHECKING:
    from pathlib import Path

NODE = "main-and-3rd/edge-1"
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Fleet:
    """An authority in a folder, with the certificates that it gave out beside."""

    folder: Path
    authority: Authority

    @property
    def ca(self) -> Path:
        return self.folder / "ca" / "ca.pem"

    def node(self, name: str = NODE, *, file: str = "node.key", ago: timedelta = timedelta(0), days: int = 1) -> Path:
        """A node's key file with its certificate behind the key; valid for ``days``, beginning ``ago``."""
        path = self.folder / file
        self._certify(path, node_claim(name, (Use.EVENTS, Use.TLS)), ago, days)
        return path

    def broker(self, host: str = HOST, *, ago: timedelta = timedelta(0), days: int = 1) -> tuple[Path, Path]:
        """A broker's certificate and key, as mosquitto reads them."""
        path = self.folder / "broker.key"
        self._certify(path, broker_claim([host]), ago, days)
        certificate = path.with_suffix(".crt")
        certificate.write_bytes(path.read_bytes())  # mosquitto takes the certificate out of it
        for file in (path, certificate):
            file.chmod(0o644)  # it reads them as a user of its own
        return certificate, path

    def _certify(self, path: Path, claim: Claim, ago: timedelta, days: int) -> None:
        then = datetime.now(UTC) - ago
        request = make_request(new_key(path, force=True), claim)
        enroll(path, self.authority.sign(request, str(claim), days, then).pem, self.authority.certificate, then)


def found(folder: Path, name: str = "Fleet") -> Fleet:
    """A new authority, begun a year ago."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    authority = create_authority(folder / "ca", name, 3650, datetime.now(UTC) - timedelta(days=366))
    (folder / "ca").chmod(0o755)  # mosquitto reads ca.pem as a user of its own
    return Fleet(folder, authority)
