"""What of a node's failures ends it with exit code 1, to be begun again, and what with 2, to wait for a person."""

from __future__ import annotations

import errno
import signal
import ssl
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edge import errors
from edge.commands import run as run_module
from edge.commands.ending import at_work, close_with, may_pass, reading_files
from edge.commands.live import LiveCamera
from edge.errors import ConfigError, KeyFileError, NodeError, OutboxError, SourceError, StoplineError, TpmError
from edge.evidence.keeper import CaseKeeper
from edge.keys import create_key
from edge.outbox import Outbox
from edge.pipeline import _join
from edge.records import Frame
from tests.broker import free_port
from tests.command import ROOT
from tests.evidence.keeping import CONFIRMED_NS, CROSSED_NS
from tests.evidence.test_keeper import document, filled_ring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edge.keys import FileKey, PublicKey
    from tests.cli.conftest import Command

CASE = ROOT / "sim_fixtures" / "plain_red_runner"
RECIPIENT = "age1yaau8j38fp5fxkdlcjry4fl3legp57c9zxlz34g3mw95lj7cacaqemac68"
SILENCE = "The TPM at device:/dev/tpmrm0 did not do as asked (tcti:IO failure): check that it is there"
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, StoplineError)]


def from_errno(number: int, kind: type[StoplineError] = ConfigError) -> StoplineError:
    """An error as readers of files make it."""
    return made_from(OSError(number, "what the system says"), kind)


def made_from(cause: OSError, kind: type[StoplineError]) -> StoplineError:
    made = kind("a sentence")
    made.__context__, made.__suppress_context__ = cause, True  # as ``raise ... from None`` leaves it
    return made


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not issubclass(kind, (ConfigError, NodeError))])
def test_at_work_whatever_fails_may_be_well_again(kind: type[StoplineError]) -> None:
    with pytest.raises(NodeError, match=r"^a sentence$"), at_work():
        raise kind("a sentence")


def test_at_work_too_a_mistake_is_one() -> None:
    with pytest.raises(ConfigError, match="a sentence"), at_work():
        raise ConfigError("a sentence")


def test_a_node_error_is_passed_on_as_it_is() -> None:
    first = NodeError("a sentence")
    with pytest.raises(NodeError) as raised, at_work():
        raise first
    assert raised.value is first


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not issubclass(kind, (NodeError, TpmError))])
def test_before_work_what_fails_is_a_mistake(kind: type[StoplineError]) -> None:
    with pytest.raises(kind) as raised, reading_files():
        raise kind("a sentence")
    assert not isinstance(raised.value, NodeError)


@pytest.mark.parametrize("kind", [ConfigError, KeyFileError, errors.ModelError])
@pytest.mark.parametrize("number", [errno.EIO, errno.EUCLEAN, errno.ENOSPC, errno.EMFILE])
def test_a_disk_that_fails_is_no_mistake_in_a_file(number: int, kind: type[StoplineError]) -> None:
    assert may_pass(from_errno(number, kind))
    for guarded in (reading_files, at_work):
        with pytest.raises(NodeError, match=r"^a sentence$"), guarded():
            raise from_errno(number, kind)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.EROFS, errno.ENOTDIR])
def test_a_path_that_is_wrong_is_one(number: int) -> None:
    assert not may_pass(from_errno(number))


def test_openssls_numbers_are_no_errnos() -> None:
    assert not may_pass(made_from(ssl.SSLError(errno.EIO, "key values mismatch"), errors.BrokerError))


def test_errors_that_are_each_others_cause_are_looked_at_once() -> None:
    """So they are where what a thread has failed with is raised once more while its owner ends by it."""
    first, then = ConfigError("first"), ConfigError("then")
    first.__context__, then.__cause__ = then, first
    assert not may_pass(first)
    then.__context__ = then.__cause__ = OSError(errno.EIO, "what the system says")
    assert may_pass(first)


def test_what_fails_at_the_end_hides_nothing_that_failed_before() -> None:
    def failing() -> None:
        raise KeyFileError("later")

    def end(error: StoplineError | None) -> None:
        with ExitStack() as stack:
            close_with(stack, failing)
            if error is not None:
                raise error

    with pytest.raises(SourceError, match="first"):
        end(SourceError("first"))
    with pytest.raises(KeyFileError, match="later"):
        end(None)


def test_a_thread_that_does_not_end_is_no_mistake_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.pipeline._JOIN_S", 0.01)
    over = threading.Event()
    thread = threading.Thread(target=over.wait, name="decode", daemon=True)
    thread.start()
    with pytest.raises(NodeError, match="the decode thread did not end"), at_work():
        _join([thread])
    over.set()


@dataclass
class Signer:
    """A key whose TPM answers, but to the threads in ``silent``."""

    file_key: FileKey
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    @property
    def kid(self) -> str:
        return self.file_key.kid

    @property
    def public(self) -> PublicKey:
        return self.file_key.public

    def sign(self, message: bytes) -> bytes:
        thread = threading.current_thread().name
        if thread in self.silent:
            self.asked.append(thread)
            raise TpmError(SILENCE)
        return self.file_key.sign(message)


class Plain:
    """A picture of one grey."""

    size_px = (1280, 720)

    def scaled(self, size_px: tuple[int, int], crop_px: object = None) -> Any:  # noqa: ARG002
        return np.full((size_px[1], size_px[0], 3), 120, np.uint8)


