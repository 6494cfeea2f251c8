"""The command that lists PostgreSQL builds."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.api import requests
from auroractl.cli.invocation import session
from auroractl.cli.render import lazy, text


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    example = "Example: auroractl describe-db-engine-versions --engine-version 17"
    app.command("describe-db-engine-versions", epilog=example)(describe_db_engine_versions)


def describe_db_engine_versions(
    context: typer.Context,
    engine_version: Annotated[str | None, typer.Option(help="Show only this version, such as 17 or 17.10.")] = None,
    default_only: Annotated[bool, typer.Option("--default-only", help="Show only the default.")] = False,
) -> None:
    """List the PostgreSQL builds on this machine, with what each was compiled with and its extensions."""
    request = requests.clusters.DescribeDbEngineVersions(engine_version=engine_version, default_only=default_only)
    session(context).show(
        session(context).ask(request.verb, request.to_json()), lazy("engine_versions"), text.engine_versions
    )
