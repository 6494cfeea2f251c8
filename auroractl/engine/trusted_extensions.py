"""Extensions that the master user may create, although PostgreSQL itself asks for a superuser.

PostgreSQL's own means is `trusted = true` in an extension's control file
(https://www.postgresql.org/docs/18/extend-extensions.html): anyone who may create objects in the current database may
create the extension. The extension is the creator's. Its script runs as the bootstrap superuser, who owns the contents.

The script is the risk. While it runs, its target schema is first on the search path after pg_catalog, and a client
may have put functions and operators of its own there. Three rules keep them from being called as the superuser:

- PostgreSQL refuses to replace an object that is not part of the extension (CVE-2022-2625).
- A script is accepted only if all of its statements are definitions (`_DEFINITIONS`), also those of every update. They
  store an expression, or the name of a function, and run neither. A DO block, SELECT, INSERT or CREATE TABLE would.
- No accepted script makes a function SECURITY DEFINER or an event trigger, except for those in `_REVIEWED`.

An extension whose author already declared it trusted is left as it is.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from auroractl.core.engine.extensions import NEVER_TRUSTED, may_create
from auroractl.system.files import write_durably

_DEFINITIONS = re.compile(
    r"""(CREATE\ (OR\ REPLACE\ )?(FUNCTION|PROCEDURE|AGGREGATE|VIEW|OPERATOR|TYPE|DOMAIN|CAST|ACCESS\ METHOD
        |FOREIGN\ DATA\ WRAPPER|TEXT\ SEARCH)
      |ALTER\ (EXTENSION|FUNCTION|OPERATOR|TYPE|VIEW)|COMMENT\ ON|GRANT|REVOKE
      |DROP\ (FUNCTION|VIEW|CAST|OPERATOR|AGGREGATE)|SET\ LOCAL\ client_encoding
      |SELECT\ pg_catalog\.pg_extension_config_dump\(\ ?'',\ ?''\ ?\)$)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_POWERS = re.compile(r"SECURITY DEFINER|CREATE EVENT TRIGGER", re.IGNORECASE)
_REVIEWED = {
    "dblink": "SECURITY DEFINER: dblink_connect_u, which the same script revokes from PUBLIC",
    "pgaudit": "its two event triggers, whose functions only log and pin their search path",
}
"""Extensions with statements that are accepted after a review, and what was reviewed."""
_RUNS_STATEMENTS = "its script runs statements that a client could redirect to code of its own"
_UNREACHABLE = {"intagg--1.0--1.1.sql"}
"""Updates from versions that can no longer be created: there is no script that makes the older version."""

_FOR_MEMBERS = """
-- Added by auroractl: rds_superuser may use it, as on Aurora.
DO $auroractl$
DECLARE
  command pg_catalog.text;
BEGIN
  FOR command IN {commands} LOOP
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'rds_superuser'::pg_catalog.name) THEN
      EXECUTE command;
    END IF;
  END LOOP;
END
$auroractl$;
"""
_WRAPPER = "SELECT 'GRANT USAGE ON FOREIGN DATA WRAPPER {name} TO rds_superuser'::pg_catalog.text"
_FUNCTIONS = """
    SELECT pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO rds_superuser', p.oid::pg_catalog.regprocedure)
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) p.oid
      AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
      AND d.deptype OPERATOR(pg_catalog.=) 'e'::pg_catalog."char"
    JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
      AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
    WHERE e.extname OPERATOR(pg_catalog.=) '{extension}'::pg_catalog.name
      AND p.proname OPERATOR(pg_catalog.=) '{name}'::pg_catalog.name"""
_USES = {
    "dblink": ("CREATE FOREIGN DATA WRAPPER dblink_fdw", _WRAPPER.format(name="dblink_fdw")),
    "postgres_fdw": ("CREATE FOREIGN DATA WRAPPER postgres_fdw", _WRAPPER.format(name="postgres_fdw")),
    "pg_stat_statements": (
        "CREATE FUNCTION pg_stat_statements_reset",
        _FUNCTIONS.format(extension="pg_stat_statements", name="pg_stat_statements_reset"),
    ),
}
"""What belongs to a superuser after the script, and what rds_superuser may use of it: in the scripts that create it."""


