"""``stopline ledger``: audits, proofs and the witness on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.commands.ledger import AuditReport

ledger_app = typer.Typer(help="Check that no event of a node was dropped, inserted or rewritten.", no_args_is_help=True)

_MOST_SHOWN = 200

Keys = Annotated[list[Path] | None, typer.Option("--key", help="The node's public key (PEM); may be given again.")]
Witnesses = Annotated[
    list[str] | None, typer.Option("--witness", help="The public key of a witness whose word is needed (one line).")
]
Source = Annotated[Path, typer.Argument(help="An outbox.sqlite, a list of leaf hashes, or a complete copy of events.")]
CheckpointFile = Annotated[Path, typer.Option("--checkpoint", help="A checkpoint of the node's ledger.")]
Out = Annotated[Path, typer.Option("--out", help="The file to write.")]


@ledger_app.command("audit")
def ledger_audit(
    copy: Annotated[Path, typer.Argument(help="A file of events, one a line, or a folder with events.jsonl.")],
    key: Keys = None,
    trust: Annotated[
        Path | None, typer.Option("--trust", help="The authority's folder: ca.pem, nodes.pem, revocations.json.")
    ] = None,
    succession: Annotated[
        list[Path] | None, typer.Option("--succession", help="A node's statement of its new key; may be given again.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option("--checkpoint", help="A file of checkpoints; may be given more than once.")
    ] = None,
    leaves: Annotated[Path | None, typer.Option("--leaves", help="The ledger's leaf hashes.")] = None,
    witness: Witnesses = None,
    origin: Annotated[str | None, typer.Option("--origin", help="SITE/NODE, where the copy does not tell.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """Compare a copy with what its node signed: exit code 0 if nothing is wrong with it, 1 if something is."""
    from edge.commands.ledger import audit_copy

    report = audit_copy(
        copy,
        key or [],
        trust_folder=trust,
        succession_files=succession or [],
        checkpoint_files=checkpoint or [],
        leaves_file=leaves,
        witnesses=witness or [],
        origin=origin,
    )
    print(json.dumps(_document(report), indent=2) if as_json else "\n".join(_lines(report)))
    if not report.sound:
        raise typer.Exit(1)


@ledger_app.command("prove")
def ledger_prove(
    source: Source,
    checkpoint: CheckpointFile,
    out: Out,
    key: Keys = None,
    event: Annotated[
        str | None, typer.Option("--event", help="Prove that this event is in the ledger: its index from 0, or its id.")
    ] = None,
    since: Annotated[
        int | None, typer.Option("--since", min=0, help="Prove that the ledger only grew since it had so many events.")
    ] = None,
) -> None:
    """Write a proof that anyone can check; one made with --since is a request to a witness as well."""
    from edge.commands.ledger import prove_event, prove_growth

    if (event is None) == (since is None):
        raise ConfigError("Say what to prove: either --event with an event's index or id, or --since with a size")
    if event is not None:
        content = prove_event(source, checkpoint, key or [], event)
    else:
        assert since is not None
        content = prove_growth(source, checkpoint, key or [], since)
    _write(out, content)


@ledger_app.command("check")
def ledger_check(
    proof: Annotated[Path, typer.Argument(help="A proof that 'stopline ledger prove' or another program wrote.")],
    key: Keys = None,
    event: Annotated[Path | None, typer.Option("--event", help="The event's bytes as they came.")] = None,
    old: Annotated[Path | None, typer.Option("--old", help="The older checkpoint.")] = None,
    witness: Witnesses = None,
) -> None:
    """Check a proof: exit code 0 if it holds, 1 if not."""
    from edge.commands.ledger import check_proof

    checked = check_proof(proof, key or [], event_file=event, old_file=old, witnesses=witness or [])
    print(f"{'PROVEN' if checked.holds else 'NOT PROVEN'}: {checked.words}")
    if not checked.holds:
        raise typer.Exit(1)


@ledger_app.command("witness")
def ledger_witness(
    request: Annotated[Path, typer.Argument(help="What 'prove --since' wrote; a bare checkpoint for the first time.")],
    sign_with: Annotated[Path, typer.Option("--sign-with", help="The witness's own key, of 'stopline ledger key'.")],
    seen: Annotated[Path, typer.Option("--seen", help="The folder that keeps the last checkpoint of each ledger.")],
    out: Out,
    key: Keys = None,
) -> None:
    """Countersign a checkpoint that grew from the last one seen; exit code 1 if it is refused."""
    from edge.commands.ledger import countersign

    found = countersign(request, key or [], sign_with, seen)
    if found.countersigned is None:
        kept = f"; {found.fork_file} proves it" if found.fork_file else ""
        print(f"REFUSED: {found.words}{kept}")
        raise typer.Exit(1)
    _write(out, found.countersigned)
    print(found.words)


@ledger_app.command("key")
def ledger_key(
    file: Annotated[Path, typer.Argument(help="Where the witness's private key goes (mode 0600).")],
    name: Annotated[str, typer.Option("--name", help="The witness's name, for example court.example/w1.")],
) -> None:
    """Make a witness's key and print its public line, to be given to all who check."""
    from edge.commands.ledger import create_witness_key

    print(create_witness_key(file, name).vkey)


