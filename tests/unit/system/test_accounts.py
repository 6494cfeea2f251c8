"""Which account the databases work under."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from auroractl.core.errors import ConfigurationError, MachineError
from auroractl.system import accounts
from auroractl.system.accounts import database_account, existing_account, named_account

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs databases under another account")
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of databases that belong to nobody."""
    path = tmp_path / "template"
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)
    return path


def test_a_home_keeps_its_account(folder: Path, tmp_path: Path) -> None:
    for folders in ([folder], [tmp_path, tmp_path / "gone", folder]):
        found = database_account("", folders)
        assert found is not None
        assert found.name == "nobody"


def test_the_setting_must_name_the_account_that_has_the_databases(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="belong to nobody"):
        database_account("daemon", [folder])
    assert database_account("nobody", [folder]) == named_account("nobody")
    assert database_account("daemon", []) == named_account("daemon")


@pytest.mark.parametrize(("run_as", "said"), [("root", "is root"), ("nobody-of-that-name", "no such account")])
def test_an_account_that_cannot_be(run_as: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        database_account(run_as, [])


def test_databases_of_an_account_that_is_gone(folder: Path) -> None:
    os.chown(folder, 54321, 54321)
    with pytest.raises(ConfigurationError, match="user 54321, and there is no such account"):
        database_account("", [folder])


def test_an_account_of_its_own_comes_before_that_of_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"auroractl", "postgres"}
    monkeypatch.setattr(pwd, "getpwnam", lambda name: _entry(name, known))
    assert (found := database_account("", [])) is not None
    assert found.name == "auroractl"

    def fail(*_: object) -> str:
        raise MachineError("useradd: it cannot be", "")

    monkeypatch.setattr(accounts, "run", fail)
    known.remove("auroractl")
    assert existing_account("", []) is None
    assert (found := database_account("", [])) is not None
    assert found.name == "postgres"
    known.remove("postgres")
    with pytest.raises(MachineError, match="none could be made"):
        database_account("", [])


@pytest.mark.parametrize(
    ("uid", "shell", "said"),
    [(1234, "/bin/bash", "has the shell /bin/bash"), (1234, "", "has the shell /bin/sh"), (0, "/bin/false", "is root")],
)
def test_an_account_of_that_name_that_people_log_in_as_is_taken_only_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, uid: int, shell: str, said: str
) -> None:
    monkeypatch.setattr(pwd, "getpwnam", lambda name: _entry(name, {"auroractl"}, uid, shell))
    with pytest.raises(ConfigurationError, match=said) as refused:
        database_account("", [])
    assert "run_as" in refused.value.hint
    assert existing_account("", []) == named_account("auroractl")
    if uid:
        assert database_account("auroractl", []) == named_account("auroractl")


def _entry(name: str, known: set[str], uid: int = 1234, shell: str = "/bin/false") -> pwd.struct_passwd:
    if name not in known:
        raise KeyError(name)
    return pwd.struct_passwd((name, "x", uid, uid, "", "/", shell))
