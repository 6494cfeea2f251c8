"""The locales of this system."""

from __future__ import annotations

import pytest

from auroractl.system import locales


def test_a_locale_that_was_just_added_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user adds it as a refusal says, and repeats the command; the supervisor goes on running."""
    monkeypatch.setattr(locales, "find_program", lambda _name: "locale")
    for listed, there in (("C\nPOSIX\n", False), ("C\nPOSIX\nen_US.utf8\n", True)):
        monkeypatch.setattr(locales, "run", lambda _argv, listed=listed: listed)
        assert ("en_US.utf8" in locales.system_locales()) is there
