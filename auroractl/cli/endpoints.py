"""Commands about custom endpoints."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from auroractl.cli import names
from auroractl.cli.options import ClusterOption, OutputOption
from auroractl.cli.render import lazy, text
from auroractl.cli.session import session

EndpointArgument = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="The custom endpoint.", autocompletion=names.endpoints)
]
StaticOption = Annotated[
    list[str] | None,
    typer.Option(
        "--static-members", metavar="INSTANCE", help="Only to this one; repeatable.", autocompletion=names.instances
    ),
]
ExcludedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--excluded-members",
        metavar="INSTANCE",
        help="To all but this one; repeatable.",
        autocompletion=names.instances,
    ),
]


class EndpointTypeChoice(StrEnum):
    """What a custom endpoint may go to."""

    READER = "READER"
    ANY = "ANY"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    example = "Example: auroractl create-endpoint reports --cluster demo --static-members demo-instance-3"
    app.command("create-endpoint", epilog=example)(create_endpoint)
    app.command("modify-endpoint", epilog="Example: auroractl modify-endpoint reports --endpoint-type ANY")(
        modify_endpoint
    )
    app.command("delete-endpoint", epilog="Example: auroractl delete-endpoint reports")(delete_endpoint)


def create_endpoint(
    context: typer.Context,
    endpoint: EndpointArgument,
    endpoint_type: Annotated[
        EndpointTypeChoice, typer.Option(case_sensitive=False, help="READER: never to the writer; ANY: to it too.")
    ] = EndpointTypeChoice.READER,
    static_members: StaticOption = None,
    excluded_members: ExcludedOption = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Make an endpoint that goes to instances of your choice, in turn; without a choice to all of its type."""
    this = session(context)
    body = {
        "DBClusterIdentifier": this.cluster(cluster, None),
        "DBClusterEndpointIdentifier": endpoint,
        "EndpointType": endpoint_type.value,
        "StaticMembers": static_members,
        "ExcludedMembers": excluded_members,
    }
    this.show(this.change("create-endpoint", body), lazy("endpoints"), text.endpoints)


def modify_endpoint(
    context: typer.Context,
    endpoint: EndpointArgument,
    endpoint_type: Annotated[
        EndpointTypeChoice | None, typer.Option(case_sensitive=False, help="READER or ANY.")
    ] = None,
    static_members: StaticOption = None,
    excluded_members: ExcludedOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Change what a custom endpoint goes to; open connections stay where they are."""
    body = {
        "DBClusterEndpointIdentifier": endpoint,
        "EndpointType": endpoint_type.value if endpoint_type else None,
        "StaticMembers": static_members,
        "ExcludedMembers": excluded_members,
    }
    session(context).show(session(context).change("modify-endpoint", body), lazy("endpoints"), text.endpoints)


def delete_endpoint(
    context: typer.Context,
    endpoint: EndpointArgument,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Delete a custom endpoint."""
    document = session(context).change("delete-endpoint", {"DBClusterEndpointIdentifier": endpoint})
    session(context).show(document, lazy("endpoints"), text.endpoints)
