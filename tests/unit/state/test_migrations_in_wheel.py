"""The migration scripts and the extensions in SQL reach those who install a wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import auroractl

pytest.importorskip("hatchling", reason="hatchling builds the wheel and is not installed")

CHECKOUT = Path(auroractl.__file__).parent.parent
USE = """
import sys
from pathlib import Path
import auroractl
from auroractl.state import schema
from auroractl.state.database import open_database
assert schema.SHIPPED.scripts == Path(auroractl.__file__).parent / "migrations", schema.SHIPPED
assert Path(sys.argv[1]) in schema.SHIPPED.scripts.parents
from sqlalchemy import create_engine
engine = create_engine("sqlite:///state.db")
schema.upgrade(engine, schema.SHIPPED)
engine.dispose()
open_database(Path("state.db"), Path("state-backups")).close()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of what the checkout has, built in a copy so that nothing is written into the checkout."""
    if not (CHECKOUT / "pyproject.toml").exists():
        pytest.skip("not run from a checkout")
    project, dist = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, project)
    for name in ("auroractl", "migrations"):
        shutil.copytree(CHECKOUT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    compiled = project / "migrations" / "__pycache__" / "env.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.touch()
    targets = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    for name in targets["wheel"]["shared-data"]:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(dist)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (built,) = dist.glob("*.whl")
    return built


def test_it_has_the_scripts(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("auroractl/migrations/")}
    scripts = {path.relative_to(CHECKOUT) for path in (CHECKOUT / "migrations").rglob("*.py")}
    assert names == {f"auroractl/{script.as_posix()}" for script in scripts}
    assert "auroractl/migrations/env.py" in names


def test_it_has_the_extensions(wheel: Path) -> None:
    folder = Path("auroractl/engine/extension_substitutes")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if Path(name).parent == folder}
    files = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / folder).iterdir() if path.is_file()}
    assert names == files
    assert {Path(name).suffix for name in names} == {".py", ".control", ".sql"}


def test_it_uses_them(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    subprocess.run([sys.executable, "-c", USE, str(installed)], cwd=tmp_path, env=environment, check=True)
