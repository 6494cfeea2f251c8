"""What is said about extensions that a build lacks, and the files that say it."""

from __future__ import annotations

import stat
from pathlib import Path

from auroractl.core.engine.absent_extensions import absent, remedy
from auroractl.core.engine.versions import Build, Machine, Origin, Platform, parse_version
from auroractl.engine.absent_extensions import mark_absent, marked, present

DEBIAN, OTHER = Machine(Platform.DEBIAN, is_linux_x86_64=True), Machine(Platform.OTHER, is_linux_x86_64=False)
MACOS = Machine(Platform.MACOS, is_linux_x86_64=False)


def build(version: str, *extensions: str, folder: str = "/usr", default: bool = False) -> Build:
    return Build(
        f"{version}-{folder}", parse_version(version), Origin.PACKAGE, folder, extensions=extensions, is_default=default
    )


def test_the_build_that_has_it_is_named_best_the_one_of_the_same_version() -> None:
    builds = [build("18.6", default=True), build("15.18", "hll"), build("17.10", "hll", "sslinfo")]
    assert "create-cluster NAME --engine-version 17.10" in remedy("hll", 18, builds, DEBIAN)
    assert "create-cluster NAME --engine-version 15.18" in remedy("hll", 15, builds, DEBIAN)


def test_a_build_that_its_version_does_not_lead_to_is_named_with_its_folder() -> None:
    builds = [build("18.6", default=True, folder="/wheel"), build("18.6", "hll", folder="/own")]
    assert "18.6 in /own has it" in remedy("hll", 18, builds, DEBIAN)


def test_what_no_build_has_is_named_with_what_installs_it_here() -> None:
    assert "apt-get install postgresql-17-postgis-3. " in remedy("postgis_raster", 17, [], DEBIAN)
    assert "apt-get install postgresql-plperl-16. " in remedy("hstore_plperl", 16, [], DEBIAN)
    assert "apt-get install postgresql-16. " in remedy("sslinfo", 16, [], DEBIAN)
    assert "brew install postgresql@18. " in remedy("sslinfo", 18, [], MACOS)
    for name, machine in (("plv8", DEBIAN), ("sslinfo", OTHER), ("postgis", MACOS)):
        assert (
            remedy(name, 18, [], machine) == "auroractl describe-db-engine-versions lists the builds on this machine."
        )


def test_what_no_build_gives_to_clients_is_not_looked_for() -> None:
    for name in ("orafce", "pg_cron"):
        assert remedy(name, 18, [build("18.6", name)], DEBIAN).startswith("No build gives it to clients here: ")


def test_what_a_build_has_stays_and_what_it_lacks_is_answered(tmp_path: Path) -> None:
    real = tmp_path / "hll.control"
    real.write_text("default_version = '2'")
    remedies = {"hll": "no", "rdkit": "It's in \\ C:"}
    for _ in range(2):
        mark_absent(tmp_path, remedies)
        assert real.read_text() == "default_version = '2'"
        assert (present(tmp_path), marked(tmp_path)) == ({"hll"}, {"rdkit"})
    script = tmp_path / "rdkit--absent.sql"
    assert "HINT = 'It''s in / C:';" in script.read_text()
    assert stat.S_IMODE(script.stat().st_mode) == 0o644
    assert "superuser = false" in (tmp_path / "rdkit.control").read_text()
    assert "hll" not in absent(present(tmp_path))
    mark_absent(tmp_path, {"rdkit": "another"})
    assert "HINT = 'another';" in script.read_text()
    mark_absent(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["hll.control"]
