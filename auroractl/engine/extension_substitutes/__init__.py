"""Extensions written in SQL, for PostgreSQL builds that do not ship the real ones.

Their versions end in `-sql` and their comments say what they lack, so that `\\dx` shows which one a database has.
"""

from __future__ import annotations

from pathlib import Path

from auroractl.system.files import has_name, write_durably

FOLDER = Path(__file__).parent
_MODE = 0o644


NAMES = frozenset(path.stem for path in FOLDER.glob("*.control"))


def add_substitutes(extension_folder: Path) -> list[str]:
    """Add the extensions that a build does not ship to its folder `extension`; return their names.

    What the build ships is left as it is. The control file comes last, because PostgreSQL knows an extension by it.
    Raises MachineError if the folder cannot be written.
    """
    added = []
    for control in sorted(FOLDER.glob("*.control")):
        if has_name(extension_folder / control.name):
            continue
        for file in (*sorted(FOLDER.glob(f"{control.stem}--*.sql")), control):
            write_durably(extension_folder / file.name, file.read_text(encoding="utf-8"), mode=_MODE)
        added.append(control.stem)
    return added
