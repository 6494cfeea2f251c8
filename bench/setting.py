"""A home of its own for a run of benchmarks, and the command line on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.address import Address
from auroractl.core.engine.locales import choose_locale
from auroractl.engine.connections import Access
from auroractl.runtime.installation import Engine, Installation
from auroractl.system.locales import system_locales


@dataclass(frozen=True)
class Setting:
    """Where a run of benchmarks takes place."""

    home: Path
    python: str = sys.executable
    """That of the environment whose auroractl is measured."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of auroractl's commands."""
        return {**os.environ, "AURORACTL_HOME": str(self.home), "AURORACTL_CONFIG": str(self.home / "none.toml")}

    def run(self, *arguments: str) -> str:
        """Run auroractl to success and return what it printed."""
        return subprocess.run(
            [self.python, "-P", "-m", "auroractl", "--quiet", *arguments],
            env=self.environment, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip

    def json(self, *arguments: str) -> Any:
        """Run auroractl and return its JSON."""
        return json.loads(self.run(*arguments, "--output", "json"))

    def elapsed_s(self, *arguments: str) -> float:
        """How long a command of auroractl takes, in seconds."""
        began_s = time.perf_counter()
        self.run(*arguments)
        return time.perf_counter() - began_s

    def program(self, name: str) -> str:
        """A PostgreSQL program of the installation that auroractl uses."""
        return self.installation().binaries("any").program(name)

    def access(self, instance: dict[str, Any]) -> Access:
        """The way in of the internal superuser, for an instance as describe-instances has it."""
        paths = Home(self.home).cluster(instance["DBClusterIdentifier"]).instance(instance["DBInstanceIdentifier"])
        address = Address(instance["Endpoint"]["Address"], instance["Endpoint"]["Port"])
        server = self.installation().server_at(paths.folder, address)
        return server.access(self.installation().secrets.admin)

    def installation(self) -> Installation:
        """What the clusters of the home share."""

        def engine(_: str) -> Engine:
            build = found.builds.default()
            return Engine(build.identifier, choose_locale(None, None, build, system_locales()))

        found = Installation(Home(self.home), Settings(), engine)
        return found


@contextmanager
def in_a_home_of_its_own(python: str = sys.executable) -> Iterator[Setting]:
    """An empty home; everything in it is ended and removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="auroractl-bench-"))
    home.chmod(0o755)
    setting = Setting(home, python)
    try:
        yield setting
    finally:
        setting.run("supervisor", "stop", "--all")
        shutil.rmtree(home)
