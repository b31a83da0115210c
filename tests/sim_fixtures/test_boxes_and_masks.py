"""Labels stay with the picture: boxes projected from the meshes against masks that the renderer draws."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("moderngl", reason="rendering needs moderngl (extra 'sim')")
pytest.importorskip("cv2", reason="rendering needs OpenCV (extra 'sim')")

import numpy as np

from sim_fixtures.render.boxes import boxes
from sim_fixtures.render.camera import Camera
from sim_fixtures.render.cases import CASES
from sim_fixtures.render.gl import Renderer
from sim_fixtures.render.light import light_for
from sim_fixtures.render.pose import Actor
from sim_fixtures.render.random_scene import random_layout
from sim_fixtures.render.world import build


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    try:
        return Renderer(640, 360)
    except Exception as error:  # noqa: BLE001 - whatever the driver raises where there is no EGL
        pytest.skip(f"no EGL context here: {error}")


@pytest.mark.parametrize(("name", "t_s"), [("plain_red_runner", 10.3), ("front_view", 8.6), ("bus_and_lorry", 9.8)])
def test_projected_boxes_enclose_the_pixels_drawn_and_fit_them(renderer: Renderer, name: str, t_s: float) -> None:
    scene = CASES[name]()
    renderer.set_world(build(scene.layout))
    renderer.set_view(scene.camera, scene.light)
    actors = scene.actors(t_s)
    mask = renderer.mask(actors)
    whole = {item.ident: item for item in boxes(actors, scene.camera)}
    seen = {item.ident: item for item in boxes(actors, scene.camera, mask)}
    assert sum(item.visible > 0.9 and item.inside > 0.99 for item in seen.values()) >= 2
    for ident, item in seen.items():
        outer, inner = np.array(whole[ident].box_px), np.array(item.box_px)
        assert (inner[:2] >= outer[:2] - 1.5).all(), ident
        assert (inner[2:] <= outer[2:] + 1.5).all(), ident
        if item.visible > 0.97:
            assert np.abs(inner - outer).max() <= 2.5, ident


def test_a_hidden_vehicle_is_told_as_hidden(renderer: Renderer) -> None:
    scene = CASES["hidden_behind_lorry"]()
    renderer.set_world(build(scene.layout))
    renderer.set_view(scene.camera, scene.light)
    shares = []
    for t_s in np.arange(9.0, 12.5, 0.1):
        actors = scene.actors(float(t_s))
        seen = {item.ident: item for item in boxes(actors, scene.camera, renderer.mask(actors))}
        shares.append(seen["runner"].visible if "runner" in seen else 0.0)
    hidden = [share < 0.25 for share in shares]
    assert 0.3 <= sum(hidden) * 0.1 <= 1.0
    assert not hidden[0]
    assert not hidden[-1]


def test_the_same_frame_is_drawn_again_the_same(renderer: Renderer) -> None:
    scene = CASES["plain_red_runner"]()
    renderer.set_world(build(scene.layout))
    pictures = []
    for _ in range(2):
        renderer.set_view(scene.camera, scene.light)
        pictures.append(renderer.frame(scene.actors(10.0), scene.look(10.0)).copy())
    assert np.array_equal(*pictures)


def test_a_lorry_partly_behind_the_camera_has_the_box_of_what_is_seen(renderer: Renderer) -> None:
    layout = random_layout(3)
    lane_x = layout.lane_x(0)
    camera = Camera((lane_x + 4.0, -20.0, 6.0), (lane_x + 1.0, 4.0, 0.0), 24.0)
    lorry = Actor("lorry", "long_lorry", lane_x, -11.0, math.pi / 2)
    renderer.set_world(build(layout))
    renderer.set_view(camera, light_for("day", 1))
    mask = renderer.mask([lorry])
    assert boxes([lorry], camera) == []  # its rear has no place in the picture
    (seen,) = boxes([lorry], camera, mask)
    rows, columns = np.nonzero(mask == 1)
    assert seen.box_px == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert seen.box_px[3] == 360
    assert 0 < seen.inside < 1
