"""True boxes come from the scene alone and say who is hidden."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2", reason="the scenes need OpenCV (extra 'sim')")
pytest.importorskip("moderngl", reason="the scenes need moderngl (extra 'sim')")

from edge.errors import SourceError
from script.evaluation.recordings import read
from script.evaluation.true_boxes import LABELS, boxes_of, frame_boxes, scene_of
from sim_fixtures.render.boxes import boxes
from sim_fixtures.render.cases import CASES
from sim_fixtures.render.gl import Renderer
from sim_fixtures.render.world import build

HOME = Path(__file__).resolve().parents[2] / "sim_fixtures"


def test_a_vehicle_in_full_view_has_the_scenes_own_box() -> None:
    scene = CASES["plain_red_runner"]()
    runner = next(user for user in scene.users if user.ident == "runner")
    label, share, *box = frame_boxes(scene, 10.3)["runner"]
    assert LABELS[int(label)] == "car"
    assert share > 0.95
    assert box == pytest.approx(scene.box(runner, 10.3), abs=0.01)


def test_boxes_follow_a_shaking_camera() -> None:
    scene = CASES["camera_shake"]()
    runner = next(user for user in scene.users if user.ident == "runner")
    for t_s in (10.0, 10.2, 10.4):
        assert frame_boxes(scene, t_s)["runner"][2:] == pytest.approx(scene.box(runner, t_s), abs=0.01)


def test_who_drives_behind_a_lorry_is_hidden_for_about_half_a_second() -> None:
    scene = CASES["hidden_behind_lorry"]()
    shares = [frame_boxes(scene, float(t)).get("runner", (0.0, 0.0))[1] for t in np.arange(9.0, 12.5, 0.1)]
    assert 0.3 <= 0.1 * sum(share < 0.3 for share in shares) <= 1.0
    assert min(shares[0], shares[-1]) > 0.8


@pytest.mark.parametrize(("name", "t_s"), [("plain_red_runner", 15.0), ("dense_queue_on_green", 8.0)])
def test_what_is_visible_agrees_with_the_masks_of_the_renderer(name: str, t_s: float) -> None:
    try:
        renderer = Renderer(640, 360)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises where there is no EGL
        pytest.skip(f"no EGL context here: {error}")
    scene = CASES[name]()
    renderer.set_world(build(scene.layout))
    renderer.set_view(scene.camera, scene.light)
    actors = scene.actors(t_s)
    drawn = {one.ident: one for one in boxes(actors, scene.camera, renderer.mask(actors))}
    ours = frame_boxes(scene, t_s)
    large = [ident for ident, one in drawn.items() if one.box_px[3] - one.box_px[1] >= 16 and one.label != "person"]
    assert len(large) >= 3
    apart = [abs(ours[ident][1] - drawn[ident].visible) for ident in large if drawn[ident].inside > 0.99]
    assert np.mean(apart) < 0.08
    for ident in large:
        if drawn[ident].visible > 0.6 and drawn[ident].inside > 0.99:
            assert ours[ident][2:] == pytest.approx(drawn[ident].box_px, abs=6), ident


def test_every_frame_has_its_rows() -> None:
    scene = replace(CASES["low_frame_rate"](), duration_s=4.0)
    made = boxes_of(scene)
    frames = list(made.frames())
    assert len(frames) == 20
    assert sum(map(len, frames)) == len(made.rows)
    assert (made.rows[:, 5] > made.rows[:, 3]).all()
    assert ((made.rows[:, 2] >= 0) & (made.rows[:, 2] <= 1)).all()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("truth.json", '"front_stop_s": 2', '"front_stop_s": 1'),
        ("site.toml", "stop_line_px = [[", "stop_line_px = [[1"),
    ],
)
def test_a_recording_of_another_renderer_is_refused(tmp_path: Path, file: str, old: str, new: str) -> None:
    folder = tmp_path / "low_frame_rate"
    shutil.copytree(HOME / "low_frame_rate", folder)
    assert scene_of(read(folder)).name == "low_frame_rate"
    content = (folder / file).read_text()
    assert old in content
    (folder / file).write_text(content.replace(old, new))
    with pytest.raises(SourceError, match="another version of the renderer"):
        scene_of(read(folder))
