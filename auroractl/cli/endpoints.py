"""Commands about custom endpoints."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.api import requests
from auroractl.cli import name_completion
from auroractl.cli.invocation import session
from auroractl.cli.render import lazy, text
from auroractl.core.endpoint_types import CustomEndpointType

EndpointArgument = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="The custom endpoint.", autocompletion=name_completion.endpoints)
]
StaticOption = Annotated[
    list[str] | None,
    typer.Option(
        "--static-members",
        metavar="INSTANCE",
        help="Connect only to this instance; repeatable.",
        autocompletion=name_completion.instances,
    ),
]
ExcludedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--excluded-members",
        metavar="INSTANCE",
        help="Never connect to this instance; repeatable.",
        autocompletion=name_completion.instances,
    ),
]


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
        CustomEndpointType, typer.Option(case_sensitive=False, help="READER excludes the writer; ANY includes it.")
    ] = CustomEndpointType.READER,
    static_members: StaticOption = None,
    excluded_members: ExcludedOption = None,
) -> None:
    """Create a custom endpoint for chosen instances, or for all of a type."""
    this = session(context)
    request = requests.endpoints.CreateEndpoint(
        cluster=this.cluster(),
        endpoint=endpoint,
        endpoint_type=endpoint_type,
        static_members=tuple(static_members or ()),
        excluded_members=tuple(excluded_members or ()),
    )
    this.show(this.change(request), lazy("endpoints"), text.endpoints)


def modify_endpoint(
    context: typer.Context,
    endpoint: EndpointArgument,
    endpoint_type: Annotated[
        CustomEndpointType | None, typer.Option(case_sensitive=False, help="READER or ANY.")
    ] = None,
    static_members: StaticOption = None,
    excluded_members: ExcludedOption = None,
) -> None:
    """Change the instances of a custom endpoint; open connections are unaffected."""
    request = requests.endpoints.ModifyEndpoint(
        endpoint=endpoint,
        endpoint_type=endpoint_type,
        static_members=None if static_members is None else tuple(static_members),
        excluded_members=None if excluded_members is None else tuple(excluded_members),
    )
    session(context).show(session(context).change(request), lazy("endpoints"), text.endpoints)


def delete_endpoint(
    context: typer.Context,
    endpoint: EndpointArgument,
) -> None:
    """Delete a custom endpoint."""
    document = session(context).change(requests.endpoints.DeleteEndpoint(endpoint=endpoint))
    session(context).show(document, lazy("endpoints"), text.endpoints)
