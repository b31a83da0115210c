"""``stopline verify``: checks signed events with their evidence, replayed passages, and what reviewers decided."""

from __future__ import annotations

import csv
import json
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyrage

from edge import verify
from edge.decisions import Flaw, check_chain, line_hash
from edge.errors import ConfigError
from edge.keys import load_public_keys
from edge.verify import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MAX_FILE_BYTES = 1_000_000_000
_KEY_BESIDE = "node.pub.pem"
_EVIDENCE_BESIDE = "evidence"
_SUFFIXES = (".tar", ".tar.age")
_KEY_WORD = "AGE-SECRET-KEY-"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where bundles lie (a file, or a folder of ``<event id>.tar[.age]``), and the age keys that open them."""

    where: Path | None = None
    identities: tuple[object, ...] = ()

    def of(self, raw: bytes) -> bytes | None:
        """The bundle of the event in these bytes, open if a key opens it; None where there is none."""
        if self.where is None:
            return None
        if not self.where.is_dir():
            return self.open(read_bytes(self.where))
        name = event_id(raw)
        files = [self.where / (name + suffix) for suffix in _SUFFIXES if name and "/" not in name]
        return next((self.open(read_bytes(file)) for file in files if file.is_file()), None)

    def open(self, bundle: bytes) -> bytes:
        """What was sealed; the bundle itself where no key opens it: the verifier then says that it stayed closed."""
        if not self.identities:
            return bundle
        try:
            return bytes(pyrage.decrypt(bundle, list(self.identities)))
        except pyrage.DecryptError:
            return bundle


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one line of a file of events."""

    line: int
    event_id: str
    report: Report


@dataclass(frozen=True, slots=True)
class Verification:
    """The findings, and whether the keys were given by the reader (else they only lay beside the file)."""

    events: tuple[Checked, ...]
    trusted: bool

    @property
    def intact(self) -> bool:
        """Whether every event holds."""
        return all(checked.report.intact for checked in self.events)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """Passages of a replay judged again: how many, and each that came out otherwise, in words."""

    passages: int
    differing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """A file of decisions: how many lines, what is wrong with which, and the last whole line's hash if there is one."""

    lines: int
    flaws: tuple[Flaw, ...]
    last_sha256: str | None

    @property
    def holds(self) -> bool:
        """Whether every decision holds."""
        return not self.flaws


def verify_file(
    file: Path, key_files: Sequence[Path], bundle: Path | None = None, identity: Path | None = None
) -> Verification:
    """Check every event of ``file``, one a line, with its evidence where that is at hand.

    ConfigError where there is nothing to check, or no key for it.
    """
    raw = read_bytes(file)
    keys = trusted_keys(key_files or _beside(file))
    evidence = evidence_at(bundle or _existing(file.parent / _EVIDENCE_BESIDE), identity)
    lines = raw.removesuffix(b"\n").split(b"\n")
    _check_kind(file, lines, "events")
    checked = (
        Checked(number, event_id(line), verify.check(line, keys, evidence.of(line)))
        for number, line in enumerate(lines, start=1)
    )
    return Verification(tuple(checked), bool(key_files))


def verify_tracks(folder: Path) -> Recomputed:
    """Judge every passage of ``replay --keep-tracks`` again from its raw data. ConfigError where they are not there."""
    try:
        site = tomllib.loads(read_bytes(folder / "site.toml").decode())
        edges = list(csv.DictReader(read_bytes(folder / "lamps.csv").decode().splitlines()))
        lines = [json.loads(line) for line in read_bytes(folder / "tracks.jsonl").splitlines()]
        cases = [(line, as_event_data(line, site, edges)) for line in lines]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} does not hold what replay --keep-tracks writes ({error}): replay again") from None
    differing = (
        f"{line['lane']}, track {line['track']}: {words}" for line, data in cases for words in verify.differences(data)
    )
    return Recomputed(len(cases), tuple(differing))


