from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch", reason="torch is installed with the extra 'train' only")

from models.train.classes import BUS, CAR, IGNORED, SOME_VEHICLE  # noqa: E402
from models.train.loss import (  # noqa: E402
    INEXACT_GROUND,
    PART_WEIGHT,
    Answers,
    Cells,
    assign,
    costs,
    paired_giou,
    paired_iou,
)
from models.train.net import BINS, Detector, boxes_from, cell_centres, distances  # noqa: E402
from models.train.train import FLOOR_SHARE, PEAK_RATE, WARM_UP_STEPS, average_in, fresh_state, rate  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path


def peaked(bins: list[int]) -> torch.Tensor:
    """Logits of four sides that say exactly these distances."""
    logits = torch.full((4, BINS), -50.0)
    logits[torch.arange(4), torch.tensor(bins)] = 50.0
    return logits.reshape(-1)


def test_distances_are_the_mean_of_the_bins() -> None:
    assert distances(peaked([1, 0, 15, 7])).tolist() == pytest.approx([1, 0, 15, 7])
    assert distances(torch.zeros(4 * BINS)).tolist() == pytest.approx([7.5] * 4)


def test_cells_lie_row_by_row() -> None:
    assert cell_centres(2, 3, 8).tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]


def test_a_box_is_its_cell_and_four_distances() -> None:
    box = boxes_from(torch.tensor([1.0, 2, 3, 4]), torch.tensor([10.0, 20]))
    assert box.tolist() == [9, 18, 13, 24]


def test_overlaps() -> None:
    a, b = torch.tensor([0.0, 0, 10, 10]), torch.tensor([5.0, 0, 15, 10])
    assert paired_iou(a, b).item() == pytest.approx(1 / 3, abs=1e-5)
    far = torch.tensor([100.0, 0, 110, 10])
    assert paired_giou(a, a).item() == pytest.approx(1, abs=1e-5)
    assert paired_giou(a, far) < paired_giou(a, torch.tensor([20.0, 0, 30, 10])) < 0


