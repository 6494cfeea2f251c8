"""The engine versions of this home and their parameters, as the servers themselves describe them."""

from __future__ import annotations

from auroractl.core.engine.absent_extensions import package
from auroractl.core.engine.locales import choose_locale
from auroractl.core.engine.versions import MAJORS
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.parameters.model import FAMILY_PREFIX, Catalog, family_of
from auroractl.core.parameters.ownership import LIBRARIES
from auroractl.core.parameters.rds import DEFINITIONS
from auroractl.runtime.engine_builds import this_machine
from auroractl.runtime.installation import Engine
from auroractl.runtime.runtime import Runtime
from auroractl.services.parameters import trial
from auroractl.system.locales import system_locales

FAMILIES = {family_of(str(major)): major for major in MAJORS}
"""The parameter group families with their major versions, whether or not these are installed."""


def require_family(runtime: Runtime, family: str) -> str:
    """Return a family in lower case. Raises InvalidParameterValue if it is unknown, or its version is not installed."""
    name = family.lower()
    if name not in FAMILIES:
        raise InvalidParameterValue(
            f"DBParameterGroupFamily {family[:60]} is not a valid parameter group family.",
            f"Families are {', '.join(FAMILIES)}",
        )
    runtime.installation.builds.choose(str(FAMILIES[name]))
    return name


def engine_for(runtime: Runtime, family: str) -> Engine:
    """Return the engine on which parameters of a family are tried that no cluster uses yet."""
    build = runtime.installation.builds.choose(family.removeprefix(FAMILY_PREFIX))
    return Engine(build.identifier, choose_locale(None, None, build, system_locales()))


def catalog(runtime: Runtime, family: str) -> Catalog:
    """Return the parameters of a family's engine version; the first question takes about a second.

    Raises InvalidParameterValue if that version is not installed any more.
    """
    known = runtime.catalogs.get(family)
    if known is None:
        engine = engine_for(runtime, family)
        definitions = {each.name: each for each in trial.described(runtime, engine)} | dict(DEFINITIONS)
        libraries, major = trial.libraries(runtime, engine), FAMILIES[family]
        packages = {name: package(name, major, this_machine()) for name in LIBRARIES if name not in libraries}
        known = Catalog(definitions, libraries, trial.own_configuration(runtime, engine, {}), packages)
        runtime.catalogs[family] = known
    return known
