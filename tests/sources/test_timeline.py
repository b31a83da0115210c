from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import SourceError
from edge.records import Lamp, LampEdge
from edge.sources.timeline import read_timeline

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

HEADER = "t_s,group,red,amber,green\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "lamps.csv"
    path.write_bytes(text.encode("utf-8"))
    return path


def test_the_first_row_tells_every_lamp_and_later_rows_what_changed(tmp_path: Path) -> None:
    path = write(
        tmp_path, HEADER + "-5.5,north,0,0,1\n3.2,north,0,1,0\n3.2,south,1,0,0\n6.2,north,1,0,0\n9,north,1,0,0\n"
    )
    assert read_timeline(path) == (
        LampEdge(-5_500_000_000, "north", Lamp.RED, lit=False),
        LampEdge(-5_500_000_000, "north", Lamp.AMBER, lit=False),
        LampEdge(-5_500_000_000, "north", Lamp.GREEN, lit=True),
        LampEdge(3_200_000_000, "north", Lamp.AMBER, lit=True),
        LampEdge(3_200_000_000, "north", Lamp.GREEN, lit=False),
        LampEdge(3_200_000_000, "south", Lamp.RED, lit=True),
        LampEdge(3_200_000_000, "south", Lamp.AMBER, lit=False),
        LampEdge(3_200_000_000, "south", Lamp.GREEN, lit=False),
        LampEdge(6_200_000_000, "north", Lamp.RED, lit=True),
        LampEdge(6_200_000_000, "north", Lamp.AMBER, lit=False),
    )


def test_files_from_a_spreadsheet_are_read_too(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + (HEADER + '0.5,"north",1,0,0\n\n').replace("\n", "\r\n"))
    assert [edge.group for edge in read_timeline(path)] == ["north"] * 3


@given(st.decimals(-1_000_000, 1_000_000, places=9))
def test_decimal_seconds_are_kept_exactly(tmp_path_factory: pytest.TempPathFactory, seconds: Decimal) -> None:
    path = write(tmp_path_factory.mktemp("lamps"), HEADER + f"{seconds},north,1,0,0\n")
    assert read_timeline(path)[0].t_ns == seconds * 1_000_000_000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the header must read t_s,group,red,amber,green"),
        ("time,group,red,amber,green\n0,north,1,0,0\n", "line 1: the header must read"),
        (HEADER, "holds no row below its header"),
        (HEADER + "0,north,1,0\n", "line 2: 4 fields where 5 belong"),
        (HEADER + "0,north,1,0,0\nsoon,north,0,0,1\n", 'line 3: t_s is "soon"'),
        (HEADER + "nan,north,1,0,0\n", 'line 2: t_s is "nan"'),
        (HEADER + "1e30,north,1,0,0\n", 'line 2: t_s is "1e30"'),
        (HEADER + "0,north,on,0,0\n", 'line 2: red is "on": write 0 or 1'),
        (HEADER + "0,,1,0,0\n", "line 2: the group is empty"),
        (HEADER + "0,main road,1,0,0\n", 'line 2: no signal group can be called "main road"'),
        (HEADER + '0,"a"" b",1,0,0\n', 'line 2: no signal group can be called "a" b"'),
        (HEADER + "5,north,1,0,0\n4.9,north,0,0,1\n", "line 3: the time goes back to 4.9 s"),
        (HEADER + "5,north,1,0,0\n5.0,north,0,0,1\n", "line 3: north changes twice at 5.0 s"),
        (HEADER + '0,"north,1,0,0\n', "not valid CSV"),
    ],
)
def test_garbage_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SourceError) as refused:
        read_timeline(path)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=200))
def test_whatever_bytes_a_file_holds_it_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("lamps") / "lamps.csv"
    for content in (data, HEADER.encode() + data):
        path.write_bytes(content)
        try:
            edges = read_timeline(path)
        except SourceError:
            continue
        assert edges


def test_a_missing_or_unreadable_file_is_a_source_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(SourceError, match="give"):
            read_timeline(path)
