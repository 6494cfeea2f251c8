"""config and use: the effective settings and their origins, and the default cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.cli import name_completion
from auroractl.cli.invocation import session
from auroractl.cli.render import lazy, sentences, text
from auroractl.core.errors import ClusterNotFound, UsageError

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session

app = typer.Typer(help="Show the effective settings.", rich_markup_mode=None, no_args_is_help=True)

_KEY = "default_cluster"


def register(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.command("use", epilog="Example: auroractl use demo")(use)
    root.add_typer(app, name="config")


@app.command("show", epilog="Example: auroractl config show --query 'Settings[?Source!=`default`]'")
def show(context: typer.Context) -> None:
    """Show every setting with its value and its origin: default, file or environment variable."""
    from auroractl.config.paths import user_config  # noqa: PLC0415  (only here)

    this = session(context)
    settings = _settings(this)
    document = {"Home": str(this.home.root), "Files": [str(user_config()), str(this.home.config)], "Settings": settings}
    this.show(document, lazy("settings"), text.settings)


def use(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[CLUSTER]", help="The cluster.", autocompletion=name_completion.clusters)
    ] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Remove the default cluster.")] = False,
) -> None:
    """Set the default cluster for all commands; without a name, show it.

    It is stored in the settings file of the home.
    """
    this = session(context)
    if name is not None and unset:
        raise UsageError("A name and --unset exclude each other.", "Omit one of them")
    chosen = None if name is None else _known(this, name)
    if this.dry_run:
        step = f"Set {_KEY} to {chosen} in" if chosen else f"Remove {_KEY} from"
        this.show_plan("use", chosen, [f"{step} {this.home.config}"] if name or unset else [])
        return
    if name is not None or unset:
        _keep(this, chosen)
    setting = next(each for each in _settings(this) if each["Key"] == _KEY)
    document = {
        "DBClusterIdentifier": setting["Value"] or None,
        "Source": setting["Source"],
        "Changed": bool(name) or unset,
    }
    this.show(document, sentences.used, text.used)


def _known(this: Session, name: str) -> str:
    known = this.ask("names", {})["Clusters"]
    if name.lower() not in known:
        raise ClusterNotFound(name, known)
    return name.lower()


def _keep(this: Session, name: str | None) -> None:
    from auroractl.config.editing import edited  # noqa: PLC0415  (only here)
    from auroractl.system.files import write_durably  # noqa: PLC0415

    path = this.home.config
    changed = edited(path, _KEY, name)
    if changed:
        write_durably(path, changed, mode=path.stat().st_mode & 0o777 if path.exists() else 0o644)


def _settings(this: Session) -> list[dict[str, Any]]:
    from auroractl.config.settings import origins  # noqa: PLC0415  (only here)

    return [
        {
            "Key": each.key,
            "Value": each.value,
            "Default": each.default,
            "Source": (f"{each.file}, line {each.line}" if each.file else each.variable) or "default",
            "File": str(each.file) if each.file else None,
            "Line": each.line,
            "Variable": each.variable,
        }
        for each in origins(this.home)
    ]
