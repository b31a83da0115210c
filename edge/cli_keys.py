"""``stopline keys`` and ``stopline ca``: the part of the command line that is about keys."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

keys_app = typer.Typer(help="Make, certify and renew the node's signing key.", no_args_is_help=True)
ca_app = typer.Typer(help="Run a small certificate authority for nodes and brokers.", no_args_is_help=True)

KeyFile = Annotated[Path, typer.Argument(help="The node's private key.")]
InTpm = Annotated[bool, typer.Option("--tpm", help="Make it inside the TPM 2.0, which it never leaves.")]
Folder = Annotated[Path, typer.Argument(help="The authority's folder.")]
Node = Annotated[str, typer.Option("--node", help="Whose key it is: SITE/NODE.")]
PublishDays = Annotated[int, typer.Option("--days", min=1, max=366, help="How long these may be used.")]
_TEN_YEARS = 3650


class UseWord(StrEnum):
    """The uses of a node's key: edge.keys has the same words, but only a command may take the time to import it."""

    EVENTS = "events"
    TLS = "tls"


class ReasonWord(StrEnum):
    """Why a key ends, likewise."""

    STOLEN = "stolen"
    COMPROMISED = "compromised"
    SUPERSEDED = "superseded"
    RETIRED = "retired"


@keys_app.command("new")
def keys_new(
    file: Annotated[Path, typer.Argument(help="Where the private key goes (PEM, mode 0600).")],
    force: Annotated[bool, typer.Option("--force", help="Replace a key that is there, for good.")] = False,
    tpm: InTpm = False,
) -> None:
    """Make a signing key; its public part is written beside it as .pub.pem."""
    from edge.keys.enrolment import new_key

    key = new_key(file, in_tpm=tpm, force=force)
    what = "the key, wrapped by this machine's TPM" if tpm else "the private key"
    print(f"{file} holds {what}, {file.with_suffix('.pub.pem')} the public one; its id is {key.kid}")


@keys_app.command("show")
def keys_show(
    file: Annotated[Path, typer.Argument(help="A private key.")],
) -> None:
    """Print the public part of a signing key, which readers need to check events."""
    from edge.commands.keys import describe

    key, certificates = describe(file)
    print(key.public.pem.decode(), end="")
    print(f"key id {key.kid}", file=sys.stderr)
    for one in certificates:
        uses = " and ".join(one["uses"])
        print(f"certified for {one['for']} ({uses}) until {one['valid_until']} by {one['signed_by']}", file=sys.stderr)


@keys_app.command("request")
def keys_request(
    file: KeyFile,
    node: Annotated[str | None, typer.Option("--node", help="Whose key it is: SITE/NODE.")] = None,
    host: Annotated[list[str] | None, typer.Option("--host", help="For a broker: the name it is reached by.")] = None,
    use: Annotated[list[UseWord] | None, typer.Option("--use", help="What for; events and tls if left out.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The request's file; KEY.csr if left out.")] = None,
) -> None:
    """Write a certificate request, to be signed by 'stopline ca sign' or any other authority."""
    from edge.commands.keys import request
    from edge.keys.certificates import Use

    path = request(file, node, host or [], [Use(name) for name in use or []], out)
    print(f"{path} is the request: have it signed, then give the certificate to 'stopline keys enroll'")


@keys_app.command("enroll")
def keys_enroll(
    file: KeyFile,
    certificate: Annotated[Path, typer.Argument(help="The signed certificate, any intermediate ones after it.")],
    ca: Annotated[Path, typer.Option("--ca", help="The certificate of the authority that signed it.")],
) -> None:
    """Check a signed certificate and put it in place behind its key, whole or not at all."""
    from edge.commands.keys import enroll
    from edge.keys.instants import write_instant

    enrolled = enroll(file, certificate, ca)
    until = write_instant(enrolled.not_after)
    print(f"{file} holds the key {enrolled.public.kid} with its certificate for {enrolled.claim}, valid until {until}")


