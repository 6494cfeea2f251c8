"""Writes the JSON schema that is published: python -m auroractl.cli.schemas docs/cluster.schema.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from auroractl.core.declarations.model import file_schema


def text() -> str:
    """The schema of the file that apply reads, as it is published."""
    return json.dumps(file_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text())
