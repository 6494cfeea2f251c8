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
