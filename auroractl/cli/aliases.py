"""Aliases of commands with the names and options of the AWS command line: `aws rds` becomes `auroractl`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

import typer
from typer.models import ArgumentInfo

from auroractl.core.errors import Unsupported

_CLUSTER = ("--db-cluster-identifier",)
_INSTANCE = ("--db-instance-identifier",)
_ENDPOINT = ("--db-cluster-endpoint-identifier",)
_GLOBAL = ("--region", "--profile")
_GLOBAL_FLAGS = ("--no-cli-pager", "--no-paginate")
_APPLY = ("--apply-immediately", "--no-apply-immediately")
_TAG = re.compile(r"Key=(?P<key>[^,]*)(?:,Value=(?P<value>.*))?")


@dataclass(frozen=True)
class Alias:
    """A command under its AWS name."""

    name: str
    command: str
    example: str
    """The epilog of its help."""
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """AWS's options by the parameter that they set; an argument becomes an option."""
    lists: tuple[str, ...] = ()
    """Options that take several values in a row on AWS."""
    ignored: tuple[str, ...] = ()
    """Options with a value that have no effect here."""
    ignored_flags: tuple[str, ...] = ()
    """Options without a value that have no effect here."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Options that accept only the value that applies anyway."""
    asks_nothing: bool = False
    """Whether to skip confirmation, because AWS has no such option and its scripts would be refused."""

    def declared(self, own: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
        """Return the command's parameters `own` as this alias declares them."""
        found = [self._declared(each) for each in own]
        found += [_ignored(option) for option in (*self.ignored, *_GLOBAL)]
        found += [_fixed(option, value) for option, value in self.fixed.items()]
        found += [_ignored(option, bool, default=False) for option in (*self.ignored_flags, *_GLOBAL_FLAGS)]
        return found

    def _declared(self, own: inspect.Parameter) -> inspect.Parameter:
        if own.name == "yes" and self.asks_nothing:
            return own.replace(default=True)
        kind, *declared = get_args(own.annotation) or (None,)
        if own.name not in self.spellings or not isinstance(declared[0], ArgumentInfo):
            return own
        argument = declared[0]
        option = typer.Option(
            *self.spellings[own.name],
            help=argument.help,
            autocompletion=argument.autocompletion,
            show_default=False,
        )
        return own.replace(annotation=Annotated[kind, option])

    def spell(self, params: Sequence[Any]) -> None:
        """Add AWS's names to options."""
        for param in params:
            spellings = self.spellings.get(param.name, ())
            param.opts.extend(spelling for spelling in spellings if spelling not in param.opts)

    def translated(self, arguments: Sequence[str]) -> list[str]:
        """Repeat the option before each value of a list, and rewrite tags as KEY=VALUE.

        >>> Alias("x", "y", "", lists=("--tags",)).translated(["--tags", "Key=a,Value=b", "Key=c", "--port", "1"])
        ['--tags', 'a=b', '--tags', 'c=', '--port', '1']
        """
        result: list[str] = []
        option = ""
        for argument in arguments:
            if argument.startswith("-"):
                option = argument if argument in self.lists else ""
                result += [] if option else [argument]
            elif option:
                result += [option, _tag(argument) if option == "--tags" else argument]
            else:
                result.append(argument)
        return result


def _tag(text: str) -> str:
    match = _TAG.fullmatch(text)
    return f"{match['key']}={match['value'] or ''}" if match else text


def _ignored(option: str, kind: Any = str | None, **more: Any) -> inspect.Parameter:
    name = "ignored_" + option.strip("-").replace("-", "_")
    default = more.pop("default", None)
    declared = typer.Option(option, expose_value=False, hidden=True, help="Accepted, without effect.", **more)
    annotation = Annotated[kind, declared]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _fixed(option: str, only: str) -> inspect.Parameter:
    def check(value: str | None) -> None:
        if value is not None and value != only:
            raise Unsupported(f"{option} {value} is not supported: a cluster here is {only}.", f"{option} {only}")

    return _ignored(option, callback=check)


def _group_aliases(part: str, aws: str) -> tuple[Alias, ...]:
    """Return the aliases for one kind of parameter groups; `part` is its part of our names, `aws` that of AWS's."""
    name = {"group": (f"--{aws}-parameter-group-name",)}
    example = f"--{aws}-parameter-group-name tuned"
    source, target = (f"--{which}-{aws}-parameter-group" for which in ("source", "target"))
    copied = {
        "source": (f"{source}-identifier",),
        "target": (f"{target}-identifier",),
        "description": (f"{target}-description",),
    }

    def alias(verb: str, rest: str, spellings: Mapping[str, tuple[str, ...]], lists: tuple[str, ...] = ()) -> Alias:
        theirs = verb.replace("*", f"{aws}-")
        long = ("--max-items", "--page-size", "--filters") if verb.startswith("describe") else ()
        return Alias(
            theirs, verb.replace("*", part), f"Example: auroractl {theirs} {rest}", spellings, lists, ignored=long
        )

    return (
        alias(
            "create-*parameter-group",
            f"{example} --db-parameter-group-family aurora-postgresql18 --description tuned",
            name,
            ("--tags",),
        ),
        alias("copy-*parameter-group", f"{source}-identifier tuned {target}-identifier other", copied, ("--tags",)),
        alias(
            "modify-*parameter-group",
            f"{example} --parameters ParameterName=work_mem,ParameterValue=8192,ApplyMethod=immediate",
            name,
            ("--parameters",),
        ),
        alias("reset-*parameter-group", f"{example} --reset-all-parameters", name, ("--parameters",)),
        alias("delete-*parameter-group", example, name),
        alias("describe-*parameter-groups", example, name),
        alias("describe-*parameters", f"{example} --source user", name),
    )


ALIASES = (
    *_group_aliases("cluster-", "db-cluster"),
    *_group_aliases("", "db"),
    Alias(
        "create-db-cluster",
        "create-cluster",
        "Example: auroractl create-db-cluster --db-cluster-identifier demo --engine aurora-postgresql",
        {"name": _CLUSTER},
        lists=("--tags",),
        ignored=("--availability-zones", "--backup-retention-period"),
        fixed={"--engine": "aurora-postgresql", "--engine-mode": "provisioned"},
        ignored_flags=("--storage-encrypted", "--no-storage-encrypted"),
    ),
    Alias(
        "delete-db-cluster",
        "delete-cluster",
        "Example: auroractl delete-db-cluster --db-cluster-identifier demo --skip-final-snapshot",
        {"yes": ("--skip-final-snapshot",)},
        ignored_flags=("--delete-automated-backups", "--no-delete-automated-backups"),
    ),
    Alias(
        "modify-db-cluster",
        "modify-cluster",
        "Example: auroractl modify-db-cluster --db-cluster-identifier demo --deletion-protection --apply-immediately",
        ignored_flags=_APPLY,
    ),
    Alias(
        "start-db-cluster",
        "start-cluster",
        "Example: auroractl start-db-cluster --db-cluster-identifier demo",
    ),
    Alias("stop-db-cluster", "stop-cluster", "Example: auroractl stop-db-cluster --db-cluster-identifier demo"),
    Alias(
        "failover-db-cluster",
        "failover",
        "Example: auroractl failover-db-cluster --db-cluster-identifier demo "
        "--target-db-instance-identifier demo-instance-2",
    ),
    Alias(
        "describe-db-clusters",
        "describe-clusters",
        "Example: auroractl describe-db-clusters --query 'DBClusters[].Status'",
        ignored=("--max-items", "--page-size"),
    ),
    Alias(
        "describe-db-instances",
        "describe-instances",
        "Example: auroractl describe-db-instances --db-instance-identifier demo-instance-1",
        ignored=("--max-items", "--page-size"),
    ),
    Alias(
        "create-db-instance",
        "create-instance",
        "Example: auroractl create-db-instance --db-cluster-identifier demo --db-instance-identifier demo-instance-1 "
        "--engine aurora-postgresql --db-instance-class db.r6g.large",
        {"name": _CLUSTER},
        ignored=("--db-instance-class",),
        fixed={"--engine": "aurora-postgresql"},
        ignored_flags=("--publicly-accessible", "--no-publicly-accessible"),
    ),
    Alias(
        "modify-db-instance",
        "modify-instance",
        "Example: auroractl modify-db-instance --db-instance-identifier demo-instance-2 --promotion-tier 0",
        {"instance": _INSTANCE},
        ignored_flags=_APPLY,
    ),
    Alias(
        "reboot-db-instance",
        "reboot-instance",
        "Example: auroractl reboot-db-instance --db-instance-identifier demo-instance-2",
        {"instance": _INSTANCE},
        ignored_flags=("--no-force-failover",),
    ),
    Alias(
        "delete-db-instance",
        "delete-instance",
        "Example: auroractl delete-db-instance --db-instance-identifier demo-instance-3 --skip-final-snapshot",
        {"instance": _INSTANCE},
        ignored_flags=("--skip-final-snapshot", "--delete-automated-backups"),
    ),
    Alias(
        "describe-db-cluster-endpoints",
        "describe-endpoints",
        "Example: auroractl describe-db-cluster-endpoints --db-cluster-identifier demo",
        ignored=("--max-items", "--page-size"),
    ),
    Alias(
        "create-db-cluster-endpoint",
        "create-endpoint",
        "Example: auroractl create-db-cluster-endpoint --db-cluster-identifier demo "
        "--db-cluster-endpoint-identifier reports --endpoint-type READER --static-members demo-instance-2",
        {"endpoint": _ENDPOINT},
        lists=("--static-members", "--excluded-members"),
    ),
    Alias(
        "modify-db-cluster-endpoint",
        "modify-endpoint",
        "Example: auroractl modify-db-cluster-endpoint --db-cluster-endpoint-identifier reports --endpoint-type ANY",
        {"endpoint": _ENDPOINT},
        lists=("--static-members", "--excluded-members"),
    ),
    Alias(
        "delete-db-cluster-endpoint",
        "delete-endpoint",
        "Example: auroractl delete-db-cluster-endpoint --db-cluster-endpoint-identifier reports",
        {"endpoint": _ENDPOINT},
    ),
    Alias(
        "backtrack-db-cluster",
        "backtrack",
        "Example: auroractl backtrack-db-cluster --db-cluster-identifier demo --backtrack-to 2026-11-23T04:00:00Z",
        {"to": ("--backtrack-to",)},
        ignored_flags=("--force", "--no-force"),
        asks_nothing=True,
    ),
    Alias(
        "describe-db-cluster-backtracks",
        "describe-backtracks",
        "Example: auroractl describe-db-cluster-backtracks --db-cluster-identifier demo",
        ignored=("--max-items", "--page-size"),
    ),
)
"""Aliases of commands that do not exist are omitted."""
