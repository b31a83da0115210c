"""The real chronyd with the device's settings, asked as the node asks: by a user without rights, over the loopback."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge.clock import chrony_bound_ms, read_tracking
from tests.firmware_config.device import CONFIG, checks
from tests.live import free_udp_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = CONFIG / "rootfs/etc/chrony/conf.d/stopline.conf"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()


@pytest.fixture(scope="module")
def chrony() -> Path:
    """Debian's package, unpacked and not installed."""
    try:
        return checks().borrowed("chrony", "chrony")  # type: ignore[no-any-return]
    except checks().Skip as reason:
        pytest.skip(str(reason))


@contextmanager
def chronyd(chrony: Path, config: Path, text: str) -> Iterator[subprocess.Popen[bytes]]:
    """With -x no clock is touched, with -U no rights are needed; its socket lies where nobody else can come."""
    socket_folder = config.with_suffix("")
    socket_folder.mkdir(mode=0o700)
    here = f"bindcmdaddress {socket_folder}/socket\npidfile {socket_folder}/pid\n"
    config.write_text(here + text, encoding="utf-8")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    program = chrony / "usr/sbin/chronyd"
    daemon = subprocess.Popen([program, "-U", "-x", "-u", user, "-d", "-f", config], stderr=subprocess.DEVNULL)
    with daemon:
        try:
            yield daemon
        finally:
            daemon.terminate()


@pytest.fixture
def asked(chrony: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A clock that follows a server on this machine, and the chronyc that a node without rights would find."""
    time_port, command_port = free_udp_port(), free_udp_port()
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "chronyc"
    words = [*NOBODY, str(chrony / "usr/bin/chronyc"), "-p", str(command_port)]
    program.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    serving = f"local stratum 3\nport {time_port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\n"
    following = f"server 127.0.0.1 port {time_port} iburst minpoll -4 maxpoll -4\ncmdport {command_port}\n"
    following += f"include {SETTINGS}\n"
    with ExitStack() as stack:
        stack.enter_context(chronyd(chrony, tmp_path / "serving.conf", serving))
        daemon = stack.enter_context(chronyd(chrony, tmp_path / "following.conf", following))
        yield daemon, command_port


def test_a_user_without_rights_is_told_the_bound(asked: tuple[subprocess.Popen[bytes], int]) -> None:
    until_s = time.monotonic() + 20
    while not 0 < (bound_ms := chrony_bound_ms() or 0.0) < 100:  # wide at first, when one measurement is all there is
        assert time.monotonic() < until_s, f"chrony tells this user of {bound_ms} ms"
        time.sleep(0.1)

    # The program's own words for the same figures: what is summed is what its manual says.
    line, told, after = _tracking("-c"), _tracking(), _tracking("-c")
    while line.split(",")[3] != after.split(",")[3]:  # a measurement came between: their reference times differ
        assert time.monotonic() < until_s, "chrony's figures do not keep still"
        line, told, after = after, _tracking(), _tracking("-c")
    said = {name.strip(): value.split()[0] for name, _, value in (row.partition(" : ") for row in told.splitlines())}
    fields = line.split(",")
    assert set(said) >= {"System time", "Root delay", "Root dispersion", "Leap status"}
    assert [fields[index] for index in (10, 13)] == [said["Root delay"], said["Leap status"] + "\n"]
    bound = abs(float(fields[4])) + float(fields[11]) + float(fields[10]) / 2
    said = read_tracking(line)
    assert said is not None
    assert said.bound_ms == pytest.approx(bound * 1000)


def test_nobody_but_this_machine_may_ask_and_nobody_may_command(asked: tuple[subprocess.Popen[bytes], int]) -> None:
    daemon, command_port = asked
    until_s = time.monotonic() + 20
    while chrony_bound_ms() is None and time.monotonic() < until_s:
        time.sleep(0.1)
    refused = subprocess.run(["chronyc", "makestep"], capture_output=True, text=True, check=False)
    assert "501 Not authorised" in refused.stdout, "orders are for the socket of root alone"

    listening = {row.split()[1] for row in _udp_sockets() if row.split()[1].endswith(f":{command_port:04X}")}
    assert listening, daemon.args
    assert {address.partition(":")[0] for address in listening} <= {"0100007F", "0" * 24 + "01000000"}


def _tracking(*options: str) -> str:
    return subprocess.run(["chronyc", *options, "tracking"], capture_output=True, text=True, check=True).stdout


def _udp_sockets() -> list[str]:
    """The kernel's tables, whose second column is the local address and port in hexadecimal."""
    tables = [Path("/proc/net/udp"), Path("/proc/net/udp6")]
    return [row for table in tables if table.exists() for row in table.read_text(encoding="ascii").splitlines()[1:]]
