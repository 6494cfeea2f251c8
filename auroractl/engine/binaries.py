"""The programs of a pinned PostgreSQL build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroractl.core.engine.versions import EngineVersion, parse_version
from auroractl.core.errors import MachineError
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_account
from auroractl.system.programs import run


@dataclass(frozen=True, slots=True)
class Binaries:
    """A usable PostgreSQL installation; `folder` is the parent of `bin`."""

    folder: Path
    version: EngineVersion
    build: str = ""
    """The identifier of the build."""
    share: Path = Path()
    """The folder with `extension`."""
    libraries: frozenset[str] = frozenset()
    """The modules that a server can load, without their suffix."""
    problem: MachineError | None = None
    """Why there are no programs: the build is lost, though servers that were started from it may be running."""

    @property
    def major(self) -> int:
        """Return the major version."""
        return self.version.major

    def program(self, name: str) -> str:
        """Return the path of a program. Raises MachineError if the build is lost."""
        if self.problem is not None:
            raise MachineError(self.problem.message, self.problem.hint)
        return str(self.folder / "bin" / name)

    def to_json(self, root: Path) -> dict[str, Any]:
        """Return a description of the installation, which is below `root`."""
        return {
            "Version": str(self.version),
            "Folder": str(self.folder.relative_to(root)),
            "Share": str(self.share.relative_to(root)),
            "Libraries": sorted(self.libraries),
        }

    @classmethod
    def from_json(cls, root: Path, document: dict[str, Any]) -> Binaries:
        """Return what `to_json` described."""
        version, libraries = parse_version(document["Version"]), frozenset(document["Libraries"])
        return cls(root / document["Folder"], version, root.name, root / document["Share"], libraries)


def can_run(folder: Path, account: Account | None) -> bool:
    """Return whether an account, None for this one, can run the programs of an installation."""
    program = folder / "bin" / "postgres"
    try:
        # setpriv keeps root's capabilities until it executes the program. It can therefore start programs that then
        # fail to find a library.
        with as_account(account), program.open("rb"):
            pass
        run([str(program), "--version"], account=account)
    except (MachineError, OSError):
        return False
    return True
