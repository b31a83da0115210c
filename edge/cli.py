"""The ``stopline`` command: reads the command line, calls what does the work, prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge import __version__
from edge.cli_doctor import doctor
from edge.cli_keys import ca_app, keys_app
from edge.cli_ledger import ledger_app
from edge.cli_propose import propose
from edge.cli_receive import receive_app
from edge.cli_ui import ui
from edge.errors import NodeError, StoplineError

if TYPE_CHECKING:
    from edge.commands.verify import Decisions, Recomputed, Verification

app = typer.Typer(
    help="Records red-light violations by vehicles so that anyone can check them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
outbox_app = typer.Typer(help="Look at the events that wait for the broker.", no_args_is_help=True)
model_app = typer.Typer(help="Look at, try out and fetch detectors.", no_args_is_help=True)
app.command()(doctor)
app.add_typer(keys_app, name="keys")
app.add_typer(ca_app, name="ca")
app.add_typer(ledger_app, name="ledger")
app.add_typer(receive_app, name="receive")
app.command("ui")(ui)
app.command("propose")(propose)
app.add_typer(model_app, name="model")
app.add_typer(outbox_app, name="outbox")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
SiteFile = Annotated[Path, typer.Option("--site", help="The site file: lines, lanes, signal groups.")]
ModelFile = Annotated[Path | None, typer.Option("--model", help="Another detector's TOML file than the embedded one.")]
NodeFile = Annotated[Path | None, typer.Option("--node", help="The node file: identity, key, broker.")]
BrokerUrl = Annotated[str | None, typer.Option("--broker", help="mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS.")]
PublicKeys = Annotated[
    list[Path] | None, typer.Option("--key", help="A trusted public key (PEM); may be given more than once.")
]
Identity = Annotated[
    Path | None, typer.Option("--identity", help="The age key that opens sealed evidence, as age-keygen makes it.")
]


def main() -> None:
    """Run the command line; what the user can mend ends in one sentence and exit code 2, a node that failed in 1."""
    try:
        app()
    except StoplineError as error:
        print(f"stopline: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, NodeError) else 2)
    except KeyboardInterrupt:
        print("stopline: stopped", file=sys.stderr)
        sys.exit(130)


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2))


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"stopline {__version__}")
        raise typer.Exit


@app.command()
def replay(
    video: Annotated[str, typer.Argument(help="The recording.")],
    site: SiteFile,
    signal: Annotated[
        Path,
        typer.Option(
            "--signal", help="The lamps' timeline, CSV t_s,group,red,amber,green; or 'view': read in the picture."
        ),
    ],
    model: ModelFile = None,
    out: Annotated[Path, typer.Option("--out", help="The folder for passages.csv and events.jsonl.")] = Path(
        "stopline-out"
    ),
    broker: BrokerUrl = None,
    node: NodeFile = None,
    start: Annotated[str | None, typer.Option("--start", help="UTC of the recording's time 0, RFC 3339.")] = None,
    via_gpio: Annotated[bool, typer.Option("--via-gpio", help="Play the lamps through mock GPIO pins.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of the detector.")] = 1,
    keep_tracks: Annotated[
        bool, typer.Option("--keep-tracks", help="Also keep what every passage was judged by, to judge it again.")
    ] = False,
    no_evidence: Annotated[bool, typer.Option("--no-evidence", help="Make no evidence bundles.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge a recorded junction: decode, detect, track, judge, sign, deliver."""
    from edge.commands.replay import ReplayRequest
    from edge.commands.replay import replay as run_replay

    request = ReplayRequest(
        video, site, signal, out, model, node, broker, start, via_gpio, threads, keep_tracks, not no_evidence
    )
    report = run_replay(request, Console(stderr=True))
    verdicts = {verdict.value: number for verdict, number in sorted(report.verdicts.items())}
    if as_json:
        _print_json(
            {
                "frames": report.frames,
                "verdicts": verdicts,
                "waiting": report.waiting,
                "problem": report.problem,
                "notes": list(report.notes),
            }
        )
        return
    console = Console(highlight=False)
    console.print(f"{sum(verdicts.values())} passages in {report.frames} frames")
    table = Table("verdict", "passages")
    for verdict, number in verdicts.items():
        table.add_row(verdict, str(number), style="bold red" if verdict == "violation" else "")
    if verdicts:
        console.print(table)
    for note in report.notes:
        console.print(f"The recording had {note}.")
    console.print(f"Results in {out}/passages.csv and {out}/events.jsonl.", soft_wrap=True)
    if report.waiting:
        what = f"{report.waiting} messages, events and evidence, wait"
        console.print(f"{what} in {out}/outbox.sqlite: {report.problem}.", soft_wrap=True)


