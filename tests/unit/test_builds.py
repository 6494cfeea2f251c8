"""Builds of PostgreSQL: what is found out about one, and the copy that a home keeps."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.engine.versions import Build, EngineVersion, Origin
from auroractl.core.errors import MachineError
from auroractl.engine import builds
from auroractl.engine.builds import Candidate, Layout, default_candidate, inspect
from auroractl.engine.pinning import pin, pinned
from auroractl.runtime.engine_builds import EngineBuilds
from auroractl.system.programs import run


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the wheel's installation that a test may change by replacing files."""
    package = default_candidate("").folder.parent
    there = tmp_path_factory.mktemp("installation")
    for source in (package, package.parent / f"{package.name}.libs"):
        if source.is_dir():
            subprocess.run(["cp", "-Rpl", str(source), str(there / source.name)], check=True)
    return there / package.name / "pginstall"


def candidate(folder: Path) -> Candidate:
    return Candidate(folder, Origin.CONFIGURED, "Correct the setting")


def test_a_pinned_build_outlives_its_installation(installation: Path, tmp_path: Path) -> None:
    copied = tmp_path / "site"
    shutil.copytree(installation.parent.parent, copied)
    build, layout = inspect(candidate(copied / installation.parent.name / "pginstall"))
    binaries = pin(build, layout, tmp_path / "pins" / build.identifier, None)
    shutil.rmtree(copied)
    assert f" {build.version}" in run([binaries.program("postgres"), "--version"])
    assert "pg_stat_statements" in binaries.libraries
    assert pinned(tmp_path / "pins" / build.identifier) == binaries
    assert "trusted = true" in (binaries.share / "extension" / "dblink.control").read_text()


def test_pinning_changes_nothing_in_the_installation(installation: Path, tmp_path: Path) -> None:
    build, layout = inspect(candidate(installation))
    before = {path: path.read_bytes() for path in (layout.share / "extension").iterdir()}
    binaries = pin(build, layout, tmp_path / build.identifier, None)
    assert (binaries.folder / "bin" / "postgres").stat().st_nlink > 1
    assert {path: path.read_bytes() for path in (layout.share / "extension").iterdir()} == before


def test_what_an_interrupted_pinning_left_is_replaced(installation: Path, tmp_path: Path) -> None:
    build, layout = inspect(candidate(installation))
    for name in (f"{build.identifier}.partial", build.identifier):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "postgres").write_text("half")
    assert pinned(tmp_path / build.identifier) is None
    binaries = pin(build, layout, tmp_path / build.identifier, None)
    assert run([binaries.program("psql"), "--version"])
    assert [path.name for path in tmp_path.iterdir()] == [build.identifier]


def test_the_identifier_tells_the_contents_and_not_the_place(installation: Path, tmp_path: Path) -> None:
    here, _ = inspect(default_candidate(""))
    there, _ = inspect(candidate(installation))
    assert here.identifier == there.identifier
    assert here.identifier.startswith(f"{here.version}-")
    package = tmp_path / installation.parent.name
    subprocess.run(["cp", "-Rpl", str(installation.parent), str(package)], check=True)
    changed = package / "pginstall" / "share" / "extension" / "hstore.control"
    text = changed.read_text()
    changed.unlink()
    changed.write_text(f"{text}# longer\n")
    assert inspect(candidate(package / "pginstall"))[0].identifier != here.identifier


@pytest.mark.parametrize(
    ("missing", "said"),
    [("bin/pg_rewind", "pg_rewind not found in bin"), ("share/postgres.bki", "postgres.bki not found")],
)
def test_half_an_installation_is_refused(installation: Path, tmp_path: Path, missing: str, said: str) -> None:
    folder = tmp_path / "a" / "b" / "pginstall"
    folder.parent.mkdir(parents=True)
    subprocess.run(["cp", "-Rpl", str(installation), str(folder)], check=True)
    (folder / missing).unlink()
    with pytest.raises(MachineError, match=said) as refused:
        inspect(candidate(folder))
    assert refused.value.hint == "Correct the setting"


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"There is no PostgreSQL in .*, because there is no such folder") as refused:
        inspect(candidate(tmp_path / "gone"))
    assert refused.value.hint == "Correct the setting"


