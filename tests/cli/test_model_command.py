"""``stopline model``: what is fetched is kept only whole and with the pinned hash."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from edge.commands import model
from edge.commands.model import list_models, pull, try_out
from edge.detector import load_model
from edge.embedded import embedded_model
from edge.errors import ModelError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def release(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A publisher's folder and its address; the address is of plain HTTP, for this machine alone."""
    folder = tmp_path / "release"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _described(tmp_path: Path, weights: bytes) -> Path:
    embedded = embedded_model().read_text()
    old = hashlib.sha256((embedded_model().parent / "stopline-s.onnx").read_bytes()).hexdigest()
    described = tmp_path / "other.toml"
    text = embedded.replace(old, hashlib.sha256(weights).hexdigest())
    described.write_text(text + '\n[release]\nurl = "https://example.org/other.onnx"\nlicence = "MIT"\n')
    return described


def test_a_release_is_kept_whole_with_its_description(tmp_path: Path, release: tuple[Path, str]) -> None:

    folder, address = release
    weights = (embedded_model().parent / "stopline-s.onnx").read_bytes()
    (folder / "other.onnx").write_bytes(weights)
    described = _described(tmp_path, weights)
    fetched = model.fetch(described, tmp_path / "models", get=lambda _: model.download(f"{address}/other.onnx"))
    assert load_model(fetched).sha256 == hashlib.sha256(weights).hexdigest()


def test_another_file_than_the_pinned_one_is_not_kept(tmp_path: Path, release: tuple[Path, str]) -> None:

    folder, address = release
    (folder / "other.onnx").write_bytes(b"something else")
    described = _described(tmp_path, b"the real one")
    with pytest.raises(ModelError, match="another file than the one pinned"):
        model.fetch(described, tmp_path / "models", get=lambda _: model.download(f"{address}/other.onnx"))
    assert not (tmp_path / "models").exists()


def test_a_publisher_that_does_not_answer_is_told_in_one_sentence(tmp_path: Path, release: tuple[Path, str]) -> None:

    _, address = release
    with pytest.raises(ModelError, match="cannot be fetched"):
        model.download(f"{address}/nothing.onnx")


def test_an_unknown_name_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="yolox_nano"):
        pull("yolo99", tmp_path)


def test_the_embedded_model_and_the_public_ones_are_listed() -> None:
    assert {row["name"] for row in list_models()} >= {"stopline-s", "yolox_nano", "fastestdet"}


def test_a_recording_that_is_none_is_refused(tmp_path: Path) -> None:

    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceError):
        try_out(None, tmp_path / "text.mp4", 1)
