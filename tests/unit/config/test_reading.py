"""Files that a person names, and declarations at and beyond their limits."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from auroractl.config.paths import Home, find_home, user_config
from auroractl.config.reading import SIZE_MAX_BYTES
from auroractl.config.settings import Settings, load_settings
from auroractl.core.errors import AuroraError, ConfigurationError
from auroractl.declarations.file import read_file

DECLARATION = "[clusters.demo]\nreaders = 1\n"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a = " + "[" * 100_000, "deeper than 16 levels"),
        ("a = " + "[" * 300 + "]" * 300, "deeper than 16 levels"),
        ("a = " + "{b = " * 300 + "1" + "}" * 300, "deeper than 16 levels"),
        (".".join(["a"] * 100_000) + " = 1", "deeper than 16 levels"),
        (f"[{'.'.join(['a'] * 100_000)}]", "deeper than 16 levels"),
        ("# " + "x" * SIZE_MAX_BYTES, "larger than 1 MiB"),
        (f"a = {'9' * 5000}", "digits"),
        (f"[clusters.demo]\nreaders = '{'x' * 100_000}'", "must be a whole number"),
        ("a = \x00", "line 1"),
    ],
)
def test_a_declaration_beyond_the_limits_is_refused_with_a_sentence(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(content)
    with pytest.raises(AuroraError, match=sentence) as refused:
        read_file(str(file))
    assert refused.value.hint
    assert len(refused.value.message) < 1000


def test_a_declaration_of_just_1_mib_is_read(tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(DECLARATION + "#" * (SIZE_MAX_BYTES - len(DECLARATION)))
    assert len(read_file(str(file)).declared.clusters) == 1


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    with pytest.raises(ConfigurationError, match="not a regular file") as refused:
        read_file(str(path))
    assert "- for stdin" in refused.value.hint
    monkeypatch.setenv("AURORACTL_CONFIG", str(path))
    with pytest.raises(ConfigurationError, match="not a regular file"):
        load_settings(Home(tmp_path), {})


class _Endless(io.RawIOBase):
    """stdin that never ends."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        buffer[:] = b"#" * len(buffer)
        return len(buffer)


def test_stdin_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = io.BufferedReader(_Endless())  # type: ignore[type-var]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(endless))
    with pytest.raises(ConfigurationError, match="stdin cannot be read: it is larger than 1 MiB"):
        read_file("-")


def test_no_settings_file_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORACTL_CONFIG", os.devnull)
    assert load_settings(Home(tmp_path), {}) == Settings()


def test_an_account_without_a_home_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a uid of no account, with nothing in the environment."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CONFIG_HOME", "AURORACTL_CONFIG", "AURORACTL_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert user_config() == Path("/.config/auroractl/config.toml")
    with pytest.raises(ConfigurationError, match="has no home folder") as refused:
        find_home(None)
    assert "AURORACTL_HOME" in refused.value.hint
    with pytest.raises(ConfigurationError, match="no such home folder"):
        find_home("~nobody-of-this-name/x")
