"""Writing of TOML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit

from auroractl.core.text.visible import escaped


def write_toml(document: Mapping[str, Any]) -> str:
    """Write a document as TOML text in which no character is invisible or controls a terminal.

    >>> print(write_toml({"clusters": {"demo": {"readers": 2, "tags": {}}}}), end="")
    [clusters.demo]
    readers = 2
    <BLANKLINE>
    [clusters.demo.tags]
    """
    return escaped(tomlkit.dumps(document))
