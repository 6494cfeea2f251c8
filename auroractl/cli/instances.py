"""Commands about instances."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.cli import names
from auroractl.cli.options import ClusterArgument, ClusterOption, InstanceArgument, OutputOption
from auroractl.cli.render import lazy, text
from auroractl.cli.session import session


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("describe-instances", epilog="Example: auroractl describe-instances demo --output text")(
        describe_instances
    )
    app.command("modify-instance", epilog="Example: auroractl modify-instance demo-instance-2 --promotion-tier 0")(
        modify_instance
    )
    app.command("reboot-instance", epilog="Example: auroractl reboot-instance demo-instance-2")(reboot_instance)
    app.command("delete-instance", epilog="Example: auroractl delete-instance demo-instance-3")(delete_instance)


def describe_instances(
    context: typer.Context,
    name: ClusterArgument = None,
    instance: Annotated[
        str | None,
        typer.Option("--instance", "--db-instance-identifier", help="Only this one.", autocompletion=names.instances),
    ] = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show instances: all, those of a cluster, or one."""
    body = {"DBClusterIdentifier": name or cluster, "DBInstanceIdentifier": instance}
    document = session(context).ask("describe-instances", body)
    session(context).show(document, lazy("instances"), text.instances)


def modify_instance(
    context: typer.Context,
    instance: InstanceArgument,
    promotion_tier: Annotated[int, typer.Option(help="0 is promoted first, 15 last.")],
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Change an instance's promotion tier."""
    body = {"DBInstanceIdentifier": instance, "PromotionTier": promotion_tier}
    session(context).show(session(context).change("modify-instance", body), lazy("instances"), text.instances)


def reboot_instance(
    context: typer.Context,
    instance: InstanceArgument,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Stop an instance and start it again; its role stays."""
    document = session(context).change("reboot-instance", {"DBInstanceIdentifier": instance})
    session(context).show(document, lazy("instances"), text.instances)


def delete_instance(
    context: typer.Context,
    instance: InstanceArgument,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Delete an instance; for the writer a reader is promoted first."""
    document = session(context).change("delete-instance", {"DBInstanceIdentifier": instance})
    session(context).show(document, lazy("instances"), text.instances)
