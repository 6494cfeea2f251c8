"""The home's own copies of PostgreSQL builds, one for each that its clusters use.

    HOME/postgresql/BUILD/
      build.json            version, installation folder and modules
      ...                   the files of the installation, at the same relative paths as where they came from

A copy keeps the server of a cluster the same when a wheel or a package is upgraded or removed. Where it can, it consists
of hard links: an upgrade replaces files and does not change them. In it, extensions that Aurora's master user may create
are marked as trusted, and extensions that the build lacks are added as far as SQL can express them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from auroractl.core.engine.versions import Build
from auroractl.core.errors import MachineError
from auroractl.engine.binaries import Binaries, can_run
from auroractl.engine.builds import Layout, files_of
from auroractl.engine.extension_substitutes import add_substitutes
from auroractl.engine.trusted_extensions import trust_extensions
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_self
from auroractl.system.files import exists, make_folder, read_json, remove_tree, unwritable, write_json
from auroractl.system.safe_open import open_regular

_DESCRIPTION = "build.json"
_REVISION = 2
"""Incremented when what is changed in a copy changes; older copies are changed when they are next used."""


def pinned(target: Path) -> Binaries | None:
    """Return a pinned build; None if there is none, or its server program is gone.

    Raises MachineError if its description is unreadable.
    """
    with as_self():
        description = read_json(target / _DESCRIPTION)
        if description is None:
            return None
        binaries = Binaries.from_json(target, description)
        if not exists(Path(binaries.program("postgres"))):
            return None
        if description["Revision"] < _REVISION:
            _adapt(binaries)
            _describe(binaries, target)
    return binaries


def pin(build: Build, layout: Layout, target: Path, account: Account | None) -> Binaries:
    """Pin a build unless it is pinned; return the copy. An interrupted attempt leaves nothing that is used.

    Raises MachineError if it cannot be written or the databases' account cannot run it.
    """
    found = pinned(target)
    if found is not None:
        return found
    aside = target.with_name(f"{target.name}.partial")
    with as_self():
        make_folder(target.parent, mode=0o755)
        remove_tree(aside)
        try:
            make_folder(aside, mode=0o755)
            binaries = _make(build, layout, aside, account)
            remove_tree(target)
            aside.rename(target)
        except BaseException:
            # It may be what fills the disk.
            remove_tree(aside)
            raise
    return Binaries.from_json(target, binaries.to_json(aside))


def _make(build: Build, layout: Layout, target: Path, account: Account | None) -> Binaries:
    try:
        _copy(layout, target)
    except OSError as error:
        raise unwritable(target, error) from error
    binaries = Binaries(
        folder=target / layout.folder.relative_to(layout.prefix),
        version=build.version,
        share=target / layout.share.relative_to(layout.prefix),
        libraries=frozenset(_modules(layout)),
    )
    _require_runnable(binaries, account)
    extensions = (binaries.share / "extension").resolve()
    if not extensions.is_relative_to(target.resolve()):
        raise MachineError(
            f"PostgreSQL in {build.folder} keeps its extensions outside of itself, in {extensions}.",
            "Copy it with cp -RL, and name the copy in the setting postgresql_folders",
        )
    _adapt(binaries)
    # The description says that everything else is there, also after a loss of power.
    os.sync()
    _describe(binaries, target)
    return binaries


def _adapt(binaries: Binaries) -> None:
    """Change a copy into what Aurora's users expect. Repeating it changes nothing."""
    add_substitutes(binaries.share / "extension")
    trust_extensions(binaries.share / "extension", binaries.major)


def _describe(binaries: Binaries, root: Path) -> None:
    write_json(root / _DESCRIPTION, {"Revision": _REVISION, **binaries.to_json(root)}, mode=0o644)


def _require_runnable(binaries: Binaries, account: Account | None) -> None:
    if not can_run(binaries.folder, account):
        who = f"The account {account.name}" if account else "This account"
        raise MachineError(
            f"{who} cannot run PostgreSQL from {binaries.folder}.",
            "Check that the home is not on a filesystem mounted noexec",
        )


def _modules(layout: Layout) -> list[str]:
    """List the modules of an installation that a server can load."""
    return [
        path.stem for path in files_of(layout) if path.suffix in {".so", ".dylib"} and not path.name.startswith("lib")
    ]


def _copy(layout: Layout, target: Path) -> None:
    made: set[Path] = set()
    for path in files_of(layout):
        copy = target / path.relative_to(layout.prefix)
        if copy.parent not in made:
            copy.parent.mkdir(parents=True, exist_ok=True)
            _make_enterable(copy.parent, target)
            made.add(copy.parent)
        if path.is_symlink():
            _copy_link(path, copy, layout)
        else:
            _link_or_copy(path, copy, layout)


def _make_enterable(folder: Path, top: Path) -> None:
    """Let every account enter a folder and those above it, whatever the umask is."""
    while folder != top:
        folder.chmod(0o755)
        folder = folder.parent


def _copy_link(path: Path, copy: Path, layout: Layout) -> None:
    """Copy a symbolic link. One that leads out of the installation, as Debian's dictionaries do, keeps its target."""
    aim, target = path.readlink(), path.resolve()
    inside = not aim.is_absolute() and any(target.is_relative_to(tree) for tree in layout.trees)
    copy.symlink_to(aim if inside else target)


def _link_or_copy(path: Path, copy: Path, layout: Layout) -> None:
    """Copy one file, as a hard link if that is possible and safe."""
    found = path.lstat()
    if _only_ours(found):
        # Fails on another filesystem, and on one without hard links.
        with contextlib.suppress(OSError):
            copy.hardlink_to(path)
            return
    with open_regular(path, below=layout.prefix) as source, copy.open("xb") as target:
        shutil.copyfileobj(source, target)
    copy.chmod(0o755 if found.st_mode & stat.S_IXUSR else 0o644)


def _only_ours(found: os.stat_result) -> bool:
    """Return whether all accounts can use a file, and only this one can change it later."""
    mode = stat.S_IMODE(found.st_mode)
    if found.st_gid == os.getegid():
        mode &= ~stat.S_IWGRP
    return found.st_uid == os.geteuid() and mode in {0o755, 0o644, 0o555, 0o444}
