#!/usr/bin/env python3
"""Makes the bundle that goes onto the card: the program, what it needs by hash, the device's settings and install.sh.

    python firmware-config/bundle.py stopline.tar.gz --wheels 3.13 --add site.toml --add node.toml

Run it in the repository's environment. With --wheels the dependencies themselves travel along, built for 64 bit ARM,
and the first boot fetches none from a package index.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
DEVICE = ROOT / "firmware-config"
PARTS = ("install.sh", "settings.sh", "boot.sh", "rootfs", "boot", "image", "README.md")
ADDED = ("site.toml", "node.toml", "ca.pem", "update.pem")
NEEDED_BY = re.compile(r"#(?: via)? +([a-z0-9._-]+)$", re.MULTILINE)
MANYLINUX = ("2_17", "2_26", "2_27", "2_28", "2_31", "2_34")


def main() -> None:
    """Read the command line; write the bundle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path, help="the bundle to write")
    parser.add_argument("--wheels", metavar="PYTHON", help="bring the dependencies for this Python: 3.13 on trixie")
    parser.add_argument("--machine", default="aarch64", help="what the dependencies are built for: 64 bit ARM")
    parser.add_argument("--add", type=Path, action="append", default=[], help=", ".join(ADDED))
    asked = parser.parse_args()
    for file in asked.add:
        if file.name not in ADDED or not file.is_file():
            parser.error(f"{file} is no file of one of these names: {', '.join(ADDED)}")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "requirements.txt").write_text(runtime_lock(ROOT), encoding="utf-8")
        _pip("wheel", "--no-deps", "--wheel-dir", str(work), str(ROOT))
        if asked.wheels:
            _fetch(work / "requirements.txt", work / "wheels", asked.wheels, asked.machine)
        _pack(asked.out, [*work.iterdir(), *(DEVICE / part for part in PARTS), *asked.add])
    print(f"{asked.out}: {asked.out.stat().st_size / 1e6:.1f} MB")  # noqa: T201 - a command's answer


def runtime_lock(root: Path) -> str:
    """The part of requirements.lock that a node and its page need, by the notes in it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries = re.split(r"\n(?=[a-z0-9])", (root / "requirements.lock").read_text(encoding="utf-8"))
    wanted = {_name(line) for line in (*project["dependencies"], *project["optional-dependencies"]["ui"])}
    while True:
        more = {_name(entry) for entry in entries if wanted & set(NEEDED_BY.findall(entry))}
        if more <= wanted:
            return "\n".join(entry for entry in entries if _name(entry) in wanted) + "\n"
        wanted |= more


def lock_for(lock: str, python: str, machine: str = "aarch64") -> str:
    """The entries that count on the device, their conditions taken off: pip would ask this machine's Python of them."""
    there = {"python_version": python, "python_full_version": f"{python}.0", "implementation_name": "cpython"}
    there |= {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": machine, "os_name": "posix"}
    kept = []
    for entry in re.split(r"\n(?=[a-z0-9])", lock):
        first, _, rest = entry.partition("\n")
        wish, _, condition = first.removesuffix("\\").partition(" ; ")
        if not condition or Marker(condition.strip()).evaluate(there):
            kept.append(f"{wish.rstrip()} \\\n{rest}")
    return "\n".join(kept)


def _name(line: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", line)
    return found.group().lower().replace("_", "-") if found else ""


def _fetch(requirements: Path, into: Path, python: str, machine: str) -> None:
    platforms = [f"--platform=manylinux_{version}_{machine}" for version in MANYLINUX]
    only = ["--only-binary=:all:", f"--python-version={python}", *platforms, f"--platform=manylinux2014_{machine}"]
    into_it = ["--no-deps", "--dest", str(into), *only]
    there = requirements.with_name("requirements-there.txt")
    there.write_text(lock_for(requirements.read_text(encoding="utf-8"), python, machine), encoding="utf-8")
    _pip("download", *into_it, "--require-hashes", "--requirement", str(there))
    there.unlink()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for wish in project["optional-dependencies"]["pi"]:
        try:
            _pip("download", *into_it, wish, stderr=subprocess.PIPE)
        except subprocess.CalledProcessError as error:
            why = error.stderr.strip().rpartition("\n")[2].removeprefix("ERROR: ")
            print(f"No wheel of {wish} for Python {python} ({why}): the system's own package serves there.")  # noqa: T201


def _pip(command: str, *arguments: str, stderr: int | None = None) -> None:
    words = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(words, check=True, text=True, stderr=stderr)  # noqa: S603 - our own words


def _pack(out: Path, parts: list[Path]) -> None:
    with tarfile.open(out, "w:gz") as bundle:
        for part in parts:
            bundle.add(part, part.name, filter=_as_root)


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Root's, whoever packs; not what a builder of images has put beside the recipe, an older bundle among it."""
    if entry.name in {"image/stopline.tar.gz", "image/installer.pub"}:
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


if __name__ == "__main__":
    main()
