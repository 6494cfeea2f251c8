"""diagram: the live topology as a picture for documents."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption
from auroractl.cli.session import session


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("diagram", epilog="Example: auroractl diagram demo --markdown > topology.md")(diagram)


def diagram(
    context: typer.Context,
    name: ClusterArgument = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a code block for a Markdown page.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Draw a cluster as it is now, in Mermaid.

    Clients, endpoints and where they lead, instances by Availability Zone, storage nodes.
    """
    from auroractl.core.diagram import mermaid  # noqa: PLC0415

    this = session(context)
    status = this.ask("describe-status", {"DBClusterIdentifier": this.cluster(name, cluster)})
    text = mermaid(status)
    view = {"DBClusterIdentifier": status["DBCluster"]["DBClusterIdentifier"], "Format": "mermaid", "Text": text}
    printed = f"```mermaid\n{text}\n```" if markdown else text
    this.show({"Diagram": view}, lambda _: printed, lambda _: [(printed,)])
