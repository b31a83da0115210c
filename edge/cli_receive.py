"""``stopline receive``: the part of the command line that is about the receiving end."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import Annotated

import typer

from edge.errors import ConfigError

receive_app = typer.Typer(help="Take events and their evidence from a broker into a store, with receipts.")

StoreOption = Annotated[
    str | None, typer.Option("--store", help="A folder (SQLite and files), or postgresql://USER@HOST/DATABASE.")
]


@receive_app.callback(invoke_without_command=True)
def receive(
    context: typer.Context,
    store: StoreOption = None,
    broker: Annotated[str | None, typer.Option("--broker", help="mqtt://HOST:PORT, or mqtts://HOST:PORT.")] = None,
    node: Annotated[Path | None, typer.Option("--node", help="A node file, for its broker and certificates.")] = None,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="The folder with ca.pem, nodes.pem and revocations.json.")
    ] = None,
    key: Annotated[
        list[Path] | None, typer.Option("--key", help="A trusted public key (PEM); may be given more than once.")
    ] = None,
    sign_with: Annotated[
        Path | None, typer.Option("--sign-with", help="The key for receipts; receiver.key in the folder if left out.")
    ] = None,
    group: Annotated[str, typer.Option("--group", help="Receivers of one group share what comes.")] = "stopline",
    name: Annotated[
        str | None, typer.Option("--name", help="This receiver in its group; the host's name if left out.")
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", min=1, max=36500, help="Erase what came longer ago.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="End after so many seconds.")] = None,
) -> None:
    """Take events and their evidence from a broker into a store, each checked, each answered with a signed receipt.

    It ends on SIGTERM or Ctrl-C.
    """
    if context.invoked_subcommand is not None:
        return
    from edge.commands.chain import broker_at
    from edge.commands.receive import ReceiveRequest
    from edge.commands.receive import receive as run
    from edge.config import load_node

    given = load_node(node).broker if node else None
    where = broker_at(broker, given) if broker else given
    if where is None:
        raise ConfigError("No broker to receive from: give --broker mqtt://HOST:PORT, or a node file that names one")
    request = ReceiveRequest(_given(store), where, trust, tuple(key or ()), sign_with, group, name, keep_days, seconds)
    counts = run(request, lambda words: print(words, file=sys.stderr, flush=True))
    print(
        f"{counts.events} events and {counts.bundles} bundles stored, {counts.repeated} repeated, "
        f"{counts.refused} refused, {counts.receipts} receipts"
    )


@receive_app.command("erase")
def receive_erase(
    event: Annotated[list[str], typer.Argument(help="The ids of the events to erase.")],
    store: StoreOption = None,
) -> None:
    """Erase events and their bundles for good; their leaf hashes stay, so that the ledger remains whole.

    Exit code 1 where one of them is not there.
    """
    from edge.commands.receive import erase

    erased = erase(_given(store), event)
    print(f"{erased} of {len(event)} events erased, with their evidence")
    if erased < len(event):
        raise typer.Exit(1)


@receive_app.command("export")
def receive_export(
    node: Annotated[str, typer.Argument(help="Whose: SITE/NODE.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder.")],
    store: StoreOption = None,
) -> None:
    """Write what is kept of one node as 'stopline ledger audit' reads it: events, checkpoints, leaf hashes."""
    from edge.commands.receive import export

    copy = export(_given(store), node, out)
    erased = sum(leaf[2] for leaf in copy.leaves)
    print(f"{out} holds {len(copy.events)} events and {len(copy.checkpoints)} checkpoints of {node}, {erased} erased")


@receive_app.command("refused")
def receive_refused(
    store: StoreOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """List what was refused, the latest first, each with its reason."""
    from edge.commands.receive import refused

    rows = refused(_given(store), limit)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        times = f" ({row['times']} times)" if row["times"] != 1 else ""
        print(f"{row['received']}  {row['why']}  {row['topic']}: {row['reason']}{times}")


def _given(store: str | None) -> str:
    if store is None:
        raise ConfigError("Where to store is not said: give --store with a folder or postgresql://USER@HOST/DATABASE")
    return store
