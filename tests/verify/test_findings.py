"""Each finding of the independent verifier, on cases of which something was made wrong, most of them signed anew."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from edge import verify
from edge.commands.verify import evidence_at
from edge.errors import ConfigError
from edge.evidence.media import Media
from edge.verify import Outcome
from tests.cases import signing_key
from tests.command import ROOT
from tests.core.motion import dice
from tests.verify.casefile import KEY, CaseFile, age_key, casefile
from tests.verify.judged import SITE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = dict([verify.load_key(KEY.public.pem)])


@pytest.fixture
def case(tmp_path: Path) -> CaseFile:
    return casefile(tmp_path)


def outcome(case: CaseFile, bundle: bytes | None = None, **more: Any) -> verify.Report:
    return verify.check(case.event, KEYS, case.sent if bundle is None else bundle, **more)


def said(report: verify.Report) -> str:
    return " ".join(finding.words for finding in report.findings if finding.outcome is report.outcome)


@pytest.mark.parametrize("calibrated", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_whole_case_is_intact_and_recomputed(calibrated: bool, seed: int, tmp_path: Path) -> None:
    case = casefile(tmp_path, calibrated=calibrated, seed=seed).finish()
    report = outcome(case, site=case.site_toml)
    assert report.outcome is Outcome.RECOMPUTED, report.findings
    assert report.intact
    assert (case.document["data"]["speed_mps"] is None) is not calibrated


def test_a_sealed_bundle_stays_closed_without_its_key(case: CaseFile, tmp_path: Path) -> None:
    secret, recipient = age_key()
    case.recipients = (recipient,)
    case.finish()
    assert outcome(case).outcome is Outcome.SEALED
    assert outcome(case).intact
    for name, text in (("right.key", f"# created: today\n{secret}\n"), ("other.key", age_key()[0])):
        (tmp_path / name).write_text(text)
    opened = evidence_at(None, tmp_path / "right.key").open(case.sent)
    report = outcome(case, opened)
    assert report.outcome is Outcome.RECOMPUTED
    assert "track.csv" in report.files
    closed = evidence_at(None, tmp_path / "other.key").open(case.sent)
    assert outcome(case, closed).outcome is Outcome.SEALED
    damaged = case.sent[:-1] + bytes([case.sent[-1] ^ 1])
    assert outcome(case, evidence_at(None, tmp_path / "right.key").open(damaged)).outcome is Outcome.CHANGED
    (tmp_path / "none.key").write_text("AGE-SECRET-KEY-NONE")
    with pytest.raises(ConfigError, match="holds no age key"):
        evidence_at(None, tmp_path / "none.key")


@pytest.mark.skipif(shutil.which("age") is None, reason="the program age is not installed")
def test_what_age_itself_opens_is_the_signed_bundle(case: CaseFile, tmp_path: Path) -> None:
    secret, recipient = age_key()
    case.recipients = (recipient,)
    case.finish()
    (tmp_path / "age.key").write_text(secret)
    (tmp_path / "case.tar.age").write_bytes(case.sent)
    done = subprocess.run(
        ["age", "-d", "-i", tmp_path / "age.key", tmp_path / "case.tar.age"], capture_output=True, check=True
    )
    assert outcome(case, done.stdout).outcome is Outcome.RECOMPUTED


def test_what_is_missing_is_told_with_its_reason(case: CaseFile) -> None:
    case.pictures = Media.without_pictures("The node was restarted before the pictures were complete.")
    report = outcome(case.finish())
    assert report.outcome is Outcome.INCOMPLETE
    assert report.intact
    assert "The node was restarted before the pictures were complete." in said(report)


def test_pictures_that_lack_without_a_reason_are_told(case: CaseFile) -> None:
    kept = {name: content for name, content in case.pictures.files.items() if name != "clip.mp4"}
    case.pictures = replace(case.pictures, files=kept)
    report = outcome(case.finish())
    assert report.outcome is Outcome.INCOMPLETE
    assert "does not say why: clip.mp4" in said(report)


def test_without_its_bundle_a_case_is_incomplete(case: CaseFile) -> None:
    case.finish()
    assert verify.check(case.event, KEYS).outcome is Outcome.INCOMPLETE


def test_a_key_that_is_not_trusted_is_no_change(case: CaseFile) -> None:
    case.finish()
    other = dict([verify.load_key(signing_key(77).public.pem)])
    report = verify.check(case.event, other, case.sent)
    assert report.outcome is Outcome.UNTRUSTED
    assert not report.intact
    assert "its key is not trusted" in said(report)


FIGURES: dict[str, Callable[[dict[str, Any]], object]] = {
    "the crossing, t cross s": lambda data: data["crossing"].update(t_cross_s=data["crossing"]["t_cross_s"] - 0.002),
    "the crossing, uncertainty s": lambda data: data["crossing"].update(uncertainty_s=0.0),
    "the crossing, t confirm s": lambda data: data["crossing"].update(t_confirm_s=20.0),
    "the crossing, point px": lambda data: data["crossing"].update(point_px=[300, 190]),
    "the red time, elapsed s": lambda data: data["red_time"].update(elapsed_s=9.0),
    "the red time, at least s": lambda data: data["red_time"].update(at_least_s=9.0),
    "the red time, deductions s, rear margin": lambda data: data["red_time"]["deductions_s"].update(rear_margin=0.0),
    "the red time, deductions s, lamp": lambda data: data["red_time"]["deductions_s"].update(lamp=0.0),
    "the amber, measured s": lambda data: data["amber"].update(measured_s=3.5),
    "the speed mps": lambda data: data.update(speed_mps=14.0),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_that_does_not_follow_is_named_with_both_values(figure: str, case: CaseFile) -> None:
    FIGURES[figure](case.document["data"])
    report = outcome(case.finish())
    assert report.outcome is Outcome.DIFFERS, report.findings
    assert f"{figure} is said to be" in said(report)


def test_a_verdict_that_does_not_follow_is_named(case: CaseFile) -> None:
    for row in case.document["data"]["lamps"]:
        if row[0] == 6.0:
            row[0] = 60.0
    report = outcome(case.finish())
    assert report.outcome is Outcome.DIFFERS
    assert "the verdict is said to be violation, but comes out as on_amber" in said(report)


def test_a_track_that_crosses_nothing_is_told(case: CaseFile) -> None:
    case.document["data"]["track"] = case.document["data"]["track"][:5]
    assert "no passage at all" in said(outcome(case.finish()))


def test_another_bundle_is_not_this_one(case: CaseFile, tmp_path: Path) -> None:
    case.finish()
    other = casefile(tmp_path / "other", seed=2).finish()
    report = outcome(case, other.sent)
    assert report.outcome is Outcome.CHANGED
    assert "not the one that the event was signed with" in said(report)


def swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Another content of the same length in the bundle, with its hash signed."""
    assert len(old) == len(new)
    return lambda plain: plain.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swapped(b"clip.mp4clip.mp4", b"clip.mp4CLIP.mp4"), "clip.mp4 in the bundle does not fit"),
        (swapped(b'"event_id":"0197', b'"event_id":"1197'), "speaks of another event"),
        (swapped(b'{"clip":', b'{"clip";'), "evidence bundle cannot be read"),
        (lambda plain: plain[:2000], "evidence bundle cannot be read"),
    ],
    ids=["file", "event", "manifest", "cut"],
)
def test_a_bundle_that_contradicts_itself_is_found(
    change: Callable[[bytes], bytes], words: str, case: CaseFile
) -> None:
    report = outcome(case.finish(change))
    assert report.outcome is Outcome.CHANGED
    assert words in said(report)


