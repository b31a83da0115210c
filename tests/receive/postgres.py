"""A real PostgreSQL server for tests, on a socket and port of its own; started, stopped and killed at will."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psycopg
import pytest

from tests.broker import free_port

if TYPE_CHECKING:
    from types import TracebackType

FOLDERS = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ.get("PATH", "")]
INITDB = shutil.which("initdb", path=os.pathsep.join(FOLDERS))


def missing() -> str | None:
    """Why there can be no server here; None where there can."""
    if INITDB is None:
        return "PostgreSQL is not installed (Debian: apt install postgresql)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL does not run as root, and there is no user postgres"
    return None


needs_postgres = pytest.mark.skipif(missing() is not None, reason=missing() or "")


@dataclass
class Postgres:
    """A server in a folder of its own, since pytest's let nobody else through.

    As root it runs as the user postgres: it refuses to run as root.
    """

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="stopline-postgres-")))
    port: int = field(default_factory=free_port)

    def start(self) -> Self:
        data = self.folder / "data"
        if not data.exists():
            self.folder.chmod(0o777)
            self._run("initdb", "-D", str(data), "-U", "stopline", "--auth=trust", "--no-sync", "--no-instructions")
        self._control("start", "-w")
        return self

    def stop(self, mode: str = "fast") -> None:
        """Stop it; with mode ``immediate`` as a power cut would."""
        self._control("stop", "-w", "-m", mode)

    @property
    def url(self) -> str:
        return f"postgresql://stopline@127.0.0.1:{self.port}/postgres"

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url.removesuffix("postgres") + name

    def _control(self, *words: str) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log.txt")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, *words)

    def _run(self, program: str, *words: str) -> None:
        assert INITDB is not None
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_user, str(Path(INITDB).with_name(program)), *words]
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        assert done.returncode == 0, done.stderr.decode()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)
