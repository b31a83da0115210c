"""The command writes a page from recordings, the same one each time, and refuses what is none in one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CASE = ROOT / "sim_fixtures" / "low_frame_rate"

for needed in ("cv2", "moderngl", "matplotlib", "trackeval"):
    pytest.importorskip(needed, reason=f"the evaluation needs {needed} (extras 'sim', 'train' and 'tracking')")


def evaluate(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "script.evaluation", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_names_every_option() -> None:
    done = evaluate("--help")
    assert done.returncode == 0
    assert {"--tuned", "--fresh", "--detector", "--jobs", "--out"} <= set(done.stdout.replace(",", " ").split())


@pytest.mark.parametrize("what", ["missing", "empty", "broken"])
def test_a_folder_without_recordings_is_refused_in_one_sentence(tmp_path: Path, what: str) -> None:
    folder = tmp_path / what
    if what != "missing":
        folder.mkdir()
    if what == "broken":
        for name in ("video.mp4", "lamps.csv", "site.toml", "truth.json"):
            (folder / name).write_text("{}")
    done = evaluate("--fresh", folder, "--out", tmp_path / "page.md")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("script/evaluate: ")
    assert what in done.stderr
    assert not (tmp_path / "page.md").exists()


def test_what_is_not_installed_is_named_with_the_way_to_get_it() -> None:
    code = "import sys; sys.modules['cv2'] = None; from script.evaluation.__main__ import main; sys.exit(main([]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "script/evaluate: cv2 is not installed: run script/bootstrap sim train first\n"


@pytest.mark.slow
def test_the_page_holds_what_was_measured_and_a_second_run_gives_the_same(tmp_path: Path) -> None:
    cases, seeds, out = tmp_path / "cases", tmp_path / "seeds", tmp_path / "page.md"
    for folder in (cases, seeds):
        shutil.copytree(CASE, folder / CASE.name)
    (seeds / "unfinished").mkdir()
    (seeds / "unfinished" / "truth.json").write_text("{}")
    words = ("--cases", cases, "--fresh", seeds, "--out", out, "--jobs", 1)
    first = evaluate(*words)
    assert first.returncode == 0, first.stderr
    text = out.read_text(encoding="utf-8")
    for told in (
        "## The tracker",
        "## The node: fresh seeds",
        "1 folders without a part",
        "Embedded model: stopline-s",
    ):
        assert told in text
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()}
    assert {"crossing-errors.svg", "red-times.svg"} <= set(pictures)
    assert evaluate(*words).returncode == 0
    assert out.read_text(encoding="utf-8") == text
    assert {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()} == pictures