@ledger_app.command("vkey")
def ledger_vkey(
    file: Annotated[Path, typer.Argument(help="A node's public key (PEM).")],
    origin: Annotated[str, typer.Option("--origin", help="Whose ledger: SITE/NODE.")],
) -> None:
    """Print a node's public key as other programs for C2SP checkpoints take it."""
    from edge.commands.ledger import node_vkeys

    print("\n".join(node_vkeys(file, origin)))


@ledger_app.command("leaves")
def ledger_leaves(source: Source) -> None:
    """Print the leaf hashes of a ledger, one a line: they tell nothing of the events."""
    from edge.commands.ledger import encoded_leaves

    sys.stdout.write(encoded_leaves(source).decode())


def _write(out: Path, content: bytes) -> None:
    try:
        out.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written ({error.strerror}): give a file this user may write") from None


def _lines(report: AuditReport) -> list[str]:
    """An audit in words, the faults first."""
    found = report.audit
    lines = [f"{one.fault.value.upper()}: {one.words}" for one in found.findings[:_MOST_SHOWN]]
    if len(found.findings) > _MOST_SHOWN:
        lines.append(f"... and {len(found.findings) - _MOST_SHOWN} more; --json prints all")
    lines += [
        f"NOT COUNTERSIGNED: no checkpoint bears the word of {name}"
        for name, size in report.countersigned.items()
        if size is None
    ]
    lines.append(f"{report.origin}: {len(found.confirmed)} of {found.size} events are as the node logged them.")
    if found.erased:
        lines.append(f"Erased, with their places kept: {_places(found.erased)}.")
    if found.uncovered:
        lines.append(f"Signed, but counted by no checkpoint yet: {_places(found.uncovered)}.")
    if found.unconfirmed:
        lines.append(
            f"Signed, but what is known of the ledger does not tell whether logged so: {_places(found.unconfirmed)}."
        )
    if report.undated:
        lines.append(
            f"Signed by a key that has ended since; nothing here tells whether before: {_places(report.undated)}."
        )
    if report.others:
        lines.append(f"{report.others} events of other nodes were left aside.")
    return lines


def _places(places: tuple[int, ...]) -> str:
    """Events as people count them, from 1, in ranges."""
    ranges: list[list[int]] = []
    for place in places:
        if ranges and ranges[-1][1] == place:
            ranges[-1][1] = place + 1
        else:
            ranges.append([place + 1, place + 1])
    word = "event" if len(places) == 1 else "events"
    return f"{word} " + ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in ranges)


def _document(report: AuditReport) -> dict[str, object]:
    found = report.audit
    return {
        "origin": report.origin,
        "sound": report.sound,
        "size": found.size,
        "confirmed": len(found.confirmed),
        "findings": [
            {"fault": one.fault.value, "index": one.index, "id": one.id, "line": one.line, "words": one.words}
            for one in found.findings
        ],
        "uncovered": list(found.uncovered),
        "unconfirmed": list(found.unconfirmed),
        "erased": list(found.erased),
        "countersigned": dict(report.countersigned),
        "undated": list(report.undated),
        "others": report.others,
    }
