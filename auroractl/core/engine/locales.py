"""The locale of a cluster's databases: which provider sorts their text, and by which rules."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from auroractl.core.engine.versions import Build, Feature
from auroractl.core.errors import InvalidParameterValue

AURORA = "en_US.UTF-8"
"""The locale of databases on Aurora PostgreSQL."""
CODE_POINT = "C.UTF-8"
_BUILTIN_SINCE = 17
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}")
_BUILTIN = {"C": 17, "C.UTF-8": 17, "PG_UNICODE_FAST": 18}
"""The locales of PostgreSQL's own provider (https://www.postgresql.org/docs/18/locale.html), with their first version."""


class Provider(StrEnum):
    """PostgreSQL's word for what sorts text."""

    LIBC = "libc"
    ICU = "icu"
    BUILTIN = "builtin"


@dataclass(frozen=True, slots=True)
class Locale:
    """A locale as PostgreSQL names it."""

    provider: Provider
    name: str

    @property
    def label(self) -> str:
        """Return a name for files."""
        return f"{self.provider}-{self.name}"


BY_CODE_POINT = Locale(Provider.BUILTIN, CODE_POINT)
"""What clusters had before there was a choice."""


def normalized(name: str) -> str:
    """Return a system locale's name in one spelling, since systems write the encoding in several.

    >>> normalized("en_US.utf8") == normalized("en_US.UTF-8")
    True
    """
    language, _, encoding = name.partition(".")
    return f"{language}.{encoding.replace('-', '').lower()}"


def choose_locale(name: str | None, provider: str | None, build: Build, available: Collection[str]) -> Locale:
    """Choose the locale of a new cluster; `available` are the locales of the system, normalized.

    Without a request it is Aurora's if the system has it, otherwise order by code point. Raises InvalidParameterValue
    with what to do.
    """
    if name is None and provider is None:
        return _default(build, available)
    chosen = _provider(provider)
    name = name if name is not None else (AURORA if chosen is Provider.LIBC else CODE_POINT)
    if not _NAME.fullmatch(name):
        raise InvalidParameterValue(f"{name!r} is not the name of a locale.", f"Write one such as {AURORA}")
    if chosen is Provider.LIBC:
        _require_system_locale(name, available)
    locale = Locale(chosen, name)
    require_usable(locale, build)
    return locale


def require_usable(locale: Locale, build: Build) -> None:
    """Check that a build has the provider of a locale. Raises InvalidParameterValue."""
    if locale.provider is Provider.ICU:
        _require_icu(build)
    elif locale.provider is Provider.BUILTIN:
        _require_builtin(locale.name, build)


def _default(build: Build, available: Collection[str]) -> Locale:
    if normalized(AURORA) in available:
        return Locale(Provider.LIBC, AURORA)
    provider = Provider.BUILTIN if build.version.major >= _BUILTIN_SINCE else Provider.LIBC
    return Locale(provider, CODE_POINT)


def _provider(text: str | None) -> Provider:
    try:
        return Provider(text or Provider.LIBC)
    except ValueError as error:
        names = ", ".join(Provider)
        raise InvalidParameterValue(f"{text!r} is not a locale provider.", f"Choose one of {names}") from error


def _require_system_locale(name: str, available: Collection[str]) -> None:
    if normalized(name) in available or name in {"C", "POSIX"}:
        return
    if not normalized(name).endswith(".utf8"):
        raise InvalidParameterValue(
            f"The locale {name} does not have the encoding UTF-8, which databases have.",
            f"Try {name.partition('.')[0]}.UTF-8",
        )
    raise InvalidParameterValue(f"This system does not have the locale {name}.", how_to_add(name))


def how_to_add(name: str) -> str:
    """Return how a locale is added to a system with glibc.

    >>> how_to_add("en_US.UTF-8")
    'Add it: localedef -i en_US -f UTF-8 en_US.UTF-8 (from the package locales)'
    """
    return f"Add it: localedef -i {name.partition('.')[0]} -f UTF-8 {name} (from the package locales)"


def _require_icu(build: Build) -> None:
    if Feature.ICU not in build.features:
        raise InvalidParameterValue(
            f"The build {build.identifier} of PostgreSQL was compiled without ICU.",
            "Choose a version whose build has it: auroractl describe-db-engine-versions",
        )


def _require_builtin(name: str, build: Build) -> None:
    since = _BUILTIN.get(name)
    if since is None or build.version.major < since:
        has = [each for each, first in _BUILTIN.items() if build.version.major >= first]
        raise InvalidParameterValue(
            f"PostgreSQL {build.version} has no built-in locale {name}.",
            f"Choose one of {', '.join(has)}" if has else "Use --locale-provider libc",
        )
