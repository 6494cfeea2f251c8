"""Answers to CREATE EXTENSION of what a build lacks: PostgreSQL's own error, with a hint that says what has it.

The hint of PostgreSQL itself ("must first be installed on the system") cannot be changed. So a pinned build has a control
file for each extension of Aurora that it lacks, whose script does nothing but raise the error. It runs with the rights of
who calls it (`superuser = false`), and so can be abused for nothing. The views of available extensions leave these out;
only the functions below the views, which PostgreSQL does not document, show their version `absent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from auroractl.system.files import has_name, write_atomically

VERSION = "absent"
VIEWS = (
    """\
CREATE OR REPLACE VIEW pg_catalog.pg_available_extensions AS
SELECT e.name, e.default_version, x.extversion AS installed_version, e.comment
FROM pg_catalog.pg_available_extensions() AS e LEFT JOIN pg_catalog.pg_extension AS x ON e.name = x.extname
WHERE e.default_version IS DISTINCT FROM 'absent'
""",
    """\
CREATE OR REPLACE VIEW pg_catalog.pg_available_extension_versions AS
SELECT e.name, e.version, x.extname IS NOT NULL AS installed, e.superuser, e.trusted, e.relocatable, e.schema,
  e.requires, e.comment
FROM pg_catalog.pg_available_extension_versions() AS e
LEFT JOIN pg_catalog.pg_extension AS x ON e.name = x.extname AND e.version = x.extversion
WHERE e.version <> 'absent'
""",
)
"""The views of PostgreSQL (src/backend/catalog/system_views.sql, the same in 15 to 18) without what is absent."""
_CONTROL = f"""\
comment = 'Not in this build of PostgreSQL'
default_version = '{VERSION}'
superuser = false
relocatable = true
"""
_SCRIPT = """\
DO LANGUAGE plpgsql $auroractl$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'feature_not_supported', MESSAGE = {message}, HINT = {hint};
END
$auroractl$;
"""
_MODE = 0o644


def mark_absent(extension_folder: Path, remedies: Mapping[str, str]) -> None:
    """Answer for these extensions with a remedy, in a pinned build's folder `extension`, and for no others.

    What the build has is left as it is. Raises MachineError if the folder cannot be written.
    """
    for name in marked(extension_folder):
        if name not in remedies:
            (extension_folder / f"{name}.control").unlink(missing_ok=True)
            _script(extension_folder, name).unlink(missing_ok=True)
    for name, hint in remedies.items():
        control = extension_folder / f"{name}.control"
        if has_name(control) and not has_name(_script(extension_folder, name)):
            continue
        message = f'extension "{name}" is not available'
        script = _SCRIPT.format(message=_literal(message), hint=_literal(hint))
        # PostgreSQL knows an extension by its control file, so that comes last.
        write_atomically(_script(extension_folder, name), script, mode=_MODE)
        if not has_name(control):
            write_atomically(control, _CONTROL, mode=_MODE)


def marked(extension_folder: Path) -> set[str]:
    """Return the extensions for which a folder has an answer."""
    return {path.name.removesuffix(f"--{VERSION}.sql") for path in extension_folder.glob(f"*--{VERSION}.sql")}


def present(extension_folder: Path) -> set[str]:
    """Return the extensions that a folder really has."""
    return {path.stem for path in extension_folder.glob("*.control")} - marked(extension_folder)


def _script(extension_folder: Path, name: str) -> Path:
    return extension_folder / f"{name}--{VERSION}.sql"


def _literal(text: str) -> str:
    """Quote a text for a script, which may be read with any setting of standard_conforming_strings."""
    return "'{}'".format(text.replace("\\", "/").replace("'", "''"))