@dataclass
class Bench:
    """A node in this process whose camera shows nothing, and what is done at its pictures."""

    words: list[object]
    signer: Signer
    keepers: list[CaseKeeper] = field(default_factory=list)
    at_first: Callable[[], None] = lambda: None
    pictures: int = 0

    def stream(self, *_: object, **__: object) -> Iterator[tuple[Frame, tuple[()]]]:
        give_up_s = time.monotonic() + 60.0
        while time.monotonic() < give_up_s:
            if self.pictures == 0:
                self.at_first()
            yield Frame(time.monotonic_ns(), self.pictures, Plain()), ()
            self.pictures += 1
            time.sleep(0.05)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    node = tmp_path / "node.toml"
    node.write_text(
        f'schema = 1\n\n[node]\nid = "bench"\nkey = "node.key"\n\n[evidence]\nrecipients = ["{RECIPIENT}"]\n\n'
        f'[broker]\nurl = "mqtt://127.0.0.1:{free_port()}"\n',
        encoding="utf-8",
    )
    words = ["udp://127.0.0.1:9", "--site", CASE / "site.toml", "--node", node, "--signal", CASE / "lamps.csv"]
    one = Bench(words, Signer(create_key(tmp_path / "node.key")))

    def kept(*given: Any) -> CaseKeeper:
        one.keepers.append(CaseKeeper(*given))
        return one.keepers[-1]

    monkeypatch.setattr(run_module, "load_signing_key", lambda _: one.signer)
    monkeypatch.setattr(LiveCamera, "open", lambda _: object())
    monkeypatch.setattr(run_module, "detect_stream", one.stream)
    monkeypatch.setattr(run_module, "ring_for", lambda *_: filled_ring())
    monkeypatch.setattr(run_module, "CaseKeeper", kept)
    monkeypatch.setattr(run_module, "_DRAIN_S", 0.1)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield one
    for number, handler in before.items():
        signal.signal(number, handler)


def failed(bench: Bench, command: Command) -> str:
    """The sentence that the node ended with, and no other, with exit code 1."""
    ended = command("run", *bench.words)
    assert ended.code == 1, ended.err
    said = [line for line in ended.err.splitlines() if not line.startswith("The node is ")]
    assert len(said) == 1, ended.err
    return said[0]


def test_a_tpm_that_fails_at_a_checkpoint_ends_the_node_to_be_begun_again(bench: Bench, command: Command) -> None:
    """The last checkpoint, when all is closed, fails as well."""
    bench.at_first = lambda: bench.signer.silent.add("MainThread")
    assert failed(bench, command) == f"stopline: {SILENCE}"
    assert bench.signer.asked == ["MainThread"] * 2


@pytest.mark.slow
def test_a_tpm_that_fails_while_evidence_is_made_ends_the_node_to_be_begun_again(
    bench: Bench, command: Command, tmp_path: Path
) -> None:
    """The case stays open for the next start, and closing the keeper says nothing that hides the failure."""
    bench.signer.silent.add("evidence")
    bench.at_first = lambda: bench.keepers[0].take(document, CROSSED_NS, CONFIRMED_NS)
    said = failed(bench, command)
    assert said.startswith(f"stopline: the evidence thread failed (TpmError: {SILENCE}"), said
    assert bench.signer.asked == ["evidence"]
    with Outbox(tmp_path / "state" / "outbox.sqlite") as outbox:
        assert len(outbox.open_cases()) == 1


@pytest.mark.slow
def test_a_tpm_that_fails_when_an_open_case_is_completed_at_the_start_does_so_too(
    bench: Bench, command: Command
) -> None:
    bench.signer.silent.add("evidence")
    bench.at_first = lambda: bench.keepers[0].take(document, CROSSED_NS, CONFIRMED_NS)
    failed(bench, command)
    bench.signer.silent.add("MainThread")
    assert failed(bench, command) == f"stopline: {SILENCE}"


def test_a_tpm_that_fails_in_the_self_test_does_not_leave_the_node_disarmed(bench: Bench, command: Command) -> None:
    """It would stay so until somebody starts it again, though the TPM answers a second later."""
    bench.signer.silent.add("MainThread")
    bench.at_first = bench.signer.silent.clear
    assert failed(bench, command) == f"stopline: {SILENCE}"


def test_a_tpm_that_is_late_ends_the_start_with_1(
    bench: Bench, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(_: Path) -> None:
        raise TpmError(SILENCE)

    monkeypatch.setattr(run_module, "load_signing_key", late)
    assert failed(bench, command) == f"stopline: {SILENCE}"


def test_a_key_file_that_is_none_still_waits_for_a_person(
    bench: Bench, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.undo()
    (tmp_path / "node.key").write_text("no key", encoding="ascii")
    ended = command("run", *bench.words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "holds no private key" in ended.err


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, 1), (errno.EACCES, 2)])
def test_a_site_file_that_the_disk_does_not_give_is_tried_again(
    number: int, code: int, bench: Bench, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path.name == "site.toml":
            raise OSError(number, "what the system says")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", failing)
    ended = command("run", *bench.words)
    assert (ended.code, ended.err.count("\n")) == (code, 1)
    assert "site.toml cannot be read (what the system says)" in ended.err


def test_a_brokers_certificate_that_is_none_waits_for_a_person(bench: Bench, command: Command, tmp_path: Path) -> None:
    """It is found before the node is at work: there a broker that refuses is no mistake in a file."""
    node = tmp_path / "node.toml"
    text = node.read_text(encoding="utf-8").replace("mqtt://", "mqtts://")
    node.write_text(text + 'ca = "ca.pem"\n', encoding="utf-8")
    (tmp_path / "ca.pem").write_text("no certificate", encoding="ascii")
    ended = command("run", *bench.words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "CA certificate" in ended.err
    assert not (tmp_path / "state").exists()


def test_an_outbox_that_fails_at_work_is_tried_again(bench: Bench, command: Command) -> None:
    def failing() -> None:
        raise OutboxError("the outbox cannot be written: look at the disk")

    bench.at_first = failing
    assert failed(bench, command) == "stopline: the outbox cannot be written: look at the disk"
