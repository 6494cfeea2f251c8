"""Commands that make clusters out of a file, and a file out of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption
from auroractl.cli.render import changes
from auroractl.cli.session import Output, Session, leave, say, session, write
from auroractl.core.errors import AuroraError, ExitCode, UsageError
from auroractl.core.sizes import parse_size_bytes

if TYPE_CHECKING:
    from auroractl.core.declarations.plan import Plan
    from auroractl.core.declarations.views import Facts


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("apply", epilog="Example: auroractl apply -f cluster.toml --dry-run")(apply)
    app.command("export", epilog="Example: auroractl export demo > cluster.toml")(export)


def apply(
    context: typer.Context,
    file: Annotated[str, typer.Option("--file", "-f", metavar="FILE", help="The TOML file; - reads stdin.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the plan, as JSON; exit code 1 where something differs.")
    ] = False,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Create or change clusters to match a file; what the file does not say stays as it is."""
    from auroractl.config.declaration_file import read_file  # noqa: PLC0415  (only here: the client starts quickly)
    from auroractl.core.declarations.plan import plan_apply  # noqa: PLC0415

    this = session(context)
    declared = read_file(file)
    with declared.telling_lines():
        plan = plan_apply(declared.declarations, _facts(this))
    document = plan.to_json()
    if plan.changes and not this.quiet:
        say(changes.difference(document))
    if dry_run:
        this.show_json({"Plan": {"Operation": "apply", **document}})
        leave(ExitCode.FAILED if plan.changes else ExitCode.OK)
    _carry_out(this, plan)
    this.show(document, changes.applied, changes.rows)


def export(
    context: typer.Context,
    name: ClusterArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="All clusters.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Write a cluster as a file for apply, to stdout; --output json writes the same as JSON."""
    from auroractl.core.declarations.toml import write_toml  # noqa: PLC0415  (only here)
    from auroractl.core.declarations.views import declared, file_document  # noqa: PLC0415

    this = session(context)
    if everything and (name or cluster):
        raise UsageError("Say either a cluster or --all.", "auroractl export --all")
    facts = _facts(this)
    names = [view["DBClusterIdentifier"] for view in facts.clusters]
    if not everything:
        asked = this.ask("describe-status", {"DBClusterIdentifier": this.cluster(name, cluster)})
        names = [asked["DBCluster"]["DBClusterIdentifier"]]
    found = [declared(facts, each) for each in names]
    document = file_document([each for each in found if each is not None])
    if this.output is Output.JSON:
        this.show_json(document)
    else:
        write(write_toml(document).rstrip("\n"))


def _facts(this: Session) -> Facts:
    from auroractl.core.declarations.views import Facts  # noqa: PLC0415  (only here)

    everything = {"DBClusterIdentifier": None}
    return Facts(
        clusters=this.ask("describe-clusters", everything)["DBClusters"],
        instances=this.ask("describe-instances", {**everything, "DBInstanceIdentifier": None})["DBInstances"],
        endpoints=this.ask("describe-endpoints", everything)["DBClusterEndpoints"],
        volumes=this.ask("describe-volumes", everything)["StorageVolumes"],
        new_group_bytes=parse_size_bytes(this.settings.storage_group_size),
    )


def _carry_out(this: Session, plan: Plan) -> None:
    """One request after another; where one fails the rest is left, and a second apply goes on from there."""
    for done, step in enumerate(plan.steps):
        try:
            this.change(step.verb, step.request)
        except (AuroraError, typer.Exit):
            say(f"{done} of {len(plan.steps)} steps are done. What is left is done by the next apply.")
            raise