def test_a_site_file_of_other_values_is_found_though_its_hash_is_signed(case: CaseFile) -> None:
    case.document["data"]["rule"]["grace_s"] = 0.4
    report = outcome(case.finish())
    assert report.outcome is Outcome.CHANGED
    assert "says something else than the event of: rule" in said(report)


def test_another_site_file_than_the_commissioned_one_is_found(case: CaseFile) -> None:
    report = outcome(case.finish(), site=SITE.replace("202", "204").encode())
    assert report.outcome is Outcome.CHANGED
    assert "The site file that was given is not the one" in said(report)


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{}", b"[" * 100_000, b'{"a":1,"a":1}', b"\xff", b"1e999"])
def test_what_is_no_event_is_told_in_words(raw: bytes) -> None:
    report = verify.check(raw, KEYS)
    assert report.outcome is Outcome.CHANGED
    assert report.findings[-1].words


def test_every_changed_byte_of_event_and_bundle_is_found(tmp_path: Path) -> None:
    case = casefile(tmp_path, seed=5).finish()
    chance = dice(20)
    for number in range(1000):
        raw = bytearray(case.event if number % 2 else case.sent)
        place = chance.randrange(len(raw))
        raw[place] ^= chance.randrange(1, 256)
        report = verify.check(bytes(raw), KEYS, case.sent) if number % 2 else outcome(case, bytes(raw))
        # A change within the key's name makes it another key's, which is not trusted.
        assert report.outcome in (Outcome.CHANGED, Outcome.UNTRUSTED), (number, place)


def alone(*words: object) -> subprocess.CompletedProcess[str]:
    """The file on its own, as somebody without the package runs it; fails where it loads anything of the node."""
    program = (
        "import runpy, sys\n"
        "try:\n    runpy.run_path(sys.argv.pop(1), run_name='__main__')\n"
        "finally:\n    assert not {'edge', 'joserfc', 'numpy'} & {name.split('.')[0] for name in sys.modules}\n"
    )
    line = [sys.executable, "-c", program, str(ROOT / "edge" / "verify.py"), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, cwd="/")


def test_it_runs_alone_and_loads_nothing_of_the_node(case: CaseFile, tmp_path: Path) -> None:
    case.finish()
    files = {"event.jsonl": case.event + b"\n", "case.tar": case.plain, "node.pub.pem": KEY.public.pem}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    event, bundle, key = (tmp_path / name for name in files)
    done = alone(event, bundle, "--key", key, "--site", tmp_path / "site.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert Outcome.RECOMPUTED.value in done.stdout
    assert alone(event, bundle).returncode == 1
    assert alone(event, tmp_path / "none.tar", "--key", key).returncode == 2
    assert alone(event, bundle, "--key", event).returncode == 2
    bundle.write_bytes(case.plain[:-1])
    assert alone(event, bundle, "--key", key).returncode == 1
