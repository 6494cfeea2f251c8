"""Generator of the published JSON schema: python -m auroractl.cli.schemas docs/cluster.schema.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from auroractl.declarations.model import file_schema


def text() -> str:
    """Return the schema of the file that apply reads."""
    return json.dumps(file_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text())
