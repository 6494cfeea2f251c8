"""What test sessions share so that they start quickly: the initialised data directory and what belongs to it.

CACHE/
  VERSION-ACCOUNT/          template/, secrets/ and postgresql/ of a home
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.core.errors import AuroraError
from auroractl.process.accounts import Account, require_reachable
from auroractl.process.files import copy_tree, make_folder, remove_tree

_SHARED = ("template", "secrets", "postgresql")
"""The internal passwords belong to the template: its roles have them. The programs are there only where they are copied."""


class Warmth:
    """The cache for one version and one account. Without it, or with one that cannot be read, a session starts later."""

    def __init__(self, account: Account | None, folder: Path | None = None) -> None:
        self._account = account
        self.folder = (folder or _cache_folder()) / f"{__version__}-{account.name if account else 'own'}"

    def bring(self, home: Home) -> None:
        """Give a new home what earlier sessions left: all of it, or nothing where that fails."""
        try:
            for name in _SHARED:
                source = self.folder / name
                if source.exists():
                    copy_tree(source, home.root / name)
        except (AuroraError, OSError):
            for name in _SHARED:
                remove_tree(home.root / name)

    def keep(self, home: Home) -> None:
        """Keep what this home had to make itself, for the next session; nothing where that is there already."""
        if _templates(home.root) <= _templates(self.folder):
            return
        aside = self.folder.with_name(f".{self.folder.name}-{os.getpid()}")
        old = aside.with_name(f"{aside.name}-old")
        with contextlib.suppress(AuroraError, OSError):
            make_folder(aside.parent, mode=0o755)
            require_reachable(aside.parent, self._account)
            make_folder(aside, mode=0o755)
            for name in _SHARED:
                if (home.root / name).exists():
                    copy_tree(home.root / name, aside / name)
            # Of two sessions that end up here at once one fails to rename, and leaves the other's.
            with contextlib.suppress(FileNotFoundError):
                self.folder.rename(old)
            aside.rename(self.folder)
        for leftover in (aside, old):
            with contextlib.suppress(AuroraError):
                remove_tree(leftover)


def _templates(root: Path) -> set[str]:
    """Finished ones; one that is being made ends in .partial."""
    try:
        return {each.name for each in (root / "template").iterdir() if each.suffix != ".partial"}
    except OSError:
        return set()


def _cache_folder() -> Path:
    """Next to where clusters live: a folder of the system for root, whose databases run under another account."""
    if os.geteuid() == 0:
        return Path("/var/cache/auroractl/pytest")
    import platformdirs  # noqa: PLC0415  (only where it is needed)

    return platformdirs.user_cache_path("auroractl") / "pytest"
