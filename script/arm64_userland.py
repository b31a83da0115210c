#!/usr/bin/env python3
"""Runs a command inside an arm64 userland on another machine: arm64_userland.py ROOT COMMAND [ARGUMENT…].

The kernel starts foreign programs through binfmt_misc, which since Linux 6.7 each user namespace may have for its own:
so qemu is registered for this one command and its children, and the machine outside stays as it is. Needs root, and
qemu-aarch64-static.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x0002_0000, 0x1000_0000, 0x2000_0000
QEMU = "/usr/bin/qemu-aarch64-static"
# The first bytes of a 64 bit little-endian ELF program (executable or shared) for the machine 0xB7, AArch64; the bytes
# that are of no interest are masked. O: the program is handed over open; C: with its own rights; F: qemu is opened here
# and now, so it need not lie in the userland.
MAGIC = rb"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
RULE = b":stopline-aarch64:M::" + MAGIC + b":" + MASK + b":" + QEMU.encode() + b":OCF"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
HANDED_ON = ("PIP_NO_COMPILE", "http_proxy", "https_proxy", "no_proxy")
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    root, command = Path(sys.argv[1]).resolve(), sys.argv[2:]
    ready_read, ready_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(mapped_write)
        _unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID)
        os.write(ready_write, b"1")
        os.read(mapped_read, 1)
        return _first_process(root, command)
    os.close(ready_write)
    if os.read(ready_read, 1):
        for table in ("uid_map", "gid_map"):
            Path(f"/proc/{child}/{table}").write_text("0 0 65536\n")
        os.write(mapped_write, b"1")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _unshare(flags: int) -> None:
    if LIBC.unshare(flags):
        code = ctypes.get_errno()
        sys.exit(f"This kernel gives no private namespaces ({os.strerror(code)}): run as root outside a container")


def _first_process(root: Path, command: list[str]) -> int:
    """The namespaces count for the children of whoever asked for them; the first of these must outlive the others."""
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    _end_with_parent()
    first = os.fork()
    if first == 0:
        _end_with_parent()
        _mount("--make-rprivate", "/")
        _mount("-t", "binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc")
        with Path("/proc/sys/fs/binfmt_misc/register").open("wb", buffering=0) as register:
            register.write(RULE)
        _mount("-t", "proc", "proc", str(root / "proc"))
        os.chroot(root)
        os.chdir("/")
        handed_on = {key: os.environ[key] for key in HANDED_ON if key in os.environ}
        os.execvpe(command[0], command, ENVIRONMENT | handed_on)  # noqa: S606 - the command is what was asked for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def _end_with_parent() -> None:
    """Nothing is left running where the caller was stopped: with its first process ends all of a PID namespace."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