def trust_extensions(extension_folder: Path, major: int) -> None:
    """Make the allowed extensions of a build trusted, and give rds_superuser the use of their contents.

    `extension_folder` is a build's `share/extension`, and must be our own copy. Files are written again and renamed
    into place, so that a hard link or symbolic link leads nowhere. Repeating it changes nothing. Raises MachineError.
    """
    for control in sorted(extension_folder.glob("*.control")):
        name = control.stem
        if not may_create(name, major) or name in NEVER_TRUSTED:
            continue
        scripts = sorted(extension_folder.glob(f"{name}--*.sql"))
        text = control.read_text(encoding="utf-8")
        if _asks_for_superuser(text):
            elsewhere = _declares(text, "directory", None)
            if elsewhere or not scripts or not all(_only_defines(name, script) for script in scripts):
                continue
            _replace(control, text.rstrip("\n") + "\ntrusted = true\n")
        for script in scripts:
            _give_use(name, script)


def untrusted(extension_folder: Path, major: int) -> dict[str, str]:
    """Return the extensions that AWS lists and that stay a superuser's in a build, each with the reason."""
    found = {}
    for control in sorted(extension_folder.glob("*.control")):
        if may_create(control.stem, major) and _asks_for_superuser(control.read_text(encoding="utf-8")):
            found[control.stem] = NEVER_TRUSTED.get(control.stem, _RUNS_STATEMENTS)
    return found


def _asks_for_superuser(control: str) -> bool:
    return not _declares(control, "trusted", "true") and not _declares(control, "superuser", "false")


def _declares(control: str, key: str, value: str | None) -> bool:
    """Return whether a control file gives a key this value, or any; the last line counts, as in PostgreSQL."""
    found = re.findall(rf"^\s*{key}\s*=\s*'?([^'\s]+)'?", control, re.MULTILINE | re.IGNORECASE)
    return bool(found) and value in {None, found[-1].lower()}


def _only_defines(name: str, script: Path) -> bool:
    if script.name in _UNREACHABLE:
        return True
    for statement in _statements(script.read_text(encoding="utf-8")):
        if _POWERS.search(statement):
            if name not in _REVIEWED:
                return False
        elif not _DEFINITIONS.match(statement):
            return False
    return True


def _statements(script: str) -> Iterator[str]:
    r"""Split a script into statements, without comments and with empty literals.

    >>> list(_statements("/* x; */ CREATE FUNCTION f() AS $$ a; b $$; -- c;\nSELECT 'd;'"))
    ['CREATE FUNCTION f() AS $$', "SELECT ''"]
    """
    text = re.sub(r"^\\.*$", "", script, flags=re.MULTILINE)
    dropped = r"(/\*.*?\*/|--[^\n]*)|\$(\w*)\$.*?\$\2\$|'(?:[^']|'')*'|\bBEGIN ATOMIC\b.*?\bEND\b"
    text = re.sub(
        dropped, lambda found: " " if found[1] else "''" if found[0][0] == "'" else "$$", text, flags=re.DOTALL
    )
    for statement in text.split(";"):
        if words := " ".join(statement.split()):
            yield words


def _give_use(name: str, script: Path) -> None:
    created, commands = _USES.get(name, ("", ""))
    text = script.read_text(encoding="utf-8")
    if not created or "$auroractl$" in text:
        return
    if any(statement.upper().startswith(created.upper()) for statement in _statements(text)):
        _replace(script, text.rstrip("\n") + "\n" + _FOR_MEMBERS.format(commands=commands))


def _replace(path: Path, text: str) -> None:
    write_durably(path, text, mode=stat.S_IMODE(path.stat().st_mode))
