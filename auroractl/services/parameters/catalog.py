"""The engine versions of this home and their parameters, as the servers themselves describe them."""

from __future__ import annotations

from auroractl.core.engine.locales import choose_locale
from auroractl.core.engine.versions import MAJORS
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.parameters.model import FAMILY_PREFIX, Catalog, family_of
from auroractl.core.parameters.rds import DEFINITIONS
from auroractl.runtime.installation import Engine
from auroractl.runtime.runtime import Runtime
from auroractl.services.parameters import trial
from auroractl.system.locales import system_locales


def families(runtime: Runtime) -> list[str]:
    """List the parameter group families of the engine versions that are installed, the oldest first."""
    builds, _ = runtime.installation.builds.all()
    return [family_of(str(major)) for major in sorted({build.version.major for build in builds})]


def require_family(runtime: Runtime, family: str) -> str:
    """Return a family in lower case. Raises InvalidParameterValue if it is unknown, or its version is not installed."""
    name = family.lower()
    known = {family_of(str(major)): major for major in MAJORS}
    if name not in known:
        raise InvalidParameterValue(
            f"DBParameterGroupFamily {family[:60]} is not a valid parameter group family.",
            f"Families are {', '.join(known)}",
        )
    runtime.installation.builds.choose(str(known[name]))
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
        known = Catalog(definitions, trial.libraries(runtime, engine))
        runtime.catalogs[family] = known
    return known
