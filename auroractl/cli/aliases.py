"""The commands under the names and with the options of the AWS command line: `aws rds` becomes `auroractl`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from typer.core import TyperArgument, TyperOption

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
    """An epilog, as commands have it."""
    spellings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """AWS's options by the parameter of ours that they set; an argument becomes an option."""
    lists: tuple[str, ...] = ()
    """Options whose values AWS writes one after another."""
    ignored: tuple[str, ...] = ()
    """Options with a value that mean nothing here."""
    ignored_flags: tuple[str, ...] = ()
    """Options without one."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Options that may only say what is so anyway."""

    def params(self, own: Sequence[Any]) -> list[Any]:
        """The command's parameters, `own`, as this name takes them."""
        found = [self._respelled(param) for param in own]
        taken = {option for param in found for option in param.opts}
        found += [_ignored(option) for option in (*self.ignored, *_GLOBAL) if option not in taken]
        found += [_fixed(option, value) for option, value in self.fixed.items()]
        found += [_ignored(option, is_flag=True, default=False) for option in (*self.ignored_flags, *_GLOBAL_FLAGS)]
        return found

    def _respelled(self, param: Any) -> Any:
        spellings = self.spellings.get(param.name)
        if spellings is None:
            return param
        if isinstance(param, TyperArgument):
            option = TyperOption(
                param_decls=[str(param.name), *spellings],
                type=param.type,
                required=param.required,
                default=param.default,
                help=param.help,
            )
            option._custom_shell_complete = param._custom_shell_complete
            return option
        param.opts.extend(spelling for spelling in spellings if spelling not in param.opts)
        return param

    def translated(self, arguments: Sequence[str]) -> list[str]:
        """Arguments with an option before each value of a list, and tags as KEY=VALUE.

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


def _ignored(option: str, **more: Any) -> TyperOption:
    name = "ignored_" + option.strip("-").replace("-", "_")
    help_ = "Accepted, without effect."
    return TyperOption(param_decls=[name, option], expose_value=False, hidden=True, help=help_, **more)


def _fixed(option: str, only: str) -> TyperOption:
    def check(_context: object, _parameter: object, value: str | None) -> None:
        if value is not None and value != only:
            raise Unsupported(f"{option} {value} is not supported: a cluster here is {only}.", f"{option} {only}")

    return _ignored(option, callback=check)


ALIASES = (
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
    ),
    Alias(
        "describe-db-cluster-backtracks",
        "describe-backtracks",
        "Example: auroractl describe-db-cluster-backtracks --db-cluster-identifier demo",
        ignored=("--max-items", "--page-size"),
    ),
)
"""An alias of a command that does not exist is left out."""
