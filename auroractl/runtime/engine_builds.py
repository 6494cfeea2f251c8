"""The PostgreSQL builds of a supervisor: found when they are needed, pinned when a cluster uses them."""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Callable, Set
from pathlib import Path
from threading import RLock

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.engine import versions
from auroractl.core.engine.versions import Build, Machine, Platform
from auroractl.core.errors import MachineError
from auroractl.engine.aws_extensions import allow_aws_extensions
from auroractl.engine.binaries import Binaries
from auroractl.engine.builds import Candidate, Layout, default_candidate, inspect, other_candidates
from auroractl.engine.pinning import pin, pinned
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_self
from auroractl.system.files import remove_tree
from auroractl.system.programs import find_program

log = logging.getLogger(__name__)


class EngineBuilds:
    """The builds on this machine and the pinned ones of a home. Safe for use by several threads.

    What it remembers is found again after a restart.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        account: Callable[[], Account | None],
        used: Callable[[], Set[str]] = frozenset,
    ) -> None:
        self._home = home
        self._settings = settings
        self._account = account
        self._used = used
        """Returns the builds that clusters use."""
        self._lock = RLock()
        self._seen: dict[tuple[Path, int, int], tuple[Build, Layout]] = {}
        """By folder, and inode and change time of its server program."""
        self._pinned: dict[str, Binaries] = {}

    def default(self) -> Build:
        """Return the default build. Raises MachineError if it cannot be used."""
        return self._inspect(default_candidate(self._settings.postgresql_folder))[0]

    def all(self) -> tuple[list[Build], list[MachineError]]:
        """Return all builds, the default first, and why others cannot be used. Raises as `default` does."""
        default = self.default()
        found, problems = {default.identifier: default}, []
        for candidate in other_candidates(self._settings.postgresql_folders):
            try:
                build, _ = self._inspect(candidate)
            except MachineError as error:
                problems.append(error)
            else:
                found.setdefault(build.identifier, build)
        return list(found.values()), problems

    def choose(self, requested: str | None) -> Build:
        """Choose the build for a new cluster. Raises InvalidParameterValue, or as `default` does."""
        if requested is None:
            return self.default()
        builds, problems = self.all()
        for problem in problems:
            log.warning("%s", problem)
        return versions.choose(requested, builds, this_machine())

    def pin(self, identifier: str) -> Binaries:
        """Pin a build unless it is pinned, and return the copy. Raises MachineError if it is gone, or cannot be pinned."""
        account = self._account()
        with self._lock:
            known = self._pinned.get(identifier)
            if known is not None:
                return known
            target = self._home.binaries(identifier)
            binaries = pinned(target)
            if binaries is None:
                binaries = pin(*self._find(identifier), target, account)
                self._remove_unused({identifier})
            with as_self():
                allow_aws_extensions(binaries.share / "extension", allowed=self._settings.aws_extensions)
            self._pinned[identifier] = binaries
            return binaries

    def _remove_unused(self, kept: set[str]) -> None:
        """Remove pinned builds, with their templates, that no cluster uses and that are no longer on this machine."""
        kept |= self._used() | {build.identifier for build in self.all()[0]}
        with as_self():
            for folder in sorted((self._home.root / "postgresql").iterdir()):
                if folder.name not in kept:
                    log.info("the build %s of PostgreSQL is no longer used and is removed", folder.name)
                    remove_tree(folder)
                    for template in self._home.templates_of(folder.name):
                        remove_tree(template)

    def _find(self, identifier: str) -> tuple[Build, Layout]:
        candidates = [default_candidate(self._settings.postgresql_folder)]
        candidates += other_candidates(self._settings.postgresql_folders)
        for candidate in candidates:
            try:
                build, layout = self._inspect(candidate)
            except MachineError as error:
                log.warning("%s", error)
                continue
            if build.identifier == identifier:
                return build, layout
        version = versions.parse_version(identifier.partition("-")[0])
        raise MachineError(
            f"The build {identifier} of PostgreSQL is neither in {self._home.binaries('')} nor on this machine.",
            f"Install that version again: {versions.how_to_install(version.major, this_machine())}",
        )

    def _inspect(self, candidate: Candidate) -> tuple[Build, Layout]:
        account = self._account()
        with self._lock, as_self():
            key = _key(candidate.folder)
            found = self._seen.get(key) if key else None
            if found is None or found[0].is_default is not candidate.is_default:
                found = inspect(candidate, account)
                if key:
                    self._seen[key] = found
            return found


def _key(folder: Path) -> tuple[Path, int, int] | None:
    try:
        found = (folder / "bin" / "postgres").stat()
    except OSError:
        return None
    return folder, found.st_ino, found.st_ctime_ns


def this_machine() -> Machine:
    """Return what decides how PostgreSQL is installed on this machine."""
    if sys.platform == "darwin":
        kind = Platform.MACOS
    else:
        kind = Platform.DEBIAN if find_program("apt-get") else Platform.OTHER
    is_linux_x86_64 = sys.platform == "linux" and platform.machine() == "x86_64"
    return Machine(kind, is_linux_x86_64=is_linux_x86_64)
