"""``stopline ui``: the local web page on the command line."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge import config
    from edge.commissioning import Commissioned
    from edge.ui.bench import Bench
    from edge.ui.cases import Cases
    from edge.ui.server import Pages
    from edge.ui.taking import Taken, Taker
    from edge.ui.wires import Wires

DEFAULT_SITE = Path("site.toml")


@dataclass(frozen=True, slots=True)
class ReviewRequest:
    """What to look at, and by which keys; as on the command line."""

    what: str | None
    store: str | None
    key: list[Path] | None
    identity: Path | None
    sign_with: Path | None
    decisions: Path | None
    reviewer_key: list[Path] | None

    @property
    def folder(self) -> Path | None:
        """What a replay wrote."""
        return Path(self.what) if self.what else None


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """What to set up over and what to write; ``source`` is the node's own camera if None."""

    source: str | None
    site: Path
    signal: Path | None
    node: Path | None
    model: Path | None
    seconds: float

    @property
    def asked_source(self) -> str:
        """The recording or camera that was named, else the node's own camera."""
        return self.source or os.environ.get("STOPLINE_SOURCE", "picamera")

    @property
    def timeline(self) -> Path | None:
        """The file that lamps were recorded in."""
        return None if str(self.signal) == "view" else self.signal

    def next(self, site: config.Site) -> dict[str, str] | None:
        """The command that comes next by the saved site; None where there is none that could run."""
        from edge.ui.film import is_camera
        from edge.ui.saving import command

        lamps = self._lamps(site)
        words = [self.asked_source, "--site", self.site, *(("--model", self.model) if self.model else ())]
        if not is_camera(self.asked_source):
            return {"what": "replay", "command": command("replay", *words, "--signal", lamps or "view")}
        if self.node is None:
            return None
        signal = ("--signal", lamps) if lamps else ()
        return {"what": "run", "command": command("run", *words, "--node", self.node, *signal)}

    def _lamps(self, site: config.Site) -> Path | str | None:
        """What to name as ``--signal``: the file that was given, the picture where nothing is wired, else nothing."""
        if self.timeline is not None:
            return self.timeline
        used = {lane.signal_group for lane in site.lanes}
        return "view" if any(group.id in used and group.pins is None for group in site.signal_groups) else None


What = Annotated[
    str | None,
    typer.Argument(
        metavar="[FOLDER|VIDEO]",
        help="The folder that a replay wrote, to review it; or a recording or camera, to set a site up over it.",
    ),
]
Store = Annotated[
    str | None, typer.Option("--store", help="A receiver's store: a folder, or postgresql://USER@HOST/DATABASE.")
]
Key = Annotated[
    list[Path] | None, typer.Option("--key", help="A node's public key (PEM); may be given more than once.")
]
Identity = Annotated[
    Path | None, typer.Option("--identity", help="The age key that opens sealed evidence, in memory only.")
]
SignWith = Annotated[
    Path | None, typer.Option("--sign-with", help="The reviewer's key; without it cases can only be looked at.")
]
Decisions = Annotated[
    Path | None, typer.Option("--decisions", help="The file of decisions; decisions.jsonl in the folder if left out.")
]
ReviewerKey = Annotated[
    list[Path] | None,
    typer.Option("--reviewer-key", help="Another reviewer's public key (PEM); may be given more than once."),
]
Site = Annotated[Path, typer.Option("--site", help="The site file to set up; made where there is none.")]
Signal = Annotated[
    Path | None, typer.Option("--signal", help="Recorded lamps (CSV); else inputs or the picture tell of them.")
]
Node = Annotated[
    Path | None, typer.Option("--node", help="The node file: inputs are read, and saving commissions the node, too.")
]
Model = Annotated[Path | None, typer.Option("--model", help="Another detector's TOML file.")]
Seconds = Annotated[float, typer.Option("--for", min=5, max=600, help="How many seconds of a camera to set up over.")]
Port = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="0 takes a free one; 8600 if left out and free.")
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")]


def ui(
    what: What = None,
    store: Store = None,
    key: Key = None,
    identity: Identity = None,
    sign_with: SignWith = None,
    decisions: Decisions = None,
    reviewer_key: ReviewerKey = None,
    site: Site = DEFAULT_SITE,
    signal: Signal = None,
    node: Node = None,
    model: Model = None,
    seconds: Seconds = 60.0,
    port: Port = None,
    browser: Browser = True,
) -> None:
    """Set a site up, or look at cases and decide on them, in a browser: a page on 127.0.0.1, until Ctrl-C.

    The address that is printed can be opened once; the browser that did so is let in from then on.
    """
    try:
        from edge.ui.server import serve
    except ModuleNotFoundError as error:
        raise ConfigError(f"The page needs {error.name}, too: pip install 'stopline[ui]'") from None

    with ExitStack() as stack:
        if store is None and (node is not None or (what is not None and not Path(what).is_dir())):
            pages = _setting_up(SetupRequest(what, site, signal, node, model, seconds), stack)
        else:
            pages = _reviewing(ReviewRequest(what, store, key, identity, sign_with, decisions, reviewer_key), stack)
        serve(pages, port, lambda address: _tell(address, browser=browser))


