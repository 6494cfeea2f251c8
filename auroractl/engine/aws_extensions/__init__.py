"""The names of AWS's own extensions, for schemas that mention them. Their functions raise an error when they are called."""

from __future__ import annotations

from pathlib import Path

from auroractl.system.files import has_name, write_durably

FOLDER = Path(__file__).parent
_FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in {".control", ".sql"})
_MODE = 0o644


def allow_aws_extensions(extension_folder: Path, *, allowed: bool) -> None:
    """Add the extensions to a pinned build's folder `extension`, or remove them. Repeating it changes nothing.

    Raises MachineError if the folder cannot be written.
    """
    for file in sorted(_FILES, key=lambda path: path.suffix == ".control"):
        there = extension_folder / file.name
        if not allowed:
            there.unlink(missing_ok=True)
        elif not has_name(there):
            write_durably(there, file.read_text(encoding="utf-8"), mode=_MODE)
