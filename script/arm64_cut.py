"""Cuts the beginning out of a recording, pictures and lamps as they are: arm64_cut.py CASE UNTIL_S OUT.

An emulated machine needs seconds for each picture, so it is given no more of them than a violation takes.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import av


def main() -> int:
    """Cut as the command line says."""
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    case, until_s, out = Path(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(case / "site.toml", out / "site.toml")
    timeline = (case / "lamps.csv").read_text(encoding="utf-8")
    (out / "lamps.csv").write_text(beginning(timeline, until_s), encoding="utf-8")
    count = cut(case / "video.mp4", until_s, out / "video.mp4")
    print(f"  {count} pictures and the lamps' changes of the first {until_s:g} s of {case}")
    return 0


def beginning(timeline: str, until_s: float) -> str:
    """A lamps' timeline without what changes at ``until_s`` or later."""
    header, *rows = timeline.splitlines(keepends=True)
    return "".join([header, *(row for row in rows if float(row.split(",")[0]) < until_s)])


def cut(video: Path, until_s: float, out: Path) -> int:
    """Copy a video's pictures before ``until_s`` without making them anew; returns how many they are.

    What is copied goes as far as a decoder can follow: in its order, up to the first picture shown too late. No picture
    then rests on one that is missing.
    """
    count = 0
    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.pts is None or float(packet.pts * packet.time_base) >= until_s:
                break
            packet.stream = copy
            target.mux(packet)
            count += 1
    return count


if __name__ == "__main__":
    sys.exit(main())
