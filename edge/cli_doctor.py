"""The ``stopline doctor`` command: one line a thing, and what to do where one does not work."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from edge.commands.doctor import DoctorRequest, Found

_MARKS = {"works": "[green]✔[/]", "fails": "[bold red]✘[/]", "not tried": "[yellow]?[/]", "looking": "[blue]…[/]"}

SiteFile = Annotated[Path, typer.Option("--site", help="The site file: lines, lanes, signal groups.")]
NodeFile = Annotated[Path, typer.Option("--node", help="The node file: identity, key, broker.")]
ModelFile = Annotated[Path | None, typer.Option("--model", help="Another detector's TOML file than the embedded one.")]


def doctor(
    site: SiteFile,
    node: NodeFile,
    source: Annotated[str | None, typer.Option("--source", help="The camera, as given to 'stopline run'.")] = None,
    model: ModelFile = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of the detector.")] = 1,
    watch: Annotated[
        bool, typer.Option("--watch", help="At last show the wired lamps as they change, until Ctrl-C.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Say what works and what to do about what does not: exit code 0 if all is well, 1 if something does not work."""
    from edge.commands.doctor import DoctorRequest

    request = DoctorRequest(site, node, source, model, threads)
    found = _looked_at(request, Console(stderr=as_json, highlight=False), shown=not as_json)
    fails = sum(one.state.value == "fails" for one in found)
    if as_json:
        lines = [{"what": one.what, "state": one.state.value, "words": one.words} for one in found]
        Console().out(json.dumps({"well": not fails, "found": lines}, indent=2), highlight=False)
    else:
        Console(highlight=False).print("All is well." if not fails else f"{fails} of {len(found)} do not work.")
    if watch:
        _watch(site)
    if fails:
        raise typer.Exit(1)


def _looked_at(request: DoctorRequest, console: Console, *, shown: bool) -> list[Found]:
    """Everything that was found; on a screen each line as soon as it is known, the lamps as they change."""
    from edge.commands.doctor import examine

    found: list[Found] = []
    if not console.is_terminal:
        found.extend(examine(request))
        if shown:
            console.print(_screen(found))
        return found
    with Live(console=console, transient=not shown, auto_refresh=False) as live:

        def show(*now: Found) -> None:
            live.update(_screen([*found, *now]), refresh=True)

        for one in examine(request, show):
            found.append(one)
            show()
    return found


def _watch(site: Path) -> None:
    """The wired lamps, for whoever works on them."""
    from edge.commands.lamps_now import lamps_on_wires
    from edge.config import load_site

    with suppress(KeyboardInterrupt), Live(console=Console(highlight=False), auto_refresh=False) as live:
        for shown in lamps_on_wires(load_site(site)):
            live.update(Text("\n".join(shown.groups)), refresh=True)


def _screen(found: list[Found]) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    for one in found:
        style = "bold red" if one.state.value == "fails" else ""
        table.add_row(_MARKS[one.state.value], f"[{style}]{one.what}[/]" if style else one.what, _plain(one.words))
    return table


def _plain(words: str) -> str:
    return words.replace("[", "\\[")
