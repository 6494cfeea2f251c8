"""apply and export: clusters from a file, and a file from clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.cli.invocation import Output, Session, leave, say, session, write
from auroractl.cli.options import ClusterArgument
from auroractl.cli.render import changes
from auroractl.core.errors import AuroraError, ExitCode, UsageError
from auroractl.core.text.sizes import parse_size_bytes
from auroractl.core.text.visible import visible_data

if TYPE_CHECKING:
    from auroractl.api.documents import View
    from auroractl.declarations.model import GroupKey
    from auroractl.declarations.steps import Plan
    from auroractl.declarations.views import ExistingGroup, Facts


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("apply", epilog="Example: auroractl apply -f cluster.toml --dry-run")(apply)
    app.command("export", epilog="Example: auroractl export demo > cluster.toml")(export)


def apply(
    context: typer.Context,
    file: Annotated[str, typer.Option("--file", "-f", metavar="FILE", help="The TOML file; - reads stdin.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the plan, as JSON; exit code 1 if there are differences.")
    ] = False,
) -> None:
    """Create or change clusters to match a file; settings that the file omits stay unchanged."""
    from auroractl.declarations.file import read_file  # noqa: PLC0415  (only here, to keep the start of commands quick)
    from auroractl.declarations.plan import plan_apply  # noqa: PLC0415

    this = session(context)
    read = read_file(file)
    facts = _facts(this, set(read.declared.groups))
    with read.telling_lines():
        plan = plan_apply(read.declared, facts)
    document = plan.to_json()
    if plan.changes and not this.quiet:
        say(changes.difference(visible_data(document)))
    if dry_run:
        this.show_json({"Plan": {"Operation": "apply", **document}})
        leave(ExitCode.FAILED if plan.changes else ExitCode.OK)
    _carry_out(this, plan)
    this.show(document, changes.applied, changes.rows)


def export(
    context: typer.Context,
    name: ClusterArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="All clusters.")] = False,
) -> None:
    """Write a cluster to stdout as a file for apply; --output json writes it as JSON."""
    from auroractl.declarations.toml import write_toml  # noqa: PLC0415  (only here)
    from auroractl.declarations.views import declared, declared_group, file_document, used_groups  # noqa: PLC0415

    this = session(context)
    if everything and this.named(name):
        raise UsageError("Give either a cluster or --all.", "auroractl export --all")
    facts = _facts(this, None)
    names = [view["DBClusterIdentifier"] for view in facts.clusters]
    if not everything:
        asked = this.ask("describe-status", {"DBClusterIdentifier": this.cluster(name)})
        names = [asked["DBCluster"]["DBClusterIdentifier"]]
    found = [each for name in names if (each := declared(facts, name)) is not None]
    all_groups = {key: declared_group(each) for key, each in facts.groups.items()}
    document = file_document(found, all_groups if everything else used_groups(found, facts.groups))
    if this.output is Output.JSON:
        this.show_json(document)
    else:
        write(write_toml(document).rstrip("\n"))


def _facts(this: Session, groups: set[GroupKey] | None) -> Facts:
    """Ask for everything; for the parameters of these groups only, or of all."""
    from auroractl.declarations.views import Facts  # noqa: PLC0415  (only here)

    everything = {"DBClusterIdentifier": None}
    return Facts(
        clusters=this.ask("describe-clusters", everything)["DBClusters"],
        instances=this.ask("describe-instances", {**everything, "DBInstanceIdentifier": None})["DBInstances"],
        endpoints=this.ask("describe-endpoints", everything)["DBClusterEndpoints"],
        volumes=this.ask("describe-volumes", everything)["StorageVolumes"],
        new_group_bytes=parse_size_bytes(this.settings.storage_group_size),
        groups=_groups(this, groups),
    )


def _groups(this: Session, asked: set[GroupKey] | None) -> dict[GroupKey, ExistingGroup]:
    from auroractl.core.parameters.model import GroupKind  # noqa: PLC0415  (only here)
    from auroractl.declarations.model import GroupKey  # noqa: PLC0415
    from auroractl.declarations.views import ExistingGroup  # noqa: PLC0415

    found = {}
    for kind, part in ((GroupKind.CLUSTER, "cluster-"), (GroupKind.INSTANCE, "")):
        name = f"{kind.words}Name"
        for view in this.ask(f"describe-{part}parameter-groups", {name: None})[f"{kind.words}s"]:
            key = GroupKey(kind, view[name])
            if key.name.startswith("default."):
                continue
            of_user: list[View] = []
            if asked is None or key in asked:
                question = {name: key.name, "Source": "user"}
                of_user = this.ask(f"describe-{part}parameters", question)["Parameters"]
            found[key] = ExistingGroup.of(view, of_user)
    return found


def _carry_out(this: Session, plan: Plan) -> None:
    """Send one request after another; stop at the first that fails. A second apply continues from there."""
    for done, step in enumerate(plan.steps):
        try:
            this.change(step.request)
        except (AuroraError, typer.Exit):
            say(f"{done} of {len(plan.steps)} steps are done. The next apply continues with the others.")
            raise
