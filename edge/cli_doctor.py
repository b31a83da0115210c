"""The ``stopline doctor`` command: one line a thing, and what to do where one does not work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from edge.commands.doctor import Found

_MARKS = {"works": "[green]✔[/]", "fails": "[bold red]✘[/]", "not tried": "[yellow]?[/]"}

SiteFile = Annotated[Path, typer.Option("--site", help="The site file: lines, lanes, signal groups.")]
NodeFile = Annotated[Path, typer.Option("--node", help="The node file: identity, key, broker.")]
ModelFile = Annotated[Path | None, typer.Option("--model", help="Another detector's TOML file than the embedded one.")]


def doctor(
    site: SiteFile,
    node: NodeFile,
    source: Annotated[str | None, typer.Option("--source", help="The camera, as given to 'stopline run'.")] = None,
    model: ModelFile = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of the detector.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Say what works and what to do about what does not: exit code 0 if all is well, 1 if something does not work."""
    from edge.commands.doctor import DoctorRequest, State, examine

    request = DoctorRequest(site, node, source, model, threads)
    notices = Console(stderr=True)
    found: list[Found] = []
    with notices.status("Looking …"):
        found.extend(examine(request))
    fails = sum(one.state is State.FAILS for one in found)
    console = Console(highlight=False)
    if as_json:
        lines = [{"what": one.what, "state": one.state.value, "words": one.words} for one in found]
        console.out(json.dumps({"well": not fails, "found": lines}, indent=2), highlight=False)
    else:
        console.print(_screen(found))
        console.print("All is well." if not fails else f"{fails} of {len(found)} do not work.")
    if fails:
        raise typer.Exit(1)


def _screen(found: list[Found]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    for one in found:
        style = "bold red" if one.state.value == "fails" else ""
        table.add_row(_MARKS[one.state.value], f"[{style}]{one.what}[/]" if style else one.what, _plain(one.words))
    return table


def _plain(words: str) -> str:
    return words.replace("[", "\\[")
