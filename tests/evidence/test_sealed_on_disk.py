"""While a sealed node is at work, no picture that can be read is written to its disk, not even for a moment."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pyrage
import pytest

from edge.keys import create_key
from tests.command import STOPLINE
from tests.recordings import FIRST, Recording

if TYPE_CHECKING:
    from pathlib import Path

# What a picture, a clip or an open bundle has in it: JPEG's and MP4's own marks, tar's, and a name in the manifest.
MARKS = {"JPEG": b"JFIF", "MP4": b"ftypiso", "tar": b"ustar\x00", "manifest": b"stopline-evidence/1"}
CALLS = "trace=write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range,mmap"

pytestmark = [
    pytest.mark.replay,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: script/bootstrap installs it"),
]


def traced(folder: Path, *more: object) -> dict[str, bool]:
    """Which marks appear in anything that a replay with evidence writes anywhere, by the kernel's own account."""
    log = folder / "trace.log"
    words = [str(word) for word in Recording(FIRST).words(folder / "out", *more)]
    command = ["strace", "-f", "-qq", "-xx", "-s", "8000000", "-e", CALLS, "-o", str(log), str(STOPLINE), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    seen = dict.fromkeys(MARKS, False)
    shared_writable = re.compile(rb"mmap\([^)]*PROT_WRITE[^)]*MAP_SHARED, (?!-1)")
    with log.open("rb") as lines:
        for line in lines:
            for name, mark in MARKS.items():
                escaped = b"".join(rb"\x%02x" % byte for byte in mark)
                seen[name] = seen[name] or escaped in line
            if shared_writable.search(line):
                seen["a file written through memory"] = True
    return seen


def test_nothing_readable_is_written_where_evidence_is_sealed(tmp_path: Path) -> None:
    create_key(tmp_path / "node.key")
    authority = pyrage.x25519.Identity.generate()
    node = tmp_path / "node.toml"
    node.write_text(
        'schema = 1\n[node]\nid = "edge-1"\nkey = "node.key"\n'
        f'[evidence]\nrecipients = ["{authority.to_public()}"]\nafter_s = 1.0\nbefore_s = 1.0\n'
    )
    seen = traced(tmp_path, "--node", node)
    assert {name for name, found in seen.items() if found} <= {"a file written through memory"}  # SQLite's -shm index
    (sealed,) = (tmp_path / "out" / "evidence").iterdir()
    assert sealed.name.endswith(".tar.age")
    opened = pyrage.decrypt(sealed.read_bytes(), [authority])
    assert all(mark in opened for mark in MARKS.values()), "the marks would not show what is looked for"


def test_the_trace_would_show_it(tmp_path: Path) -> None:
    seen = traced(tmp_path)
    assert all(seen[name] for name in MARKS)
