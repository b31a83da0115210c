"""Site and node files: what is read, and on which line each mistake is found."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from edge.config import find_line, load_node, load_site
from edge.errors import ConfigError
from edge.records import Contact

if TYPE_CHECKING:
    from pathlib import Path

SITE = """\
schema = 1
[site]
id = "main-and-3rd"
[camera]
size_px = [640, 352]            # the grid in which the geometry is drawn; scaled to any stream of that aspect
[[signal_groups]]
id = "north"
min_amber_s = 3.0               # optional: gpio pins, active_low, hold
[[lanes]]
id = "through"
signal_group = "north"
stop_line_px = [[110, 137], [495, 178]]
confirm_line_px = [[110, 122], [495, 157]]
direction = [0.73, -0.68]       # travel, in the picture
contact = "rear"                # rear view: the box's bottom-centre is the rear contact
[rule]
grace_s = 0.5
confirm_within_s = 4.0
"""
SECOND_LANE = """\
[[lanes]]
id = "left"
signal_group = "north"
stop_line_px = [[10, 137], [100, 137]]
confirm_line_px = [[10, 122], [100, 122]]
direction = [0, -1]
contact = "rear"
"""


def refused(tmp_path: Path, text: str | bytes) -> str:
    path = tmp_path / "site.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_site(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_the_example_loads_with_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    site = load_site(path)
    assert site.site.id == "main-and-3rd"
    assert site.camera.size_px == (640, 352)
    lane = site.lane("through")
    assert (lane.contact, lane.stop_line_px) == (Contact.REAR, ((110, 137), (495, 178)))
    assert site.group(lane.signal_group).min_amber_s == 3.0
    assert (site.rule.grace_s, site.rule.confirm_within_s, site.rule.rear_margin_s) == (0.5, 4.0, 0.5)
    assert site.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_site(path) == site


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("schema = 1", "schema = 2", 1, "schema: must be 1: correct it"),
        ('id = "main-and-3rd"', 'id = "main and 3rd"', 3, "site.id: is no name: take letters without accents"),
        ('id = "main-and-3rd"', 'name = "Main"', 2, "is missing: add it"),
        ("size_px = [640, 352]", "size_px = [640]", 5, "camera.size_px[2]: is missing: add it"),
        ("size_px = [640, 352]", "size_px = [640, 3]", 5, "camera.size_px[2]: must be 16 or more: raise it"),
        ("size_px = [640, 352]", "size_px = 640", 5, "camera.size_px: is no list: write it in square brackets"),
        ("[[signal_groups]]", "[signal_groups]", 6, "signal_groups: is a single table: write its name in double"),
        ("[camera]", "[[camera]]", 4, "camera: is no table: write its name in brackets"),
        ("min_amber_s = 3.0", "min_amber_s = -3.0", 8, "min_amber_s"),
        ("min_amber_s = 3.0", "min_amber = 3.0", 8, "is not known here: check its spelling or remove it"),
        ('signal_group = "north"', 'signal_group = "south"', 11, '"south" is no signal group of this file'),
        ("[495, 178]]", "[110, 137]]", 12, "same spot"),
        ("stop_line_px = [[110, 137], [495, 178]]", "stop_line_px = [[110, 137], [495, 100]]", 9, "cross each other"),
        ("direction = [0.73, -0.68]", "direction = [0, 0]", 9, "direction is [0, 0]"),
        ("direction = [0.73, -0.68]", "direction = [0.385, 0.041]", 9, "along the stop line"),
        ("direction = [0.73, -0.68]", "direction = [0, 1]", 9, "before stop_line_px"),
        ("direction = [0.73, -0.68]", 'direction = "up"', 14, "direction"),
        ("direction = [0.73, -0.68]", "direction = [nan, 1]", 14, "direction"),
        ('contact = "rear"', 'contact = "side"', 15, "contact"),
        ("grace_s = 0.5", "grace_s = inf", 17, "grace_s"),
        ("grace_s = 0.5", 'grace_s = "soon"', 17, "grace_s"),
        ("confirm_within_s = 4.0", "confirm_within_s = 0", 18, "confirm_within_s"),
        ("[rule]", "[rules]", 16, "is not known here"),
        ("[[110, 137], [495, 178]]", "[[1110, 137], [1495, 178]]", 12, "outside of the 640 x 352 picture"),
    ],
)
def test_each_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert SITE.count(old) >= 1
    text = SITE.replace(old, new, 1)
    if "1110" in new:
        text = text.replace("[[110, 122], [495, 157]]", "[[1110, 122], [1495, 157]]")
    message = refused(tmp_path, text)
    assert message.startswith(f", line {line}: ")
    assert words in message


def test_a_mistake_in_the_second_lane_is_found_there(tmp_path: Path) -> None:
    unknown = refused(tmp_path, SITE + SECOND_LANE.replace('"north"', '"south"'))
    assert unknown.startswith(", line 21: lanes[2].signal_group: ")
    assert refused(tmp_path, SITE + SECOND_LANE.replace("[0, -1]", "[0, -1, 2]")).startswith(", line 24: lanes[2].")


def test_an_id_used_twice_is_found_at_the_second(tmp_path: Path) -> None:
    twice = refused(tmp_path, SITE + SECOND_LANE.replace('"left"', '"through"'))
    assert twice == ', line 20: lanes[2].id: "through" is used twice: give each its own id'
    groups = refused(tmp_path, SITE + '[[signal_groups]]\nid = "north"\n')
    assert groups.startswith(', line 20: signal_groups[2].id: "north" is used twice')


def test_pins_and_calibration_are_checked(tmp_path: Path) -> None:
    pins = SITE.replace("min_amber_s = 3.0", "pins = { red = 17, amber = 17, green = 22 }")
    assert refused(tmp_path, pins).startswith(", line 8: ")
    flat = SITE + "[calibration]\npoints_px = [[0,0],[1,1],[2,2],[3,0]]\npoints_m = [[0,0],[1,1],[2,2],[3,0]]\n"
    assert "line 19: calibration: three of the four points lie on one line" in refused(tmp_path, flat)
    region = SITE + "[detector]\nregion_px = [10, 10, 12, 12]\n"
    assert "region_px must be" in refused(tmp_path, region)


def test_files_that_are_no_site_files(tmp_path: Path) -> None:
    assert "is not valid TOML" in refused(tmp_path, "t_s,group,red\n0,north,1\n")
    assert "line 2" in refused(tmp_path, "schema = 1\n[site\n")
    assert "is no text file in UTF-8" in refused(tmp_path, b"\x00\x01\xff\xfe" * 10)
    assert "is over 1 MB" in refused(tmp_path, "#" * 1_000_001)
    assert refused(tmp_path, b"\xef\xbb\xbf" + SITE.encode()).endswith(
        " begins with a byte order mark: save it as UTF-8 without one"
    )
    assert "is not valid TOML, correct it: Expected '=' after a key in a key/value pair (at line 2" in refused(
        tmp_path, "schema = 1\nsite main\n"
    )
    assert refused(tmp_path, "").startswith(", line 1: ")
    with pytest.raises(ConfigError, match="does not exist"):
        load_site(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_site(tmp_path)


@pytest.mark.parametrize("size", [0, 17])
def test_a_site_has_at_least_one_group_and_not_too_many(tmp_path: Path, size: int) -> None:
    group = '[[signal_groups]]\nid = "north"\nmin_amber_s = 3.0               # optional: gpio pins, active_low, hold\n'
    many = "".join(f'[[signal_groups]]\nid = "g{index}"\n' for index in range(size))
    assert group in SITE
    assert "signal_groups" in refused(tmp_path, SITE.replace(group, many or ""))


NODE = """\
schema = 1
[node]
id = "node-7"
[broker]
url = "mqtts://broker.example:8883"
ca = "ca.pem"
"""


def test_a_node_files_paths_are_relative_to_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(NODE)
    node = load_node(path)
    assert node.node.key == tmp_path / "node.key"
    assert node.node.state == tmp_path / "state"
    assert node.broker is not None
    assert (node.broker.ca, node.broker.cert, node.broker.prefix) == (tmp_path / "ca.pem", None, "stopline")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"node-7"', '"a/b"', 3),
        ("mqtts://", "http://", 5),
        ("ca = ", "cafile = ", 6),
        ("[broker]", '[broker]\nprefix = "a/#"', 5),
    ],
)
def test_a_node_files_mistakes_have_their_lines(tmp_path: Path, old: str, new: str, line: int) -> None:
    path = tmp_path / "node.toml"
    path.write_text(NODE.replace(old, new))
    with pytest.raises(ConfigError, match=f"line {line}: "):
        load_node(path)


RECEIVER = NODE + '[receiver]\nkeys = ["archive.pem", "keys/second.pem"]\n'


def test_receivers_are_named_by_files_beside_the_node_file(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(RECEIVER)
    receiver = load_node(path).receiver
    assert receiver is not None
    assert receiver.keys == (tmp_path / "archive.pem", tmp_path / "keys" / "second.pem")
    path.write_text(NODE)
    assert load_node(path).receiver is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["archive.pem", "keys/second.pem"]', "[]", "line 8: receiver.keys: "),
        ("keys = ", "key = ", "line 7: receiver.keys: is missing"),
        ('[broker]\nurl = "mqtts://broker.example:8883"\nca = "ca.pem"\n', "", "line 4: receiver: receipts come"),
        ("[receiver]", '[evidence]\nseal = "none"\nkeep_hours = -1\n[receiver]', "line 9: evidence.keep_hours: "),
    ],
)
def test_mistakes_about_receivers_have_their_lines(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(RECEIVER.replace(old, new))
    with pytest.raises(ConfigError, match=words):
        load_node(path)


def test_a_line_is_found_in_nested_tables_and_falls_back_to_the_table() -> None:
    text = 'schema = 1\n[[lanes]]\nid = "a"\n[[lanes]]\nid = "b"\n[lanes.extra]\nx = 1\n[rule]\nx = 2\n'
    assert find_line(text, ("lanes", 1, "id")) == 5
    assert find_line(text, ("lanes", 0, "absent")) == 2
    assert find_line(text, ("rule", "x")) == 9
    assert find_line(text, ()) == 1
    assert find_line('site = { id = "a b" }\nschema = 1\n', ("site", "id")) == 1
    pins = 'schema = 1\n[[signal_groups]]\nid = "n"\n[signal_groups.pins]\nred = 1\namber = 99\n'
    assert find_line(pins, ("signal_groups", 0, "pins", "amber")) == 6
    assert find_line(pins.replace("[signal_groups.pins]\n", "pins = {"), ("signal_groups", 0, "pins", "green")) == 4
