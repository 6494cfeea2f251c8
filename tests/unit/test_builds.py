"""Builds of PostgreSQL: what is found out about one, and the copy that a home keeps."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.engine.versions import Origin
from auroractl.core.errors import MachineError
from auroractl.engine.builds import Candidate, default_candidate, inspect
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
    build, layout = inspect(candidate(copied / installation.parent.name / "pginstall"), None)
    binaries = pin(build, layout, tmp_path / "pins" / build.identifier, None)
    shutil.rmtree(copied)
    assert f" {build.version}" in run([binaries.program("postgres"), "--version"])
    assert "pg_stat_statements" in binaries.libraries
    assert pinned(tmp_path / "pins" / build.identifier) == binaries
    assert "trusted = true" in (binaries.share / "extension" / "dblink.control").read_text()


def test_pinning_changes_nothing_in_the_installation(installation: Path, tmp_path: Path) -> None:
    build, layout = inspect(candidate(installation), None)
    before = {path: path.read_bytes() for path in (layout.share / "extension").iterdir()}
    binaries = pin(build, layout, tmp_path / build.identifier, None)
    assert (binaries.folder / "bin" / "postgres").stat().st_nlink > 1
    assert {path: path.read_bytes() for path in (layout.share / "extension").iterdir()} == before


def test_what_an_interrupted_pinning_left_is_replaced(installation: Path, tmp_path: Path) -> None:
    build, layout = inspect(candidate(installation), None)
    for name in (f"{build.identifier}.partial", build.identifier):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "postgres").write_text("half")
    assert pinned(tmp_path / build.identifier) is None
    binaries = pin(build, layout, tmp_path / build.identifier, None)
    assert run([binaries.program("psql"), "--version"])
    assert [path.name for path in tmp_path.iterdir()] == [build.identifier]


def test_the_identifier_tells_the_contents_and_not_the_place(installation: Path, tmp_path: Path) -> None:
    here, _ = inspect(default_candidate(""), None)
    there, _ = inspect(candidate(installation), None)
    assert here.identifier == there.identifier
    assert here.identifier.startswith(f"{here.version}-")
    package = tmp_path / installation.parent.name
    subprocess.run(["cp", "-Rpl", str(installation.parent), str(package)], check=True)
    changed = package / "pginstall" / "share" / "extension" / "hstore.control"
    text = changed.read_text()
    changed.unlink()
    changed.write_text(f"{text}# longer\n")
    assert inspect(candidate(package / "pginstall"), None)[0].identifier != here.identifier


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
        inspect(candidate(folder), None)
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
        inspect(candidate(folder), None)
    assert refused.value.hint


def test_copies_that_nobody_uses_go_when_another_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for name in ("18.0-gone", "18.0-used"):
        (tmp_path / "postgresql" / name).mkdir(parents=True)
        (tmp_path / "template" / f"{name}-6-libc-C").mkdir(parents=True)
    builds = EngineBuilds(home, Settings(), lambda: None, lambda: {"18.0-used"})
    default = builds.default().identifier
    assert builds.pin(default) is builds.pin(default)
    assert {path.name for path in (tmp_path / "postgresql").iterdir()} == {default, "18.0-used"}
    assert [path.name for path in (tmp_path / "template").iterdir()] == ["18.0-used-6-libc-C"]


def test_a_copy_that_is_gone_with_its_build_is_told_with_what_to_install(tmp_path: Path) -> None:
    builds = EngineBuilds(Home(tmp_path), Settings(), lambda: None)
    with pytest.raises(MachineError, match=r"17\.1-0a1b2c3d") as refused:
        builds.pin("17.1-0a1b2c3d")
    assert "17" in refused.value.hint
