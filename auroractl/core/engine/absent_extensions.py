"""What to do about an extension that Aurora has and a build of PostgreSQL lacks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from auroractl.core.engine.extensions import ALLOWED, NEVER_TRUSTED, is_of_postgresql
from auroractl.core.engine.versions import Build, Machine, Platform, choose

_LISTED = "auroractl describe-db-engine-versions lists the builds on this machine"
_PACKAGES = {
    "hll": "hll",
    "hypopg": "hypopg",
    "mysql_fdw": "mysql-fdw",
    "pg_cron": "cron",
    "pg_hint_plan": "pg-hint-plan",
    "pg_similarity": "similarity",
    "pgaudit": "pgaudit",
    "pgrouting": "pgrouting",
    "pgtap": "pgtap",
    "prefix": "prefix",
    "rdkit": "rdkit",
    "vector": "pgvector",
    **dict.fromkeys(
        (
            "postgis", "postgis_raster", "postgis_tiger_geocoder", "postgis_topology", "address_standardizer",
            "address_standardizer_data_us",
        ),
        "postgis-3",
    ),
}  # fmt: skip
"""The ends of the names of packages on Debian and Ubuntu, or in PGDG, which begin with `postgresql-` and the version."""
_LANGUAGES = {
    "plperl": "plperl", "bool_plperl": "plperl", "hstore_plperl": "plperl", "jsonb_plperl": "plperl", "pltcl": "pltcl",
}  # fmt: skip
_RUN_STATEMENTS = frozenset({"ip4r", "pg_cron", "pg_partman"})
"""Extensions whose scripts a client could redirect, so that no build's are trusted (`trusted_extensions`)."""


def absent(present: Collection[str]) -> list[str]:
    """List the extensions of Aurora that are not among those of a build, but for the one that auroractl creates."""
    return sorted(ALLOWED - {"pg_stat_statements", *present})


def remedy(name: str, major: int, builds: Sequence[Build] | None, machine: Machine) -> str:
    """Say what has an extension that a cluster of a major version lacks, or how to install it.

    `builds` are all on this machine; None if they are not known yet.
    """
    if name in NEVER_TRUSTED or name in _RUN_STATEMENTS:
        why = NEVER_TRUSTED.get(name, "its script runs statements that a client could redirect to code of its own")
        return f"No build gives it to clients here: {why}."
    if builds is None:
        return f"{_LISTED}."
    having = [build for build in builds if name in build.extensions]
    if having:
        return _another(major, having, builds, machine)
    return f"{package(name, major, machine)}{_LISTED}."


def _another(major: int, having: Sequence[Build], builds: Sequence[Build], machine: Machine) -> str:
    best = max(having, key=lambda build: (build.version.major == major, build.version, build.is_default))
    version = str(best.version)
    if choose(version, builds, machine) in having:
        return f"PostgreSQL {version} on this machine has it: auroractl create-cluster NAME --engine-version {version}"
    return f"PostgreSQL {version} in {best.folder} has it, and only the setting postgresql_folder leads to that build."


def package(name: str, major: int, machine: Machine) -> str:
    """Say with what command an extension is installed on a machine; empty if no package of it is known."""
    if machine.platform is Platform.MACOS and (is_of_postgresql(name) or name in _LANGUAGES):
        return f"Install a build that has it, and create a new cluster: brew install postgresql@{major}. "
    if machine.platform is not Platform.DEBIAN:
        return ""
    if name in _LANGUAGES:
        found = f"postgresql-{_LANGUAGES[name]}-{major}"
    elif name in _PACKAGES:
        found = f"postgresql-{major}-{_PACKAGES[name]}"
    else:
        found = f"postgresql-{major}" if is_of_postgresql(name) else ""
    where = f"Install it with PostgreSQL {major} of Debian, Ubuntu or PGDG, and create a new cluster: apt-get install"
    return f"{where} {found}. " if found else ""
