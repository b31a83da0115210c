"""The ``stopline propose`` command: a site file to begin with."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import Annotated

import typer
from rich.console import Console


def propose(
    video: Annotated[str, typer.Argument(help="A minute or more of the camera's video, with traffic and red light.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The new site file; standard output if left out.")
    ] = None,
    site: Annotated[
        str | None, typer.Option("--id", help="The site's id; made of the video's name if left out.")
    ] = None,
    group: Annotated[str, typer.Option("--group", help="What to call the signal group.")] = "signal-1",
    model: Annotated[
        Path | None, typer.Option("--model", help="Another detector's TOML file than the embedded one.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of the detector.")] = 1,
) -> None:
    """Propose a site file from a recording: lanes, stop line, lamps, each with what it rests on. Check it by eye."""
    from edge.commands.propose import ProposeRequest
    from edge.commands.propose import propose as run_propose

    proposed = run_propose(ProposeRequest(video, out, site, group, model, threads), Console(stderr=True))
    if out is None:
        sys.stdout.write(proposed.text)
        return
    console = Console(highlight=False, soft_wrap=True)
    lanes = len(proposed.approach.lanes)
    console.print(
        f"{out}: {lanes} lanes, stop line by {proposed.approach.ground}, {proposed.heads} signal heads in view."
    )
    console.print("Proposed, not checked: compare every value with a still of the camera.")