@keys_app.command("rotate")
def keys_rotate(
    file: KeyFile,
    node: Node,
    overlap: Annotated[int, typer.Option("--overlap", min=1, max=366, help="Days that both keys count.")] = 30,
    tpm: InTpm = False,
) -> None:
    """Make the next key, vouched for by the present one, which stays in use until the new certificate is enrolled."""
    from edge.commands.keys import rotate

    rotation, request = rotate(file, node, overlap, in_tpm=tpm)
    print(
        f"{rotation.file} holds the next key {rotation.key.kid}; {request} is its request and {rotation.statement} the"
    )
    print("old key's statement: give both to 'stopline ca sign', then enroll the certificate")


@ca_app.command("new")
def ca_new(
    folder: Folder,
    name: Annotated[str, typer.Option("--name", help="What the authority is called.")] = "Stopline fleet",
    days: Annotated[int, typer.Option("--days", min=1, max=3 * _TEN_YEARS, help="How long it is valid.")] = _TEN_YEARS,
    tpm: InTpm = False,
) -> None:
    """Begin an authority in an empty folder; keep that folder off every node, broker and receiver."""
    from edge.commands.ca import new

    certificate, kid = new(folder, name, days, in_tpm=tpm)
    print(f"{certificate} is the certificate that brokers, nodes and receivers trust; its key's id is {kid}")


@ca_app.command("sign")
def ca_sign(
    folder: Folder,
    request: Annotated[Path, typer.Argument(help="The request of 'stopline keys request'.")],
    expected: Annotated[str, typer.Option("--for", help="Whose it must be: SITE/NODE, or a broker's host.")],
    days: Annotated[int, typer.Option("--days", min=1, max=_TEN_YEARS, help="How long it is valid.")] = 366,
    succession: Annotated[
        Path | None, typer.Option("--succession", help="The old key's statement, where one holds this name.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The certificate's file; REQUEST.crt if left out.")] = None,
) -> None:
    """Sign a node's or a broker's request."""
    from edge.commands.ca import sign
    from edge.keys.instants import write_instant

    certificate, path = sign(folder, request, expected, days, succession, out)
    uses = " and ".join(sorted(certificate.claim.uses))
    until = write_instant(certificate.not_after)
    print(f"{path} certifies the key {certificate.public.kid} for {certificate.claim} ({uses}) until {until}")


@ca_app.command("revoke")
def ca_revoke(
    folder: Folder,
    kid: Annotated[str, typer.Option("--kid", help="The key's id, as 'stopline ca list' shows it.")],
    reason: Annotated[ReasonWord, typer.Option("--reason", help="Why it ends.")],
    since: Annotated[str | None, typer.Option("--from", help="From when, RFC 3339; now if left out.")] = None,
) -> None:
    """End a key; then publish with 'stopline ca crl'."""
    from edge.commands.ca import revoke
    from edge.keys.instants import write_instant
    from edge.keys.revocation import Reason

    revocation = revoke(folder, kid, since, Reason(reason))
    print(
        f"The key {kid} ended at {write_instant(revocation.since)} ({revocation.reason}): publish 'stopline ca crl' now"
    )


@ca_app.command("crl")
def ca_crl(
    folder: Folder,
    days: PublishDays = 30,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder to write to; the authority's if left out.")
    ] = None,
) -> None:
    """Write the revocations anew: crl.pem for brokers, revocations.json and nodes.pem for receivers."""
    from edge.commands.ca import publish

    crl, revocations, nodes = publish(folder, days, out)
    print(f"{crl} is for the brokers, {revocations} and {nodes} for the receivers: renew them within {days} days")


@ca_app.command("list")
def ca_list(folder: Folder, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List every certificate that the authority has signed."""
    from edge.commands.ca import listed

    rows = listed(folder)
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table()
    for heading in ("key", "for", "uses", "valid until", "revoked"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    Console(highlight=False).print(table)
