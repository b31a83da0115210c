"""``stopline ui``: the local web page on the command line."""

from __future__ import annotations

import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.ui.cases import Cases


def ui(
    folder: Annotated[Path | None, typer.Argument(help="What a replay wrote: the folder given to it as --out.")] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="A receiver's store: a folder, or postgresql://USER@HOST/DATABASE.")
    ] = None,
    key: Annotated[
        list[Path] | None, typer.Option("--key", help="A node's public key (PEM); may be given more than once.")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", help="The age key that opens sealed evidence, in memory only.")
    ] = None,
    sign_with: Annotated[
        Path | None, typer.Option("--sign-with", help="The reviewer's key; without it cases can only be looked at.")
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option("--decisions", help="The file of decisions; decisions.jsonl in the folder if left out."),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Look at cases in a browser and decide on them: a page on 127.0.0.1, until Ctrl-C.

    The address that is printed can be opened once; the browser that did so is let in from then on.
    """
    try:
        from edge.ui.review import Desk
        from edge.ui.server import serve
    except ModuleNotFoundError as error:
        raise ConfigError(f"The page needs {error.name}, too: pip install 'stopline[ui]'") from None
    from edge.commands.verify import evidence_at, trusted_keys
    from edge.keys import load_signing_key
    from edge.ui.decisions import Journal

    with ExitStack() as stack:
        cases, beside = _cases(folder, store, stack)
        file = decisions or (beside / "decisions.jsonl" if beside else None)
        if file is None:
            raise ConfigError("Where decisions go is not said: name a file with --decisions")
        keys = trusted_keys(key or _key_in(beside))
        signer = load_signing_key(sign_with) if sign_with else None
        desk = Desk(cases, evidence_at(None, identity), keys, Journal(file), signer, keys_given=bool(key))
        serve(desk, port, lambda address: _tell(address, browser=browser))


def _cases(folder: Path | None, store: str | None, stack: ExitStack) -> tuple[Cases, Path | None]:
    """The cases, and the folder that they lie in where there is one."""
    from pathlib import Path

    from edge.ui.cases import ReplayCases

    if (folder is None) == (store is None):
        raise ConfigError("Say what to look at: the folder that a replay wrote, or a receiver's store with --store")
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


def _tell(address: str, *, browser: bool) -> None:
    print(address, flush=True)
    print("This address can be opened once. Ctrl-C ends the page.", file=sys.stderr, flush=True)
    if browser:
        webbrowser.open(address)
