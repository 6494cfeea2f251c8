"""The locales of the system are listed when they may have changed, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroractl.core.errors import MachineError
from auroractl.system import locales


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder in the place of glibc's."""
    monkeypatch.setattr(locales, "_PLACES", (tmp_path, tmp_path / "locale-archive"))
    monkeypatch.setattr(locales, "find_program", lambda _name: "locale")
    return tmp_path


def test_a_locale_that_was_just_added_is_found(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A user adds it as a refusal says, and repeats the command; the supervisor goes on running."""
    listed = []

    def run(_argv: list[str]) -> str:
        listed.append(sorted(path.name for path in folder.iterdir()))
        return "\n".join(["C", *listed[-1]])

    monkeypatch.setattr(locales, "run", run)
    assert locales.system_locales() == locales.system_locales()
    assert len(listed) == 1
    (folder / "en_US.utf8").mkdir()
    assert "en_US.utf8" in locales.system_locales()


def test_a_listing_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    def fail(_argv: list[str]) -> str:
        raise MachineError("locale cannot be started.", "")

    assert folder.exists()
    monkeypatch.setattr(locales, "run", fail)
    assert locales.system_locales() == frozenset()
    monkeypatch.setattr(locales, "run", lambda _argv: "en_US.utf8\n")
    assert locales.system_locales() == {"en_US.utf8"}