@app.command()
def run(
    source: Annotated[str, typer.Argument(help="The camera: picamera, rtsp://…, /dev/video0, udp://…")],
    site: SiteFile,
    node: Annotated[Path, typer.Option("--node", help="The node file: identity, key, broker.")],
    model: ModelFile = None,
    signal: Annotated[
        Path | None,
        typer.Option(
            "--signal", help="Instead of the pins: a timeline, from the first frame on; or 'view', the picture."
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of the detector.")] = 1,
) -> None:
    """Watch a junction live, until SIGTERM or Ctrl-C; exit code 1 where it failed and may be started again.

    2 where a file or the command line holds a mistake, which no restart mends.
    """
    from edge.commands.run import RunRequest
    from edge.commands.run import run as run_node

    report = run_node(RunRequest(source, site, node, model, signal, threads))
    passages = ", ".join(f"{number} {verdict}" for verdict, number in sorted(report.verdicts.items())) or "none"
    print(f"{report.frames} frames judged, {report.dropped} dropped; passages: {passages}")


@app.command()
def commission(
    source: Annotated[str, typer.Argument(help="The camera as 'run' is given it, or a recording of it.")],
    site: SiteFile,
    node: Annotated[Path, typer.Option("--node", help="The node file: identity, key, broker.")],
    by: Annotated[str, typer.Option("--by", help="Who answers for it: a name, written into the record.")],
    model: ModelFile = None,
    key: Annotated[Path | None, typer.Option("--key", help="An installer's private key that signs as well.")] = None,
    seconds: Annotated[float, typer.Option("--for", min=5, max=600, help="How long the view is looked at.")] = 60.0,
) -> None:
    """Try the node, take its reference view and sign what it is: only then does 'run' record violations."""
    from edge.commands.commission import CommissionRequest
    from edge.commands.commission import commission as run_commission

    report = run_commission(CommissionRequest(source, site, node, model, by, key, seconds), print)
    fitness = report.record.fitness
    print(f"Reference view: {report.patches} places that tell it, from {report.pictures} pictures.")
    print(f"Software {fitness.software}, model {fitness.model_sha256[:12]}, site file {fitness.site_sha256[:12]}.")
    print(f"Commissioned by {report.record.by} at {report.record.at}.")


@app.command()
def inspect(
    broker: Annotated[str | None, typer.Option("--broker", help="mqtt://HOST:PORT, or mqtts://HOST:PORT.")] = None,
    node: Annotated[Path | None, typer.Option("--node", help="A node file, for its broker and certificates.")] = None,
    key: PublicKeys = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="End after so many seconds.")] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many events.")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="A folder to keep every verified event in, with its evidence.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Watch events arrive and check each: exit code 0 if every one is verified, 1 if one is not, 3 if none came.

    With --save also 1 where evidence of a verified event is missing or is not what the event names.
    """
    from edge.commands.chain import broker_at
    from edge.commands.inspect import collect, shown_on
    from edge.commands.inspect import inspect as watch_events
    from edge.config import load_node
    from edge.errors import ConfigError

    given = load_node(node).broker if node else None
    if broker is None and given is None:
        raise ConfigError("No broker to listen to: give --broker mqtt://HOST:PORT, or a node file that names one")
    where = broker_at(broker, given) if broker else given
    assert where is not None
    notices = Console(stderr=True)
    with shown_on(Console(highlight=False), as_json=as_json) as show:
        short = 0
        if save is None:
            tally = watch_events(where, key or [], show, notices, seconds=seconds, count=count)
        else:
            tally, short = collect(where, key or [], save, show, notices, seconds=seconds, count=count)
    notices.print(
        f"{tally.verified} verified, {tally.key_not_trusted} by a key that is not trusted, {tally.invalid} invalid, "
        f"{tally.repeated} repeated",
        highlight=False,
        soft_wrap=True,
    )
    if short:
        notices.print(f"{short} came without all of their evidence")
    if tally.key_not_trusted or tally.invalid or short:
        raise typer.Exit(1)
    if not tally.verified:
        raise typer.Exit(3)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="A file of signed events, one a line.")] = None,
    key: PublicKeys = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="The evidence: a bundle, or a folder of them; else evidence/ beside."),
    ] = None,
    identity: Identity = None,
    tracks: Annotated[
        Path | None, typer.Option("--tracks", help="A folder of 'replay --keep-tracks': judge its passages again.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option("--decisions", help="A file of reviewers' decisions; --key are the reviewers' then.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check signed events and their evidence: exit code 0 if every one is intact and recomputed, 1 if not.

    With --decisions check what reviewers decided: every signature, and that no line was taken out, put in or changed.
    """
    from edge.commands.verify import verify_decisions, verify_file, verify_tracks

    if sum(one is not None for one in (file, tracks, decisions)) != 1:
        raise typer.BadParameter("give one of a file of signed events, --tracks and --decisions")
    if tracks is not None:
        _show_recomputed(verify_tracks(tracks), as_json=as_json)
        return
    if decisions is not None:
        _show_decisions(verify_decisions(decisions, key or []), as_json=as_json)
        return
    assert file is not None
    _show_verified(verify_file(file, key or [], bundle, identity), as_json=as_json)


def _show_verified(result: Verification, *, as_json: bool) -> None:
    """What came of checking every event of a file."""
    from edge.commands.verify import sentence

    if as_json:
        events = [
            {
                "line": checked.line,
                "id": checked.event_id,
                "intact": checked.report.intact,
                "outcome": checked.report.outcome.name.lower(),
                "words": sentence(checked.report),
                "findings": [
                    {"outcome": finding.outcome.name.lower(), "words": finding.words}
                    for finding in checked.report.findings
                ],
            }
            for checked in result.events
        ]
        _print_json({"intact": result.intact, "key_trusted": result.trusted, "events": events})
    else:
        console = Console(highlight=False, soft_wrap=True)
        for checked in result.events:
            mark = "[green]intact[/]" if checked.report.intact else "[bold red]FAILED[/]"
            console.print(f"{mark} line {checked.line} {checked.event_id}:", end=" ")
            console.print(sentence(checked.report), markup=False)
        intact = sum(checked.report.intact for checked in result.events)
        console.print(f"{intact} of {len(result.events)} events are intact.")
        if not result.trusted:
            console.print("The key lay beside the file: give one you trust with --key to know whose events they are.")
    if not result.intact:
        raise typer.Exit(1)


def _show_recomputed(result: Recomputed, *, as_json: bool) -> None:
    """What came of judging every passage of a replay again."""
    if as_json:
        _print_json({"passages": result.passages, "differing": list(result.differing)})
    else:
        for words in result.differing:
            print(words)
        differing = f"{len(result.differing)} figures differ" if result.differing else "every figure agrees"
        print(f"{result.passages} passages judged again from their raw data: {differing}.")
    if result.differing:
        raise typer.Exit(1)


def _show_decisions(result: Decisions, *, as_json: bool) -> None:
    """What came of checking a file of decisions."""
    if as_json:
        flaws = [{"line": flaw.line, "words": flaw.words} for flaw in result.flaws]
        _print_json({"holds": result.holds, "lines": result.lines, "last_sha256": result.last_sha256, "flaws": flaws})
    else:
        for flaw in result.flaws:
            print(f"FAILED line {flaw.line}: {flaw.words}.")
        print(f"{result.lines - len(result.flaws)} of {result.lines} decisions hold.")
        if result.holds:
            print(f"Last line: {result.last_sha256}. Lines taken off the end show by this alone: keep it elsewhere.")
    if not result.holds:
        raise typer.Exit(1)


@app.command()
def report(
    bundle: Annotated[Path, typer.Argument(help="The evidence bundle, sealed or open.")],
    event: Annotated[
        Path | None, typer.Option("--event", help="The file its signed event stands in; else events.jsonl nearby.")
    ] = None,
    key: PublicKeys = None,
    identity: Identity = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The page; <event id>.html here if left out.")] = None,
) -> None:
    """Write one page for people about a case: pictures, plot, figures and what a check of it found."""
    from edge.commands.report import ReportRequest, write_report

    written = write_report(ReportRequest(bundle, event, tuple(key or ()), identity, out))
    print(f"{written.page} is written. {written.sentence}")
    if not written.intact:
        raise typer.Exit(1)


@app.command()
def check(
    site: Annotated[Path, typer.Argument(help="The site file.")],
    as_json: AsJson = False,
) -> None:
    """Check a site file; the first mistake is named with its line."""
    from edge.commands.check import describe_site

    description = describe_site(site)
    if as_json:
        _print_json(description)
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{site} is good.")
    for name, value in description.items():
        console.print(f"  {name}: {value}", markup=False)


OutboxFile = Annotated[Path, typer.Argument(help="An outbox.sqlite of a node or a replay.")]


@outbox_app.command("list")
def outbox_list(file: OutboxFile, as_json: AsJson = False) -> None:
    """List what waits for the broker or a receipt, and what is kept on, the oldest first."""
    from edge.commands.queue import list_outbox

    counts, rows = list_outbox(file)
    if as_json:
        _print_json({**counts, "messages": rows})
        return
    console = Console(highlight=False)
    table = Table("id", "kind", "topic", "bytes", "state", "reason")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    if rows:
        console.print(table)
    console.print("{pending} wait, {refused} were refused, {delivered} have been delivered.".format_map(counts))
    if counts["sent"] or counts["kept"]:
        console.print("{sent} await a receipt, {kept} were delivered and are kept on.".format_map(counts))
    if counts["open_cases"]:
        console.print("{open_cases} violations wait for their evidence to be complete.".format_map(counts))


@outbox_app.command("retry")
def outbox_retry(file: OutboxFile) -> None:
    """Let what the broker refused wait to be sent again."""
    from edge.commands.queue import retry_refused

    print(f"{retry_refused(file)} messages wait to be sent again")


@model_app.command("list")
def model_list(as_json: AsJson = False) -> None:
    """List the embedded detector and the public ones that can be fetched."""
    from edge.commands.model import list_models

    rows = list_models()
    if as_json:
        _print_json(rows)
        return
    table = Table("name", "where", "head", "licence")
    for row in rows:
        table.add_row(*row.values())
    Console(highlight=False).print(table)


@model_app.command("pull")
def model_pull(
    name: Annotated[str, typer.Argument(help="A name that 'stopline model list' shows.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to put it in.")] = Path("models"),
) -> None:
    """Fetch a public model from its publisher's release; kept only with the pinned hash."""
    from edge.commands.model import pull

    print(f"{pull(name, out)} is ready: give it with --model")


@model_app.command("check")
def model_check(
    recording: Annotated[str, typer.Argument(help="A recording with vehicles, for example of sim_fixtures/.")],
    model: ModelFile = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of the detector.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Try a model on a recording: how fast it is here, and whether it finds anything; exit code 1 if not."""
    from dataclasses import asdict

    from edge.commands.model import try_out

    tried = try_out(model, recording, threads)
    if as_json:
        _print_json(asdict(tried))
    else:
        found = ", ".join(f"{number} {name}" for name, number in sorted(tried.found.items())) or "nothing"
        width, height = tried.input_px
        print(f"{tried.name} on {tried.frames} frames at {width} x {height}: found {found}")
        print(f"{tried.infer_ms:.1f} ms a picture in the network, {tried.total_ms:.1f} ms in all (medians)")
    if not tried.found:
        raise typer.Exit(1)