def verify_decisions(file: Path, key_files: Sequence[Path]) -> Decisions:
    """Check signatures and order of a whole file of decisions. ConfigError where a key lacks or nothing can be read."""
    if not key_files:
        raise ConfigError(f"No key to check {file} with: give the public key of each reviewer with --key")
    keys = load_public_keys(key_files)
    *lines, end = read_bytes(file).split(b"\n")
    _check_kind(file, [*lines, end], "decisions")
    flaws = list(check_chain(lines, keys))
    if end:
        flaws.append(Flaw(len(lines) + 1, "it is not whole: the file ends in the middle of it"))
    return Decisions(len(lines) + bool(end), tuple(flaws), line_hash(lines[-1]) if lines else None)


def _check_kind(file: Path, lines: Sequence[bytes], kind: str) -> None:
    """ConfigError for a file of another kind. A line counts if it looks at either end like what is to be checked."""
    if not any(lines):
        raise ConfigError(f"{file} is empty, so there is nothing to check: give the {kind}.jsonl that holds some")
    if not any(line.startswith(b'{"') or line.endswith(b'"}') for line in lines):
        raise ConfigError(f"{file} holds no {kind}: give the {kind}.jsonl, which has one on each line")


def read_bytes(file: Path) -> bytes:
    """A file's content; ConfigError in a sentence where it cannot be had."""
    try:
        if file.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{file} is over 1 GB: split it at line ends")
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error.strerror}): give a file that is there") from None


def trusted_keys(files: Sequence[Path]) -> dict[str, verify.Key]:
    """Public keys by their names, as the verifier takes them."""
    return dict(verify.load_key(key.pem) for key in load_public_keys(files).values())


def evidence_at(where: Path | None, identity: Path | None) -> Evidence:
    """The evidence that was named on the command line; ConfigError where it is not there, or its key is none."""
    if where is not None and not where.exists():
        raise ConfigError(f"{where} does not exist: give a bundle, or the folder that bundles lie in")
    return Evidence(where, () if identity is None else _identities(identity))


def _identities(file: Path) -> tuple[object, ...]:
    """The keys in a file as age-keygen makes it, comments left aside."""
    words = read_bytes(file).decode("utf-8", "replace").split()
    try:
        found = tuple(pyrage.x25519.Identity.from_str(word) for word in words if word.startswith(_KEY_WORD))
    except pyrage.IdentityError:
        found = ()
    if not found:
        raise ConfigError(f"{file} holds no age key: give the file that age-keygen made")
    return found


def event_id(raw: bytes) -> str:
    """The id of an event, or nothing where it cannot be read."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    name = document.get("id") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""


def sentence(report: Report) -> str:
    """The outcome, and what led to it where it is not the best."""
    reasons = [finding.words for finding in report.findings if finding.outcome is report.outcome]
    return report.outcome.value if report.outcome is Outcome.RECOMPUTED else " ".join([report.outcome.value, *reasons])


def _beside(file: Path) -> list[Path]:
    beside = file.parent / _KEY_BESIDE
    if not beside.exists():
        raise ConfigError(f"No key to check {file} with: give the node's public key with --key")
    return [beside]


def _existing(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def as_event_data(line: dict[str, Any], site: dict[str, Any], edges: list[dict[str, str]]) -> dict[str, Any]:
    """One line of ``tracks.jsonl`` with its site and lamps, laid out as an event's ``data``."""
    data = verify.settings(site, line["lane"])
    group = data["signal_group"]
    deductions = {"clock": 0.0} | line["deductions_s"]
    return data | {
        "verdict": line["verdict"],
        "phase": line["phase"],
        "vehicle_class": line["class"],
        "crossing": {name: line[name] for name in ("t_cross_s", "uncertainty_s", "t_confirm_s", "point_px")},
        "red_time": {
            "elapsed_s": line["red_elapsed_s"],
            "at_least_s": line["red_at_least_s"],
            "deductions_s": deductions,
        },
        "amber": data["amber"] | {"measured_s": line["amber_s"]},
        "speed_mps": line["speed_mps"],
        "track": line["points"],
        "lamps": [(float(row["t_s"]), row["lamp"], row["lit"] == "1") for row in edges if row["group"] == group],
    }
