"""The SQL versions of extensions are added to builds that do not ship the real ones, and only to those."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from auroractl.core.errors import MachineError
from auroractl.engine.extension_substitutes import FOLDER, add_substitutes
from auroractl.engine.trusted_extensions import trust_extensions, untrusted

FILES = ["pgcrypto--1.4-sql.sql", "pgcrypto.control", "uuid-ossp--1.1-sql.sql", "uuid-ossp.control"]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_build_without_them_gets_both(tmp_path: Path) -> None:
    assert add_substitutes(tmp_path) == ["pgcrypto", "uuid-ossp"]
    assert _names(tmp_path) == FILES
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
        status = (tmp_path / name).lstat()
        assert stat.S_ISREG(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == 0o644
    assert add_substitutes(tmp_path) == []


def test_what_the_build_ships_stays(tmp_path: Path) -> None:
    shipped = tmp_path / "pgcrypto.control"
    shipped.write_text("default_version = '1.4'\n")
    assert add_substitutes(tmp_path) == ["uuid-ossp"]
    assert shipped.read_text() == "default_version = '1.4'\n"
    assert _names(tmp_path) == FILES[1:]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "extension", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text("mine")
    (folder / "pgcrypto.control").symlink_to(tmp_path / "missing")
    (folder / "uuid-ossp--1.1-sql.sql").symlink_to(elsewhere)
    assert add_substitutes(folder) == ["uuid-ossp"]
    assert elsewhere.read_text() == "mine"
    assert not (tmp_path / "missing").exists()


def test_an_interrupted_addition_is_completed(tmp_path: Path) -> None:
    (tmp_path / "pgcrypto--1.4-sql.sql").write_text("half of")
    assert add_substitutes(tmp_path) == ["pgcrypto", "uuid-ossp"]
    assert (tmp_path / FILES[0]).read_bytes() == (FOLDER / FILES[0]).read_bytes()


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="pgcrypto"):
        add_substitutes(tmp_path / "missing")


@pytest.mark.parametrize("name", ["pgcrypto", "uuid-ossp"])
def test_the_control_file_says_what_it_is(name: str) -> None:
    control = (FOLDER / f"{name}.control").read_text()
    assert re.search(r"^comment = '.*auroractl''s SQL version: .*'$", control, re.MULTILINE)
    version = re.search(r"^default_version = '(.*-sql)'$", control, re.MULTILINE)
    assert version
    assert (FOLDER / f"{name}--{version[1]}.sql").exists()


def test_the_scripts_meet_the_rules_for_trusted_extensions(tmp_path: Path) -> None:
    add_substitutes(tmp_path)
    for control in tmp_path.glob("*.control"):
        control.write_text(control.read_text().replace("trusted = true\n", ""))
    assert set(untrusted(tmp_path, 18)) == {"pgcrypto", "uuid-ossp"}
    trust_extensions(tmp_path, 18)
    assert untrusted(tmp_path, 18) == {}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.sql")), ids=lambda path: path.name)
def test_no_function_depends_on_a_search_path(path: Path) -> None:
    """PL/pgSQL bodies are read at each call, so they fix their path; the others are parsed at creation."""
    functions = re.findall(r"^CREATE FUNCTION .*?;\n(?:\n|\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
    assert len(functions) > 10
    for function in functions:
        if "LANGUAGE plpgsql" in function:
            assert "\nSET search_path = pg_catalog, pg_temp\nAS $$\n" in function, function
        else:
            assert re.search(r"^(RETURN|BEGIN ATOMIC)\b", function, re.MULTILINE), function
