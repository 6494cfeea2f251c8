"""Settings are refused where they are written and not where a server meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import load_settings
from auroractl.core.errors import ConfigurationError


@pytest.mark.parametrize("key", ["shared_buffers", "max_wal_size", "wal_keep_size"])
@pytest.mark.parametrize("value", ["16MiB", "16", "16 mb", "much", "", "-1GB", "1GB2"])
def test_sizes_of_postgresql_have_its_units(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"AURORACTL_{key.upper()}: {key} must be a size") as caught:
        load_settings(Home(tmp_path), {f"AURORACTL_{key.upper()}": value})
    assert "kB, MB, GB or TB" in caught.value.hint


@pytest.mark.parametrize("value", ["64kB", "128MB", "1 GB", "2TB"])
def test_what_postgresql_reads_is_taken(tmp_path: Path, value: str) -> None:
    assert load_settings(Home(tmp_path), {"AURORACTL_MAX_WAL_SIZE": value}).max_wal_size == value


@pytest.mark.parametrize(("text", "value"), [("true", True), ("ON", True), ("1", True), ("false", False), ("0", False)])
def test_a_truth_is_read_from_the_environment(tmp_path: Path, text: str, value: bool) -> None:
    found = load_settings(Home(tmp_path), {"AURORACTL_ENFORCE_SYNCHRONOUS_COMMIT": text})
    assert found.enforce_synchronous_commit is value


@pytest.mark.parametrize("line", ["true", "false"])
def test_a_truth_is_read_from_the_file(tmp_path: Path, line: str) -> None:
    (tmp_path / "config.toml").write_text(f"enforce_synchronous_commit = {line}\n")
    assert load_settings(Home(tmp_path), {}).enforce_synchronous_commit is (line == "true")


def test_another_word_is_no_truth(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'maybe' is not true or false") as caught:
        load_settings(Home(tmp_path), {"AURORACTL_ENFORCE_SYNCHRONOUS_COMMIT": "maybe"})
    assert "Set AURORACTL_ENFORCE_SYNCHRONOUS_COMMIT to true or false" in caught.value.hint


@pytest.mark.parametrize("line", ['"true"', "1"])
def test_a_truth_in_the_file_is_no_text_and_no_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "config.toml").write_text(f"enforce_synchronous_commit = {line}\n")
    with pytest.raises(ConfigurationError, match="must be true or false") as caught:
        load_settings(Home(tmp_path), {})
    assert caught.value.hint == "The default is false"


@pytest.mark.parametrize("value", ["", ".", "a..b", "-a", "A.com", "a.com.", "a b", "a\n", "é.com", "x" * 64])
def test_an_impossible_end_of_dns_names_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="dns_suffix must be the end of a DNS name"):
        load_settings(Home(tmp_path), {"AURORACTL_DNS_SUFFIX": value})


@pytest.mark.parametrize("value", ["127.0.0.1:5380", "127.9.8.255:65535"])
def test_dns_is_served_on_a_loopback_address(tmp_path: Path, value: str) -> None:
    assert load_settings(Home(tmp_path), {"AURORACTL_DNS": value}).dns == value


@pytest.mark.parametrize(
    "value",
    ["5380", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "0.0.0.0:53", "10.0.0.1:53", "[::1]:53", "127.0.0.256:5"],
)
def test_dns_is_served_nowhere_else(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="dns must be a loopback address and a port"):
        load_settings(Home(tmp_path), {"AURORACTL_DNS": value})
