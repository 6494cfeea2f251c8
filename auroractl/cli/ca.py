"""Commands about the certificate authority of a home."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.api import requests
from auroractl.cli.invocation import session
from auroractl.cli.render import sentences, text

app = typer.Typer(help="Show or replace the certificate authority of a home.", rich_markup_mode=None)


@app.command("show", epilog="Example: auroractl ca show --query CaBundle --output text")
def show(context: typer.Context) -> None:
    """Show the certificates that clients are to trust: file, fingerprint and lifetime; in JSON the PEM too."""
    request = requests.certificates.DescribeCa()
    session(context).show(
        session(context).ask(request.verb, request.to_json()), sentences.authorities, text.authorities
    )


@app.command("rotate", epilog="Example: auroractl ca rotate")
def rotate(
    context: typer.Context,
    discard_previous: Annotated[
        bool, typer.Option("--discard-previous", help="Clients stop trusting earlier ones, as after a theft.")
    ] = False,
) -> None:
    """Replace the certificate authority and all certificates; open connections stay.

    Earlier ones stay in the bundle, for clients that have read it already, unless --discard-previous is given.
    """
    request = requests.certificates.RotateCa(discard_previous=discard_previous)
    session(context).show(session(context).change(request), sentences.authorities, text.authorities)
