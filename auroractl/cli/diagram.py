"""diagram: the current topology as a Mermaid diagram."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.cli.invocation import session
from auroractl.cli.options import ClusterArgument


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("diagram", epilog="Example: auroractl diagram demo --markdown > topology.md")(diagram)


def diagram(
    context: typer.Context,
    name: ClusterArgument = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a code block for a Markdown page.")] = False,
) -> None:
    """Draw a cluster's current topology in Mermaid.

    It shows endpoints and their instances, Availability Zones and storage nodes.
    """
    from auroractl.core.diagram import mermaid  # noqa: PLC0415
    from auroractl.core.text.visible import LAYOUT, visible  # noqa: PLC0415

    this = session(context)
    status = this.ask("describe-status", {"DBClusterIdentifier": this.cluster(name)})
    text = visible(mermaid(status), LAYOUT)
    view = {"DBClusterIdentifier": status["DBCluster"]["DBClusterIdentifier"], "Format": "mermaid", "Text": text}
    printed = f"```mermaid\n{text}\n```" if markdown else text
    this.show({"Diagram": view}, lambda _: printed, lambda _: [(printed,)])
