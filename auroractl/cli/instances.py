"""Commands about instances."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.api import requests
from auroractl.cli import name_completion
from auroractl.cli.invocation import session
from auroractl.cli.options import ClusterArgument, InstanceArgument, InstanceGroupOption
from auroractl.cli.render import lazy, text


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("describe-instances", epilog="Example: auroractl describe-instances demo --output text")(
        describe_instances
    )
    app.command("create-instance", epilog="Example: auroractl create-instance demo --promotion-tier 0")(create_instance)
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
        typer.Option(
            "--instance",
            "--db-instance-identifier",
            help="Show only this one.",
            autocompletion=name_completion.instances,
        ),
    ] = None,
) -> None:
    """Describe instances: all, those of a cluster, or one."""
    body = {"DBClusterIdentifier": session(context).named(name), "DBInstanceIdentifier": instance}
    document = session(context).ask("describe-instances", body)
    session(context).show(document, lazy("instances"), text.instances)


def create_instance(
    context: typer.Context,
    name: ClusterArgument = None,
    instance: Annotated[
        str | None,
        typer.Option("--db-instance-identifier", "--instance", help="Its name.  [default: CLUSTER-instance-N]"),
    ] = None,
    promotion_tier: Annotated[int, typer.Option(help="From 0 (promoted first) to 15 (promoted last).")] = 1,
    availability_zone: Annotated[
        str | None, typer.Option(help="Such as us-east-1b.  [default: that with the fewest instances]")
    ] = None,
    parameter_group: InstanceGroupOption = None,
) -> None:
    """Create an instance: the writer of a cluster that has none, with the data of its volume, else a reader."""
    this = session(context)
    request = requests.instances.CreateInstance(
        cluster=this.cluster(name),
        instance=instance,
        promotion_tier=promotion_tier,
        availability_zone=availability_zone,
        parameter_group=parameter_group,
    )
    this.show(this.change(request), lazy("instances"), text.instances)


def modify_instance(
    context: typer.Context,
    instance: InstanceArgument,
    promotion_tier: Annotated[int | None, typer.Option(help="From 0 (promoted first) to 15 (promoted last).")] = None,
    parameter_group: InstanceGroupOption = None,
) -> None:
    """Change an instance's promotion tier or parameter group."""
    request = requests.instances.ModifyInstance(
        instance=instance, promotion_tier=promotion_tier, parameter_group=parameter_group
    )
    session(context).show(session(context).change(request), lazy("instances"), text.instances)


def reboot_instance(
    context: typer.Context,
    instance: InstanceArgument,
) -> None:
    """Stop an instance and start it again in the same role."""
    document = session(context).change(requests.instances.RebootInstance(instance=instance))
    session(context).show(document, lazy("instances"), text.instances)


def delete_instance(
    context: typer.Context,
    instance: InstanceArgument,
) -> None:
    """Delete an instance; for the writer a reader is promoted first, and the last leaves its data with the volume."""
    document = session(context).change(requests.instances.DeleteInstance(instance=instance))
    session(context).show(document, lazy("instances"), text.instances)
