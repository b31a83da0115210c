from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.evidence.pixels import Veil, block_px, covered, pixelated

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from edge.records import Box, Size


def noisy(size: Size, form: str = "yuv420p") -> av.VideoFrame:
    """A picture in which no two neighbouring pixels are alike."""
    random = np.random.default_rng(5)
    rgb = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    return av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=form)


def planes(frame: av.VideoFrame) -> list[NDArray[uint8]]:
    """Luma and the two chroma planes, without what pads their lines."""
    sizes = [(frame.height // step, frame.width // step) for step in (1, 2, 2)]
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:rows, :columns]
        for plane, (rows, columns) in zip(frame.planes, sizes, strict=True)
    ]


boxes = st.tuples(st.floats(-50, 330), st.floats(-50, 250), st.floats(1, 300), st.floats(1, 300)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)


@pytest.mark.parametrize("size", [(640, 360), (320, 240), (768, 432)])
@pytest.mark.parametrize("box", [(100.0, 80.0, 130.0, 150.0), (10.3, 11.7, 300.1, 200.9), (-20.0, -20.0, 9.0, 9.0)])
def test_a_masked_block_has_no_variance(size: Size, box: Box) -> None:
    masked = pixelated(noisy(size), Veil((box,)))
    side = block_px(box, size[0])
    for plane, step in zip(planes(masked), (1, 2, 2), strict=True):
        block = side // step
        for top in range(max(0, int(box[1] // side)) * block, -(-int(box[3]) // step), block):
            for left in range(max(0, int(box[0] // side)) * block, -(-int(box[2]) // step), block):
                cell = plane[top : top + block, left : left + block]
                assert cell.size == 0 or cell.min() == cell.max()


@settings(max_examples=40)
@given(st.lists(boxes, max_size=6))
def test_every_pixel_of_a_box_is_masked_and_nothing_beyond_its_blocks(boxes: list[Box]) -> None:
    size = (320, 240)
    picture = noisy(size)
    shown = covered(Veil(tuple(boxes)), size)
    for x1, y1, x2, y2 in boxes:
        assert shown[max(0, int(y1)) : max(0, int(np.ceil(y2))), max(0, int(x1)) : max(0, int(np.ceil(x2)))].all()
    before, after = planes(picture)[0], planes(pixelated(picture, Veil(tuple(boxes))))[0]
    assert (before[~shown] == after[~shown]).all()
    if shown.any():
        assert (before[shown] != after[shown]).mean() > 0.9


def test_the_means_of_a_grid_of_blocks_are_all_that_is_left() -> None:
    size = (640, 360)
    one, other = noisy(size), noisy(size)
    luma = np.frombuffer(memoryview(other.planes[0]), np.uint8).reshape(-1, other.planes[0].line_size)
    luma[96:108, 96:108] = luma[96:108, 96:108][::-1, ::-1]  # another picture with the same mean
    veil = Veil(((96.0, 96.0, 108.0, 108.0),))
    left = zip(planes(pixelated(one, veil)), planes(pixelated(other, veil)), strict=True)
    assert all((a == b).all() for a, b in left)


def test_the_decoders_own_picture_is_left_alone() -> None:
    picture = noisy((320, 240))
    before = [plane.copy() for plane in planes(picture)]
    pixelated(picture, Veil(((0, 0, 320, 240),)))
    assert all((a == b).all() for a, b in zip(before, planes(picture), strict=True))


@pytest.mark.parametrize("kept", [(100.0, 60.0, 140.0, 90.0), (-30.0, -10.0, 33.3, 21.9), (300.1, 200.2, 400.0, 300.0)])
def test_what_is_kept_is_the_original_to_the_pixel_unless_it_must_be_masked(kept: Box) -> None:
    size = (320, 240)
    picture = noisy(size)
    veil = Veil(boxes=((120.0, 70.0, 125.0, 75.0),), yielding=((0.0, 0.0, 320.0, 240.0),), kept=kept)
    shown = covered(veil, size)
    before, after = planes(picture), planes(pixelated(picture, veil))
    assert (before[0][~shown] == after[0][~shown]).all()
    assert (before[0][shown] != after[0][shown]).mean() > 0.9
    assert shown[70:75, 120:125].all()
    assert 100 < np.count_nonzero(~shown) <= 42 * 32
    halved = shown[::2, ::2]
    assert all((a[~halved] == b[~halved]).all() for a, b in zip(before[1:], after[1:], strict=True))


def test_a_large_box_is_made_of_larger_blocks() -> None:
    assert block_px((0, 0, 30, 60), 640) == 12
    assert block_px((0, 0, 200, 300), 640) == 48
    assert block_px((0, 0, 30, 60), 1920) == 36


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "yuv422p", "yuyv422", "rgb24", "gray"])
def test_pictures_of_any_kind_can_be_masked(form: str) -> None:
    masked = pixelated(noisy((160, 96), form), Veil(((0, 0, 160, 96),)))
    assert masked.format.name in {"yuv420p", "yuvj420p"}
    colours = masked.to_ndarray(format="rgb24").reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) <= 160 * 96 / 64 + 40


def test_what_is_black_is_black_and_nothing_beside_it_changes() -> None:
    size, region = (320, 240), (41.2, 61.0, 90.0, 99.5)
    picture = noisy(size)
    before, after = planes(picture), planes(pixelated(picture, Veil(black=(region,))))
    shown = covered(Veil(black=(region,)), size)
    assert shown[61:100, 41:90].all()
    assert np.count_nonzero(shown) == 39 * 49
    assert (after[0][shown] == 16).all()
    assert (after[0][~shown] == before[0][~shown]).all()
    halved = np.zeros((120, 160), np.bool_)
    halved[30:50, 20:45] = True
    for was, now in zip(before[1:], after[1:], strict=True):
        assert (now[halved] == 128).all()
        assert (now[~halved] == was[~halved]).all()


@pytest.mark.parametrize(("form", "range_of", "level"), [("yuvj420p", 2, 0), ("yuv420p", 2, 0), ("yuv420p", 1, 16)])
def test_black_is_as_black_as_the_range_has_it(form: str, range_of: int, level: int) -> None:
    picture = noisy((160, 96), form)
    picture.color_range = range_of
    masked = pixelated(picture, Veil(black=((0, 0, 160, 96),)))
    assert (planes(masked)[0] == level).all()
    assert masked.to_ndarray(format="rgb24").max() <= 1


@settings(max_examples=40)
@given(boxes, st.lists(boxes, max_size=3), st.lists(boxes, max_size=3), st.none() | boxes)
def test_nothing_of_a_black_region_is_to_be_had_from_the_picture(
    region: Box, certain: list[Box], yielding: list[Box], kept: Box | None
) -> None:
    """Two pictures that differ inside of the region alone become the same picture, whatever else is masked or kept."""
    size = (320, 240)
    one, other = noisy(size), noisy(size)
    for plane, step in zip(other.planes, (1, 2, 2), strict=True):
        left, top = (max(0, int(side)) // step for side in region[:2])
        right, bottom = (-(-max(0, int(np.ceil(side))) // step) for side in region[2:])
        room = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        room[top : min(bottom, size[1] // step), left : min(right, size[0] // step)] ^= 0x5A
    veil = Veil(tuple(certain), tuple(yielding), kept, (region,))
    left_of = [planes(pixelated(picture, veil)) for picture in (one, other)]
    assert all((a == b).all() for a, b in zip(*left_of, strict=True))
    shown = covered(Veil(black=(region,)), size)
    assert (left_of[0][0][shown] == 16).all()


def test_a_picture_of_odd_sides_can_be_masked() -> None:
    masked = pixelated(noisy((161, 97)), Veil(((150, 90, 161, 97),)))
    assert (masked.width, masked.height) == (161, 97)
    black = planes(pixelated(noisy((161, 97)), Veil(black=((150, 90, 161, 97),))))[0]
    assert (black[90:97, 150:161] == 16).all()
