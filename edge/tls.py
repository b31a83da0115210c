"""TLS towards a broker: a socket that learns whether its certificate was accepted, and refusals in plain words."""

from __future__ import annotations

import select
import ssl
from contextlib import suppress
from typing import Final

VERDICT_WITHIN_S: Final = 0.5

_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_WRONG_PURPOSE = 26  # X509_V_ERR_INVALID_PURPOSE

# The alerts with which a broker refuses, in OpenSSL's names (RFC 8446, section 6.2).
_ALERTS: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "asks for a client certificate and got none: set the broker's cert and key",
    "TLSV1_ALERT_UNKNOWN_CA": (
        "does not trust the authority that signed the client certificate: have it signed by one that the broker knows"
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": (
        "refuses the client certificate, which has expired: have a new one signed (where it has not, the broker's "
        "revocation list has: renew that)"
    ),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": (
        "refuses the client certificate, which has been revoked: make a new key and have it certified"
    ),
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": (
        "refuses the client certificate, which is not for clients: have one signed for TLS"
    ),
}


class TidySocket(ssl.SSLSocket):
    """Closes itself after a failed handshake, where paho would leave it open, and waits for the server's verdict.

    In TLS 1.3 the client is done before the server has looked at its certificate. Whoever goes on talking may have the
    server's refusal thrown away with the connection, and never learn the reason. A server that accepts mostly sends
    session tickets at once, so whatever comes first tells; one that sends none costs ``VERDICT_WITHIN_S``.
    """

    def do_handshake(self, block: bool = False) -> None:
        """The handshake, and in TLS 1.3 the verdict after it. Raises OSError, ssl.SSLError among them."""
        try:
            super().do_handshake(block)
            if self.version() == "TLSv1.3":
                self._await_verdict()
        except BaseException:
            self.close()
            raise

    def _await_verdict(self) -> None:
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        if not poll.poll(VERDICT_WITHIN_S * 1000):
            return
        timeout_s = self.gettimeout()
        self.settimeout(0)
        with suppress(ssl.SSLWantReadError):
            if self.read(1):
                raise OSError("it speaks before it is spoken to")
            raise ConnectionResetError("it hung up after the handshake")
        self.settimeout(timeout_s)


def refusal(error: ssl.SSLError, *, with_certificate: bool) -> str | None:
    """What went wrong, as the rest of a sentence that begins with the broker's name; None where it is not told."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error)
    if error.reason == "SSLV3_ALERT_HANDSHAKE_FAILURE" and not with_certificate:
        return _ALERTS["TLSV13_ALERT_CERTIFICATE_REQUIRED"]
    return _ALERTS.get(error.reason)


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    shown = f"shows a certificate that is not trusted ({error.verify_message})"
    if error.verify_code == _EXPIRED:
        return f"{shown}: have it renewed where the broker is, and check this machine's clock"
    if error.verify_code == _WRONG_PURPOSE:
        return f"{shown}: it is not for servers, so somebody else may be there; have one signed for the broker"
    return f"{shown}: check the CA and the host name"