def test_a_build_of_another_architecture_is_refused(installation: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pginstall"
    subprocess.run(["cp", "-Rpl", str(installation), str(folder)], check=True)
    program = folder / "bin" / "postgres"
    content = bytearray(program.read_bytes())
    content[18:20] = (243).to_bytes(2, "little")  # e_machine: RISC-V
    program.unlink()
    program.write_bytes(content)
    program.chmod(0o755)
    with pytest.raises(MachineError, match="postgres") as refused:
        inspect(candidate(folder))
    assert refused.value.hint


@pytest.fixture
def changeable(installation: Path, tmp_path: Path) -> Path:
    """A copy in which a test may add, replace and remove files, but not change them: they are hard links."""
    package = tmp_path / "site" / installation.parent.name
    package.parent.mkdir()
    subprocess.run(["cp", "-Rpl", str(installation.parent), str(package)], check=True)
    libraries = installation.parent.parent / f"{installation.parent.name}.libs"
    if libraries.is_dir():
        subprocess.run(["cp", "-Rpl", str(libraries), str(package.parent / libraries.name)], check=True)
    return package / "pginstall"


def _replace(path: Path, content: bytes, mode: int) -> None:
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode)


def test_a_program_that_does_not_answer_is_given_up(changeable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "_ANSWER_TIMEOUT_S", 0.2)
    _replace(changeable / "bin" / "postgres", b"#!/bin/sh\nsleep 60\n", 0o755)
    with pytest.raises(MachineError, match="does not run: postgres did not end"):
        inspect(candidate(changeable))


def test_folders_that_cannot_hold_an_installation_are_refused(
    changeable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MachineError, match=r"postgres\.bki not found"):
        builds._layout(candidate(Path("/no-such-folder")), EngineVersion(17, 1))
    with pytest.raises(MachineError, match="not a whole path"):
        inspect(candidate(Path("pginstall")))
    os.mkfifo(changeable / "share" / "pipe")
    with pytest.raises(MachineError, match="neither a file nor a link"):
        inspect(candidate(changeable))
    monkeypatch.setattr(builds, "_ENTRIES_MAX", 100)
    with pytest.raises(MachineError, match="in a folder of its own"):
        inspect(candidate(changeable))


