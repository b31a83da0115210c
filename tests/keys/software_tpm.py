"""A TPM 2.0 in software (swtpm) for tests, and the reason why there is none."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import pytest

from tests.broker import free_port, wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

SWTPM = shutil.which("swtpm")


def _missing() -> str | None:
    if SWTPM is None:
        return "swtpm is not installed (apt install swtpm libtss2-dev)"
    if importlib.util.find_spec("tpm2_pytss") is None:
        return "tpm2-pytss is not installed (pip install 'stopline[tpm]')"
    return None


needs_tpm = pytest.mark.skipif(_missing() is not None, reason=_missing() or "")


def _free_pair() -> int:
    """The first of two free ports side by side."""
    while True:
        port = free_port()
        with socket.socket() as probe, suppress(OSError, OverflowError):
            probe.bind(("127.0.0.1", port + 1))
            return port


@dataclass
class SoftwareTpm:
    """One TPM whose state lies in ``folder``; the same folder is the same TPM again."""

    folder: Path
    port: int = field(default_factory=_free_pair)
    process: subprocess.Popen[bytes] | None = None

    @property
    def tcti(self) -> str:
        """How libtss2 reaches it."""
        return f"swtpm:host=127.0.0.1,port={self.port}"

    def __enter__(self) -> Self:
        assert SWTPM is not None
        self.folder.mkdir(exist_ok=True)
        control = self.port + 1  # where libtss2 looks for it
        words = [
            SWTPM,
            "socket",
            "--tpm2",
            "--tpmstate",
            f"dir={self.folder}",
            "--flags",
            "not-need-init,startup-clear",
        ]
        words += ["--server", f"type=tcp,port={self.port},bindaddr=127.0.0.1"]
        words += ["--ctrl", f"type=tcp,port={control},bindaddr=127.0.0.1"]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: _listens(control), what="swtpm to listen")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