def _reviewing(request: ReviewRequest, stack: ExitStack) -> Pages:
    from edge.commands.verify import evidence_at, trusted_keys
    from edge.keys import load_public_keys, load_signing_key, trust
    from edge.ui.journal import Journal
    from edge.ui.review import Desk, Review

    cases, beside = _cases(request.folder, request.store, stack)
    file = request.decisions or (beside / "decisions.jsonl" if beside else None)
    if file is None:
        raise ConfigError("Where decisions go is not said: name a file with --decisions")
    keys = trusted_keys(request.key or _key_in(beside))
    signer = load_signing_key(request.sign_with) if request.sign_with else None
    reviewers = {**load_public_keys(request.reviewer_key or []), **(trust(signer.public) if signer else {})}
    evidence = evidence_at(None, request.identity)
    desk = Desk(cases, evidence, keys, Journal(file, reviewers), signer, keys_given=bool(request.key))
    return lambda look: Review(desk, look).routes


def _setting_up(request: SetupRequest, stack: ExitStack) -> Pages:
    from edge.commands.chain import check_aspect, check_writable
    from edge.config import load_node, load_site
    from edge.detector import load_model
    from edge.embedded import embedded_model
    from edge.sources.timeline import read_timeline
    from edge.ui.bench import Bench
    from edge.ui.saving import Saving
    from edge.ui.setup import Setup

    file = request.site
    check_writable(file, "--site")
    known = load_site(file) if file.exists() else None
    written = file.read_bytes() if known else None
    model = load_model(request.model or embedded_model())
    timeline = read_timeline(request.timeline) if request.timeline else None
    node = load_node(request.node) if request.node else None
    taken, taker, wires = _taken(request, known, stack)
    if known is not None:
        check_aspect(known, taken.film.name, taken.film.size_px)
    bench = Bench(taken, model, timeline, written.decode() if written else None, taker, wires)
    stack.enter_context(bench)
    commission = _commissioning(request, bench, wires) if node else None
    saving = Saving(file, node.node.id if node else None, commission, written, request.next, bench.base_on)
    return lambda look: Setup(bench, saving, look).routes


def _taken(
    request: SetupRequest, known: config.Site | None, stack: ExitStack
) -> tuple[Taken, Taker | None, Wires | None]:
    """The film to set up over; of a camera with what takes another one, on a node with its inputs."""
    from edge.commands.chain import wiring
    from edge.ui.film import film_of, is_camera
    from edge.ui.taking import Taken, Taker
    from edge.ui.wires import Wires

    source = request.asked_source
    if not is_camera(source):
        return Taken(stack.enter_context(film_of(source, _say))), None, None
    wires = stack.enter_context(Wires()) if request.node and request.timeline is None else None
    taker = stack.enter_context(Taker(source, request.seconds, wires))
    if wires is not None and known is not None:
        wires.wire(wiring(known))
    _say(f"Recording {request.seconds:g} s of {source}.")
    return taker.first(known.camera if known else None), taker, wires


def _commissioning(
    request: SetupRequest, bench: Bench, wires: Wires | None
) -> Callable[[Path, str], Callable[[], Commissioned]]:
    """What tries the node by a site file, over the film that the page shows, and then commissions it."""
    from edge.commands.commission import CommissionRequest, tried

    def commissioned(site: Path, by: str) -> Callable[[], Commissioned]:
        assert request.node is not None
        film = bench.film
        asked = CommissionRequest(str(film.path), site, request.node, request.model, by, None, film.duration_s)
        with wires.released() if wires is not None else nullcontext():
            found = tried(asked, _say)
        return lambda: found.write().record

    return commissioned


def _cases(folder: Path | None, store: str | None, stack: ExitStack) -> tuple[Cases, Path | None]:
    """The cases, and the folder that they lie in where there is one."""
    from edge.ui.cases import ReplayCases

    if (folder is None) == (store is None):
        raise ConfigError(
            "Say what to look at: a recording or a camera, the folder that a replay wrote, or a store with --store"
        )
    if folder is not None:
        return ReplayCases(folder), folder
    from edge.commands.receive import opened

    assert store is not None
    if "://" not in store and not Path(store).is_dir():
        raise ConfigError(f"{store} does not exist: give the folder that 'stopline receive --store' writes")
    held = stack.enter_context(opened(store))
    from edge.ui.store_cases import StoreCases

    return StoreCases(held, store), None if "://" in store else Path(store)


def _key_in(beside: Path | None) -> list[Path]:
    """The key that lies beside the events, if any: it says nothing about whose they are, and the page shows that."""
    found = beside / "node.pub.pem" if beside else None
    if found is None or not found.exists():
        raise ConfigError("No key to check events with: give the node's public key with --key")
    return [found]


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _tell(address: str, *, browser: bool) -> None:
    print(address, flush=True)
    print("This address can be opened once. Ctrl-C ends the page.", file=sys.stderr, flush=True)
    if browser:
        webbrowser.open(address)
