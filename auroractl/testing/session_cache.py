"""The files that test sessions share to start quickly: the initialised data directories and their passwords.

CACHE/
  VERSION-ACCOUNT/          template/ and secrets/ of a home
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from auroractl import __version__
from auroractl.config.paths import Home
from auroractl.core.errors import AuroraError
from auroractl.system.account import Account
from auroractl.system.accounts import require_reachable
from auroractl.system.files import copy_tree, make_folder, make_folder_of, remove_tree

_SHARED = ("template", "secrets")
"""The passwords must match the roles in the template."""


class SessionCache:
    """The cache for one version and one account. A missing or unreadable cache only makes the start slower."""

    def __init__(self, account: Account | None, folder: Path | None = None) -> None:
        self._account = account
        self.folder = (folder or _cache_folder()) / f"{__version__}-{account.name if account else 'own'}"

    def restore(self, home: Home) -> None:
        """Copy the files of earlier sessions into a new home: all of them, or none if that fails."""
        try:
            for name in _SHARED:
                source = self.folder / name
                if source.exists():
                    self._copy(source, home.root / name)
        except (AuroraError, OSError):
            for name in _SHARED:
                remove_tree(home.root / name)

    def store(self, home: Home) -> None:
        """Save the files of this home for later sessions, unless the cache has them already."""
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
                    self._copy(home.root / name, aside / name)
            # If two sessions do this at once, one fails to rename and leaves the other's files.
            with contextlib.suppress(FileNotFoundError):
                self.folder.rename(old)
            aside.rename(self.folder)
        for leftover in (aside, old):
            with contextlib.suppress(AuroraError):
                remove_tree(leftover)

    def _copy(self, source: Path, target: Path) -> None:
        """Copy a folder; templates belong to the databases' account, the rest to this user."""
        if source.name != "template":
            copy_tree(source, target)
            return
        make_folder(target, mode=0o755)
        for each in source.iterdir():
            make_folder_of(target / each.name, self._account)
            copy_tree(each, target / each.name, self._account)


def _templates(root: Path) -> set[str]:
    """Return the names of complete templates; incomplete ones end in .partial."""
    try:
        return {each.name for each in (root / "template").iterdir() if each.suffix != ".partial"}
    except OSError:
        return set()


def _cache_folder() -> Path:
    """Return the default folder: for root one of the system, because databases run under another account."""
    if os.geteuid() == 0:
        return Path("/var/cache/auroractl/pytest")
    import platformdirs  # noqa: PLC0415  (only if it is needed)

    return platformdirs.user_cache_path("auroractl") / "pytest"
