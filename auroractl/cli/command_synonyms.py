"""Commands of other tools, with their equivalents here, or a sentence if there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """The equivalent of a word."""

    commands: tuple[str, ...]
    """The commands to use instead, without the program's name; several if the intention is unclear."""
    sentence: str = ""
    """An explanation if no command does exactly that."""

    @property
    def hint(self) -> str:
        """Return the commands to use instead, as a hint.

        >>> Meaning(("reboot-instance", "start-cluster")).hint
        'auroractl reboot-instance, or auroractl start-cluster'
        """
        return ", or ".join(f"auroractl {each}" for each in self.commands)


def _to(*commands: str) -> Meaning:
    return Meaning(commands)


_CREATE = _to("create-cluster")
_DELETE = _to("delete-cluster")
_STOP = _to("stop-cluster")
_LIST = _to("describe-clusters")
_STATUS = _to("status")
_PSQL = _to("psql")
_FAILOVER = _to("failover")
_BACK = _to("backtrack", "peek")
_FAULT = _to("inject-fault")
_NO_CLONES = Meaning(
    ("peek", "pg-dump", "pg-restore"), "Clusters cannot be cloned yet; peek reads the past, and pg-dump copies data."
)
_NO_SNAPSHOTS = Meaning(
    ("backtrack", "pg-dump"), "There are no snapshots yet; backtrack can rewind to any time in the backtrack window."
)

MEANINGS: Mapping[str, Meaning] = {
    "create": _CREATE,
    "new": _CREATE,
    "up": _to("create-cluster", "start-cluster"),
    "start": _to("start-cluster"),
    "stop": _STOP,
    "halt": _STOP,
    "shutdown": _STOP,
    "down": _to("stop-cluster", "delete-cluster"),
    "restart": _to("reboot-instance", "start-cluster"),
    "reboot": _to("reboot-instance"),
    "rm": _DELETE,
    "remove": _DELETE,
    "delete": _DELETE,
    "destroy": _DELETE,
    "drop": _DELETE,
    "ls": _LIST,
    "list": _LIST,
    "clusters": _LIST,
    "describe": _to("describe-clusters", "describe-instances"),
    "instances": _to("describe-instances"),
    "endpoints": _to("describe-endpoints"),
    "volume": _to("describe-volumes"),
    "storage": _to("describe-volumes"),
    "ps": _STATUS,
    "show": _STATUS,
    "info": _STATUS,
    "health": _STATUS,
    "connect": _PSQL,
    "shell": _PSQL,
    "sql": _PSQL,
    "bench": _to("pgbench"),
    "url": _to("uri"),
    "dsn": _to("uri"),
    "scale": _to("scale-readers"),
    "readers": _to("scale-readers"),
    "switchover": _FAILOVER,
    "promote": _FAILOVER,
    "rewind": _BACK,
    "rollback": _BACK,
    "undo": _to("backtrack --undo"),
    "clone": _NO_CLONES,
    "fork": _NO_CLONES,
    "snapshot": _NO_SNAPSHOTS,
    "snapshots": _NO_SNAPSHOTS,
    "backup": _NO_SNAPSHOTS,
    "dump": _to("pg-dump"),
    "restore": Meaning(
        ("backtrack", "pg-restore", "inject-fault restore"),
        "There is no command restore; use the one for a point in time, a dump or an injected fault.",
    ),
    "log": _to("logs"),
    "tail": _to("logs --follow"),
    "events": _to("describe-events"),
    "history": _to("failover-history", "describe-events"),
    "kill": _FAULT,
    "crash": _FAULT,
    "break": _FAULT,
    "fault": _FAULT,
    "check": _to("doctor"),
    "settings": _to("config show"),
    "version": _to("--version"),
    "help": _to("--help"),
    "config set": Meaning(
        ("use", "config show"), "Settings are changed in their files, and the default cluster with use."
    ),
    "inject-fault kill": _to("inject-fault crash-instance"),
    "inject-fault crash": _to("inject-fault crash-instance"),
    "inject-fault freeze": _to("inject-fault hang-instance"),
    "inject-fault lag": _to("inject-fault replica-lag"),
    "supervisor restart": Meaning(
        ("supervisor stop",), "There is no restart command: stop the supervisor, and the next command starts it again."
    ),
    "supervisor kill": _to("supervisor stop"),
}
"""The equivalents by the words after the program's name."""
