"""The PostgreSQL builds of a supervisor: found when they are needed, pinned when a cluster uses them."""

from __future__ import annotations

import contextlib
import logging
import math
import platform
import sys
import time
from collections.abc import Callable, Set
from dataclasses import replace
from pathlib import Path
from threading import Lock

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.engine import absent_extensions, versions
from auroractl.core.engine.versions import Build, Machine, Platform
from auroractl.core.errors import AuroraError, MachineError
from auroractl.engine.absent_extensions import mark_absent, marked, present
from auroractl.engine.aws_extensions import allow_aws_extensions
from auroractl.engine.binaries import Binaries
from auroractl.engine.builds import Candidate, Layout, default_candidate, inspect, other_candidates
from auroractl.engine.pinning import pin, pinned
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_self
from auroractl.system.files import exists, remove_tree
from auroractl.system.programs import find_program

log = logging.getLogger(__name__)

_THERE_S = 1.0


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
        self._inspecting, self._pinning, self._marking = Lock(), Lock(), Lock()
        """Two, and neither is taken for a build that is pinned already: both take long, and probes need programs."""
        self._seen: dict[Path, tuple[tuple[int, int, int] | None, Build, Layout]] = {}
        """By folder, with its stamp."""
        self._pinned: dict[str, Binaries] = {}
        self._there_s: dict[str, float] = {}
        """When a pinned build was last seen on disk, on the monotonic clock."""
        self._known: list[Build] | None = None
        """All builds, when they were last asked for."""

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
        if self._known != (known := list(found.values())):
            self._known = known
            for binaries in list(self._pinned.values()):
                self._mark_absent(binaries)
        return known, problems

    def choose(self, requested: str | None) -> Build:
        """Choose the build for a new cluster. Raises InvalidParameterValue, or as `default` does."""
        if requested is None:
            return self.default()
        builds, problems = self.all()
        for problem in problems:
            log.warning("%s", problem)
        return versions.choose(requested, builds, this_machine())

    def of_old_cluster(self, major: int) -> Build:
        """Choose the build for a cluster from before there was a choice: the default, which it used, if that fits.

        Raises as `choose` does.
        """
        default = self.default()
        return default if default.version.major == major else self.choose(str(major))

    def pin(self, identifier: str) -> Binaries:
        """Pin a build unless it is pinned, and return the copy. Raises MachineError if it is gone, or cannot be pinned."""
        known = self._pinned.get(identifier)
        if known is not None and exists(Path(known.program("postgres"))):
            self._there_s[identifier] = time.monotonic()
            return known
        account = self._account()
        with self._pinning:
            target = self._home.binaries(identifier)
            binaries = pinned(target)
            if binaries is None:
                binaries = pin(*self._find(identifier), target, account)
                self._remove_unused({identifier})
            with as_self():
                allow_aws_extensions(binaries.share / "extension", allowed=self._settings.aws_extensions)
            self._mark_absent(binaries)
            self._pinned[identifier] = binaries
            return binaries

    def binaries(self, identifier: str) -> Binaries:
        """Return the programs of a build as `pin` does, but one without programs if it cannot be pinned.

        What is running can be observed and described without them. It is asked many times in a second, and checks
        the disk only once in each.
        """
        known = self._pinned.get(identifier)
        if known is not None and time.monotonic() - self._there_s.get(identifier, -math.inf) < _THERE_S:
            return known
        try:
            return self.pin(identifier)
        except MachineError as problem:
            version = versions.parse_version(identifier.partition("-")[0])
            return Binaries(self._home.binaries(identifier), version, identifier, problem=problem)

    def _mark_absent(self, binaries: Binaries) -> None:
        """Let CREATE EXTENSION say what has an extension that a pinned build lacks.

        While the builds on this machine are not known, what was said before stays. The views that hide such an extension
        come with Aurora's functions.
        """
        folder, machine = binaries.share / "extension", this_machine()
        try:
            with self._marking, as_self():
                there = marked(folder)
                names = absent_extensions.absent(present(folder)) if self._settings.aurora_sql else []
                if self._known is None and there == set(names):
                    return
                mark_absent(
                    folder,
                    {name: absent_extensions.remedy(name, binaries.major, self._known, machine) for name in names},
                )
        except (MachineError, OSError) as error:
            log.warning("the hints about missing extensions in %s are not up to date: %s", folder, error)

    def _remove_unused(self, kept: set[str]) -> None:
        """Remove pinned builds, with their templates, that no cluster uses and that are no longer on this machine."""
        try:
            kept |= self._used() | {build.identifier for build in self.all()[0]}
        except AuroraError as error:
            log.warning("unused builds are kept, because not all are known: %s", error)
            return
        prefixes = tuple(f"{build}-" for build in kept)
        with as_self():
            for path in sorted((*self._home.pinned_builds(), *self._home.templates())):
                if path.name in kept or path.name.startswith(prefixes):
                    continue
                log.info("%s is no longer used and is removed", path)
                self._pinned.pop(path.name, None)
                with contextlib.suppress(MachineError):
                    remove_tree(path)

    def _find(self, identifier: str) -> tuple[Build, Layout]:
        candidates = [default_candidate(self._settings.postgresql_folder)]
        candidates += other_candidates(self._settings.postgresql_folders)
        for candidate in candidates:
            with contextlib.suppress(MachineError):
                build, layout = self._inspect(candidate)
                if build.identifier == identifier:
                    return build, layout
        version = versions.parse_version(identifier.partition("-")[0])
        raise MachineError(
            f"The build {identifier} of PostgreSQL is neither in {self._home.binaries('')} nor on this machine.",
            f"Install that version again: {versions.how_to_install(version.major, this_machine())}",
        )

    def _inspect(self, candidate: Candidate) -> tuple[Build, Layout]:
        with self._inspecting, as_self():
            seen = self._seen.get(candidate.folder)
            if seen is None or seen[0] is None or seen[0] != _stamp(candidate.folder, seen[2]):
                build, layout = inspect(candidate)
                seen = self._seen[candidate.folder] = _stamp(candidate.folder, layout), build, layout
            return replace(seen[1], is_default=candidate.is_default, origin=candidate.origin), seen[2]


def _stamp(folder: Path, layout: Layout) -> tuple[int, int, int] | None:
    """Return what changes when a build is upgraded, or gets another extension; None if the build is gone."""
    try:
        program, extensions = (folder / "bin" / "postgres").stat(), (layout.share / "extension").stat()
    except OSError:
        return None
    # Not the time of the last change of the inode: pinning adds a link to the file.
    return program.st_ino, program.st_mtime_ns, extensions.st_mtime_ns


def this_machine() -> Machine:
    """Return what decides how PostgreSQL is installed on this machine."""
    if sys.platform == "darwin":
        kind = Platform.MACOS
    else:
        kind = Platform.DEBIAN if find_program("apt-get") else Platform.OTHER
    is_linux_x86_64 = sys.platform == "linux" and platform.machine() == "x86_64"
    return Machine(kind, is_linux_x86_64=is_linux_x86_64)