@pytest.mark.parametrize("case", ["folder", "file", "owner", "link"])
def test_root_uses_no_installation_that_others_can_change(changeable: Path, tmp_path: Path, case: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs programs with more rights than those who can change them")
    nobody = pwd.getpwnam("nobody").pw_uid
    inspect(candidate(changeable))
    match case:
        case "folder":
            (changeable / "share").chmod(0o777)
        case "file":
            _replace(changeable / "bin" / "pg_config", b"", 0o766)
        case "owner":
            os.chown(changeable.parent, nobody, -1)
        case "link":
            (tmp_path / "theirs").mkdir()
            os.chown(tmp_path / "theirs", nobody, -1)
            (tmp_path / "theirs" / "pg_config").touch(0o755)
            (changeable / "bin" / "pg_config").unlink()
            (changeable / "bin" / "pg_config").symlink_to(tmp_path / "theirs" / "pg_config")
    with pytest.raises(MachineError, match=r"is not used by root: (everybody|nobody) can change"):
        inspect(candidate(changeable))


def test_a_link_to_a_folder_is_part_of_the_copy(changeable: Path, tmp_path: Path) -> None:
    (changeable / "share" / "timezonesets").rename(changeable / "share" / "sets")
    (changeable / "share" / "timezonesets").symlink_to("sets")
    binaries = pin(*inspect(candidate(changeable)), tmp_path / "pin", None)
    assert (binaries.share / "timezonesets" / "Default").is_file()


def test_extensions_outside_of_the_installation_are_refused_and_nothing_is_left(
    changeable: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (changeable / "share" / "extension").rename(outside)
    (changeable / "share" / "extension").symlink_to(outside)
    before = {path.name: path.stat().st_mtime_ns for path in outside.iterdir()}
    with pytest.raises(MachineError, match="outside of itself") as refused:
        pin(*inspect(candidate(changeable)), tmp_path / "pins" / "pin", None)
    assert refused.value.hint
    assert {path.name: path.stat().st_mtime_ns for path in outside.iterdir()} == before
    assert list((tmp_path / "pins").iterdir()) == []


def test_a_file_that_others_can_change_is_copied(changeable: Path, tmp_path: Path) -> None:
    inspected = inspect(candidate(changeable))
    program = changeable / "bin" / "psql"
    _replace(program, program.read_bytes(), 0o757)
    copy = pin(*inspected, tmp_path / "pin", None).folder / "bin" / "psql"
    assert (copy.stat().st_nlink, copy.stat().st_mode & 0o777) == (1, 0o755)


def test_a_copy_that_does_not_run_is_refused(changeable: Path, tmp_path: Path) -> None:
    inspected = inspect(candidate(changeable))
    _replace(changeable / "bin" / "postgres", b"#!/bin/sh\nexit 1\n", 0o755)
    with pytest.raises(MachineError, match="This account cannot run PostgreSQL"):
        pin(*inspected, tmp_path / "pin", None)


def test_the_description_is_written_when_all_else_is_on_disk(
    installation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: flushed.append((tmp_path / "pin.partial" / "build.json").exists()))
    pin(*inspect(candidate(installation)), tmp_path / "pin", None)
    assert flushed == [False]


def test_packages_of_other_major_versions_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for major in (14, 15):
        (tmp_path / f"pg-{major}" / "bin").mkdir(parents=True)
        (tmp_path / f"pg-{major}" / "bin" / "postgres").touch()
    monkeypatch.setattr(builds, "_PACKAGES", (f"{tmp_path}/pg-{{}}",))
    found = [each.folder.name for each in builds.other_candidates("") if each.origin is Origin.PACKAGE]
    assert found == ["pg-15"]


def test_a_pinned_build_is_had_while_others_are_inspected_and_pinned(tmp_path: Path) -> None:
    engine_builds = EngineBuilds(Home(tmp_path), Settings(), lambda: None)
    default = engine_builds.default().identifier
    expected = engine_builds.pin(default)
    executor = ThreadPoolExecutor(1)
    with engine_builds._inspecting, engine_builds._pinning:
        assert executor.submit(engine_builds.pin, default).result(timeout=10) is expected
    executor.shutdown()


def test_a_copy_that_was_deleted_by_hand_is_made_again(tmp_path: Path) -> None:
    engine_builds = EngineBuilds(Home(tmp_path), Settings(), lambda: None)
    default = engine_builds.default().identifier
    program = Path(engine_builds.pin(default).program("postgres"))
    program.unlink()
    assert run([engine_builds.pin(default).program("postgres"), "--version"])
    shutil.rmtree(tmp_path / "postgresql")
    assert run([engine_builds.pin(default).program("postgres"), "--version"])


def test_a_build_is_inspected_again_only_when_it_changes(
    changeable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspected: list[Path] = []

    def counting(each: Candidate) -> tuple[Build, Layout]:
        inspected.append(each.folder)
        return inspect(each)

    monkeypatch.setattr("auroractl.runtime.engine_builds.inspect", counting)
    engine_builds = EngineBuilds(Home(tmp_path), Settings(postgresql_folders=str(changeable)), lambda: None)
    engine_builds.all()
    engine_builds.all()
    assert len(inspected) == len(set(inspected))
    (changeable / "share" / "extension" / "new.control").write_text("default_version = '1'\n")
    found = {build.folder: build.extensions for build in engine_builds.all()[0]}
    assert "new" in found[str(changeable)]


def test_a_lost_build_has_a_version_but_no_programs(tmp_path: Path) -> None:
    lost = EngineBuilds(Home(tmp_path), Settings(), lambda: None).binaries("17.1-0a1b2c3d")
    assert lost.version == EngineVersion(17, 1)
    with pytest.raises(MachineError, match="neither in") as refused:
        lost.program("postgres")
    assert "17" in refused.value.hint


def test_a_cluster_from_before_builds_keeps_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was made with it, and may use extensions that only this one has."""
    engine_builds = EngineBuilds(Home(tmp_path), Settings(), lambda: None)
    default = engine_builds.default()
    newer = replace(default, version=EngineVersion(default.version.major, 99), identifier="newer", is_default=False)
    monkeypatch.setattr(engine_builds, "all", lambda: ([default, newer], []))
    assert engine_builds.of_old_cluster(default.version.major) == default
    assert engine_builds.choose(str(default.version.major)) == newer


def test_copies_that_nobody_uses_go_when_another_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for name in ("18.0-gone", "18.0-used"):
        (tmp_path / "postgresql" / name).mkdir(parents=True)
        (tmp_path / "template" / f"{name}-6-libc-C").mkdir(parents=True)
    (tmp_path / "template" / "18.6-5").mkdir()  # of the version before builds
    engine_builds = EngineBuilds(home, Settings(), lambda: None, lambda: {"18.0-used"})
    default = engine_builds.default().identifier
    assert engine_builds.pin(default) is engine_builds.pin(default)
    assert {path.name for path in (tmp_path / "postgresql").iterdir()} == {default, "18.0-used"}
    assert [path.name for path in (tmp_path / "template").iterdir()] == ["18.0-used-6-libc-C"]


def test_a_copy_that_is_gone_with_its_build_is_told_with_what_to_install(tmp_path: Path) -> None:
    engine_builds = EngineBuilds(Home(tmp_path), Settings(), lambda: None)
    with pytest.raises(MachineError, match=r"17\.1-0a1b2c3d") as refused:
        engine_builds.pin("17.1-0a1b2c3d")
    assert "17" in refused.value.hint
