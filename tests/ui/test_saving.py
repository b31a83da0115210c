"""Saving writes the site file and commissions the node by it, or leaves both as they were."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.commands.commission import CommissionRequest, tried
from edge.commissioning import RECORD, VIEW
from edge.keys import create_key
from edge.ui.refused import RefusedError
from edge.ui.saving import Saving, command
from tests.recordings import FIRST, Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.commissioning import Commissioned

RECORDING = Recording(FIRST)
TEXT = (RECORDING.folder / "site.toml").read_text(encoding="utf-8")


@pytest.fixture
def saving(tmp_path: Path) -> Saving:
    """A node that is commissioned over two seconds of a recording, with no site file yet."""
    create_key(tmp_path / "node.key")
    node = tmp_path / "node.toml"
    node.write_text('schema = 1\n[node]\nid = "edge-1"\nkey = "node.key"\n', encoding="utf-8")

    def commission(site: Path, by: str) -> Callable[[], Commissioned]:
        found = tried(CommissionRequest(str(RECORDING.video), site, node, None, by, None, 2.0), lambda _: None)
        return lambda: found.write().record

    return Saving(tmp_path / "site.toml", "edge-1", commission, None)


def kept(saving: Saving) -> dict[str, bytes]:
    """All that saving writes."""
    state = saving.file.parent / "state"
    files = (saving.file, state / RECORD, state / VIEW)
    assert not list(saving.file.parent.glob(".*"))
    return {file.name: file.read_bytes() for file in files if file.is_file()}


def test_where_the_file_cannot_be_put_in_place_nothing_is_commissioned(
    saving: Saving, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(file: Path, target: Path) -> Path:
        if target == saving.file:
            raise OSError(28, "No space left on device")
        return replace(file, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RefusedError, match="No space left on device") as refused:
        saving.save(TEXT, "Ada")
    assert refused.value.code == "not_written"
    assert kept(saving) == {}
    monkeypatch.undo()
    assert saving.save(TEXT, "Ada")["commissioned"]["by"] == "Ada"
    assert sorted(kept(saving)) == [RECORD, "site.toml", VIEW]


def test_where_the_record_cannot_be_written_the_file_is_as_it_was(saving: Saving) -> None:
    saving.save(TEXT, "Ada")
    before = kept(saving)
    state = saving.file.parent / "state"
    record = (state / RECORD).rename(state / "kept")
    (state / RECORD).mkdir()
    with pytest.raises(RefusedError) as refused:
        saving.save(TEXT + "# Another.\n", "Eve")
    assert refused.value.code == "not_commissioned"
    (state / RECORD).rmdir()
    record.rename(state / RECORD)
    assert kept(saving) == before


def test_a_new_file_whose_record_cannot_be_written_is_gone_again(saving: Saving) -> None:
    (saving.file.parent / "state" / RECORD).mkdir(parents=True)
    with pytest.raises(RefusedError):
        saving.save(TEXT, "Ada")
    assert not saving.file.exists()
    assert not list(saving.file.parent.glob(".*"))


def test_of_two_tabs_that_save_at_once_one_is_told_to_wait(saving: Saving) -> None:
    begun, may_end = threading.Event(), threading.Event()
    commission = saving.commission
    assert commission is not None

    def slow(site: Path, by: str) -> Callable[[], Commissioned]:
        begun.set()
        assert may_end.wait(30)
        return commission(site, by)

    saving.commission = slow
    first = threading.Thread(target=saving.save, args=(TEXT, "Ada"))
    first.start()
    assert begun.wait(30)
    assert saving.is_busy
    with pytest.raises(RefusedError) as refused:
        saving.save(TEXT, "Eve")
    assert refused.value.code == "saving"
    may_end.set()
    first.join(30)
    assert not saving.is_busy
    assert saving.file.read_text(encoding="utf-8") == TEXT


def test_what_somebody_writes_while_the_node_is_tried_is_left_alone(saving: Saving) -> None:
    commission = saving.commission
    assert commission is not None

    def meanwhile(site: Path, by: str) -> Callable[[], Commissioned]:
        saving.file.write_text("# Mine.\n", encoding="utf-8")
        return commission(site, by)

    saving.commission = meanwhile
    with pytest.raises(RefusedError) as refused:
        saving.save(TEXT, "Ada")
    assert refused.value.code == "changed_meanwhile"
    assert kept(saving) == {"site.toml": b"# Mine.\n"}


def test_what_somebody_else_wrote_is_told_once_and_put_back_where_saving_fails(saving: Saving) -> None:
    told: list[bytes] = []
    saving.changed = told.append
    saving.file.write_bytes(b"\xff no text")
    with pytest.raises(RefusedError) as refused:
        saving.save(TEXT, "Ada")
    assert refused.value.code == "changed_meanwhile"
    assert told == [b"\xff no text"]
    with pytest.raises(RefusedError) as refused:
        saving.save(TEXT, " ")
    assert refused.value.code == "not_commissioned"
    assert kept(saving) == {"site.toml": b"\xff no text"}
    saving.save(TEXT, "Ada")
    assert saving.file.read_text(encoding="utf-8") == TEXT
    assert len(told) == 1


def test_a_command_can_be_typed_as_it_is_told() -> None:
    assert command("replay", Path("a b.mp4"), "--site", "it's") == "stopline replay 'a b.mp4' --site 'it'\"'\"'s'"
