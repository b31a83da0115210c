#!/usr/bin/env python3
"""Makes a signed update of the two partitions that rpi-image-gen has made, for ``stopline-update install`` on a node.

    python firmware-config/update.py stopline-pi5.update --for pi5 --version 0.2.0 --key update.key BOOT SYSTEM

BOOT and SYSTEM are the raw images (boot.vfat, system.ext4 or system.erofs) in rpi-image-gen's folder of the image. The
key is one made by ``stopline keys new update.key``; its public part lies on each node as /etc/stopline/update.pem. The
file is a tar of a manifest, its signature (ECDSA with SHA-256) and the two images, each compressed; all of it can be
read and checked with tar, gzip, sha256sum and openssl.
"""

from __future__ import annotations

import argparse
import gzip
import io
import shutil
import sys
import tarfile
import tempfile
import time
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the device tree calls the boards, /proc/device-tree/compatible.
BOARDS = {"pi4": "raspberrypi,4-model-b", "pi5": "raspberrypi,5-model-b"}


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line; write the update."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path, help="the update to write")
    parser.add_argument("boot", type=Path, help="the raw image of the boot partition")
    parser.add_argument("system", type=Path, help="the raw image of the system partition")
    parser.add_argument("--for", dest="board", choices=sorted(BOARDS), required=True)
    parser.add_argument("--version", required=True, help="what it is called on the node: one word")
    parser.add_argument("--key", type=Path, required=True, help="the private key, PEM")
    asked = parser.parse_args(words)
    if not asked.version or asked.version.split() != [asked.version]:
        parser.error(f'"{asked.version}" is no version: give one word')
    key = _private_key(parser, asked.key)
    images = {"boot": asked.boot, "system": asked.system}
    for file in images.values():
        if not file.is_file():
            parser.error(f"{file} is no file: give the raw images that rpi-image-gen made")
    text = manifest(images, BOARDS[asked.board], asked.version, int(time.time()))
    _pack(asked.out, text, key.sign(text, ec.ECDSA(hashes.SHA256())), images)
    print(f"{asked.out}: {asked.out.stat().st_size / 1e6:.1f} MB")  # noqa: T201 - a command's answer


def manifest(images: dict[str, Path], board: str, version: str, made_s: int) -> bytes:
    """What is signed: one line a fact. ``made_s``: s since 1970; an image has its size in bytes and its SHA-256."""
    lines = ["stopline-update 1", f"for {board}", f"version {version}", f"made {made_s}"]
    for part, file in images.items():
        with file.open("rb") as image:
            lines.append(f"{part} {file.stat().st_size} {file_digest(image, 'sha256').hexdigest()}")
    return ("\n".join(lines) + "\n").encode()


def _private_key(parser: argparse.ArgumentParser, file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        parser.error(f"{file} holds no P-256 private key: make one with 'stopline keys new'")
    return key


def _pack(out: Path, text: bytes, signature: bytes, images: dict[str, Path]) -> None:
    with tarfile.open(out, "w") as update:
        for name, content in (("manifest", text), ("manifest.sig", signature)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            update.addfile(entry, io.BytesIO(content))
        for part, file in images.items():
            with tempfile.TemporaryFile() as squeezed:
                with file.open("rb") as image, gzip.GzipFile(fileobj=squeezed, mode="wb", mtime=0) as packed:
                    shutil.copyfileobj(image, packed, 1 << 20)
                entry = tarfile.TarInfo(f"{part}.gz")
                entry.size = squeezed.tell()
                squeezed.seek(0)
                update.addfile(entry, squeezed)


if __name__ == "__main__":
    sys.exit(main())