def blank(cells: Cells, size: float = 40.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of a net that knows nothing, and boxes of one size around every cell."""
    half = torch.full((len(cells.centres_px), 4), size / 2)
    return torch.full((len(cells.centres_px), 7), -4.0), boxes_from(half, cells.centres_px)


def test_the_fittest_cells_inside_answer_for_an_object() -> None:
    cells = Cells.of(96, 160)
    logits, boxes = blank(cells)
    rows = torch.tensor([[BUS, 30.0, 30, 70, 70]])
    found = assign(logits, boxes, rows, cells)
    answering = (found.matched >= 0).nonzero().squeeze(1)
    assert 1 <= len(answering) <= 10
    centres = cells.centres_px[answering]
    assert ((centres > 30) & (centres < 70)).all()
    assert (found.scores[answering, BUS] > 0).all()
    assert found.scores.sum().item() == pytest.approx(found.scores[answering, BUS].sum().item())
    assert found.scores.max().item() == pytest.approx(paired_iou(boxes[answering], rows[0, 1:]).max().item(), abs=1e-4)


def test_an_open_class_is_what_the_net_favours() -> None:
    cells = Cells.of(96, 160)
    logits, boxes = blank(cells)
    logits[:, BUS] = 1.0
    found = assign(logits, boxes, torch.tensor([[SOME_VEHICLE, 30.0, 30, 70, 70]]), cells)
    assert found.scores[:, BUS].sum() > 0
    assert found.scores[:, CAR].sum() == 0


def test_an_ignored_place_is_left_out_and_has_no_object() -> None:
    cells = Cells.of(96, 160)
    logits, boxes = blank(cells)
    found = assign(logits, boxes, torch.tensor([[IGNORED, 30.0, 30, 70, 70]]), cells)
    assert (found.matched == -1).all()
    inside = ((cells.centres_px > 30) & (cells.centres_px < 70)).all(1)
    assert torch.equal(found.weight == 0, inside)


def test_an_object_smaller_than_a_cell_is_not_lost() -> None:
    cells = Cells.of(96, 160)
    logits, boxes = blank(cells, 6.0)
    found = assign(logits, boxes, torch.tensor([[CAR, 61.0, 33.0, 63.0, 35.0]]), cells)
    assert (found.matched >= 0).any()


def test_a_box_on_a_part_of_a_vehicle_costs_more_than_one_beside_it() -> None:
    cells = Cells.of(96, 160)
    logits, _ = blank(cells)
    boxes = torch.tensor([0.0, 0, 10, 10]).repeat(len(logits), 1)
    boxes[:10] = torch.tensor([30.0, 30, 90, 90])
    boxes[10:20] = torch.tensor([40.0, 32, 60, 50])
    found = assign(logits, boxes, torch.tensor([[BUS, 30.0, 30, 90, 90]]), cells)
    free = found.matched < 0
    assert (found.weight[10:20][free[10:20]] == PART_WEIGHT).all()
    assert (found.weight[:10] == 1).all()
    assert (found.weight[20:][free[20:]] == 1).all()


def test_a_lower_side_that_is_off_costs_more_where_the_labels_are_exact() -> None:
    torch.manual_seed(0)
    net, cells = Detector(), Cells.of(64, 96)
    maps = net(torch.full((1, 3, 64, 96), 90.0))
    rows = [torch.tensor([[CAR, 32.0, 16, 80, 48]])]
    exact, rough = (costs(maps, rows, torch.tensor([kind]), cells) for kind in (True, False))
    assert exact.ground.item() == pytest.approx(rough.ground.item() / INEXACT_GROUND)
    assert exact.box.item() == rough.box.item()


def test_no_objects_give_a_cost_and_a_gradient() -> None:
    torch.manual_seed(0)
    net = Detector()
    found = costs(net(torch.zeros(2, 3, 64, 96)), [torch.zeros(0, 5)] * 2, torch.ones(2).bool(), Cells.of(64, 96))
    found.total().backward()
    assert found.box.item() == 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())


def test_training_on_one_picture_finds_its_object() -> None:
    torch.manual_seed(0)
    net = Detector()
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3)
    picture = torch.full((2, 3, 64, 96), 90.0)
    picture[:, :, 16:48, 32:80] = 220
    rows = torch.tensor([[CAR, 32.0, 16, 80, 48]])
    cells = Cells.of(64, 96)
    for _ in range(60):
        found = costs(net(picture), [rows, rows], torch.ones(2).bool(), cells)
        optimiser.zero_grad()
        found.total().backward()
        optimiser.step()
    answers = Answers.of(net(picture), cells)
    best = answers.logits[0, :, CAR].argmax()
    assert paired_iou(answers.boxes_px[0, best], rows[0, 1:]) > 0.7


def test_the_rate_warms_up_and_falls_to_its_floor() -> None:
    assert rate(0.0, 0) == pytest.approx(PEAK_RATE / WARM_UP_STEPS)
    assert rate(0.0, WARM_UP_STEPS) == pytest.approx(PEAK_RATE)
    assert rate(1.0, 10_000) == pytest.approx(PEAK_RATE * FLOOR_SHARE)


def test_a_checkpoint_holds_everything(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = fresh_state()
    state.step, state.spent_s = 7, 12.5
    average_in(state.average, state.net, 7)
    state.save(tmp_path / "c.pt")
    other = fresh_state()
    other.load(tmp_path / "c.pt")
    assert (other.step, other.spent_s) == (7, 12.5)
    for a, b in zip(state.average.state_dict().values(), other.average.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_exported_graph_answers_as_the_net(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is installed with the extra 'train' only")
    from models.train.export import worst_difference, write_onnx

    torch.manual_seed(0)
    net = Detector().eval()
    write_onnx(net, tmp_path / "net.onnx")
    assert worst_difference(net, tmp_path / "net.onnx") < 1e-2
