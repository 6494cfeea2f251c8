"""The initialised data directory from which clusters are copied. initdb takes most of a second, a copy does not."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from auroractl.core.engine.locales import Locale, Provider
from auroractl.engine import aurora_sql, system_roles
from auroractl.engine.binaries import Binaries
from auroractl.engine.configuration import WAL_SEGMENT_MB, write_access_rules
from auroractl.engine.connections import ADMIN_DATABASE
from auroractl.engine.control_file import read_control_data
from auroractl.engine.secrets import ADMIN, REPLICATION, InternalSecrets
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_self
from auroractl.system.files import make_folder, make_folder_of, remove_tree, walk
from auroractl.system.programs import run

_REVISION = 10
"""Incremented when the contents of a template change."""

_SCRAM_ITERATIONS_SINCE = 16
# Iterations slow down guessing. 192 random bits cannot be guessed, and every internal connection would pay for the
# iterations.
_ROLES = """\
ALTER ROLE {admin} PASSWORD '{admin_password}';
CREATE ROLE {replication} LOGIN REPLICATION PASSWORD '{password}';
"""


def template_name(build: str, locale: Locale, system_locales: Iterable[str], *, with_aurora_sql: bool) -> str:
    """Return the name of the template of a build and a locale, with or without Aurora's functions.

    initdb makes a collation for each locale that the system has, so another template is made when that changes.

    >>> template_name("18.6-0a", Locale(Provider.LIBC, "C.UTF-8"), ["c.utf8"], with_aurora_sql=True)
    '18.6-0a-10-libc-C.UTF-8-55efa9af'
    """
    collations = f"{zlib.crc32(' '.join(sorted(system_locales)).encode()):08x}"
    return f"{build}-{_REVISION}{'' if with_aurora_sql else '-plain'}-{locale.label}-{collations}"


def ensure_template(
    target: Path,
    binaries: Binaries,
    locale: Locale,
    secrets: InternalSecrets,
    account: Account | None,
    *,
    with_aurora_sql: bool,
) -> None:
    """Make the template unless it exists; takes about a second. An interrupted attempt leaves nothing behind."""
    if target.exists():
        return
    aside = target.with_name(target.name + ".partial")
    with as_self():
        make_folder(target.parent, mode=0o755)
        remove_tree(aside)
    make_folder_of(aside, account)
    _initdb(aside, binaries, locale, account)
    statements = [_roles(binaries.major, secrets), *system_roles.roles(binaries.major)]
    of_every = (*system_roles.OF_EVERY_DATABASE, *(aurora_sql.STATEMENTS if with_aurora_sql else ()))
    _execute(aside, "template1", [*statements, *of_every], binaries, account)
    _execute(aside, "template0", of_every, binaries, account)
    _execute(aside, "postgres", [*of_every, *system_roles.create_database("file_copy")], binaries, account)
    _execute(aside, ADMIN_DATABASE, system_roles.contents(binaries.libraries), binaries, account)
    # Most clusters have sockets.
    write_access_rules(aside, sockets=True)
    _drop_derived(aside)
    _drop_spare_wal(aside, binaries, account)
    os.sync()
    with as_self():
        aside.rename(target)


def _roles(major: int, secrets: InternalSecrets) -> str:
    statements = _ROLES.format(
        admin=ADMIN, admin_password=secrets.admin, replication=REPLICATION, password=secrets.replication
    )
    return f"SET scram_iterations = 1;\n{statements}" if major >= _SCRAM_ITERATIONS_SINCE else statements


def _drop_derived(data: Path) -> None:
    """Remove files that the server recreates when it needs them: free space maps and visibility maps.

    They are a quarter of the files, and the time of a copy depends on the number of files
    (https://www.postgresql.org/docs/18/storage-vm.html, https://www.postgresql.org/docs/18/storage-fsm.html).
    """
    for folder, _, names in walk(data):
        for name in names:
            if name.endswith(("_fsm", "_vm")):
                Path(folder, name).unlink()


def _drop_spare_wal(data: Path, binaries: Binaries, account: Account | None) -> None:
    """Remove all WAL segments but the one from which a copy starts: they are a quarter of the bytes.

    A server makes the next segment when it needs it.
    """
    first = read_control_data(data, binaries, account)["Latest checkpoint's REDO WAL file"]
    for path in (data / "pg_wal").iterdir():
        if path.is_file() and path.name != first:
            path.unlink()


def _execute(data: Path, database: str, statements: Sequence[str], binaries: Binaries, account: Account | None) -> None:
    """Run statements in single-user mode, where with -j each ends with a semicolon and an empty line."""
    run(
        [binaries.program("postgres"), "--single", "-j", "-c", "exit_on_error=on", "-D", str(data), database],
        account=account,
        stdin="".join(
            f"{statement.strip().removesuffix(';')};\n\n" for text in statements for statement in text.split(";\n")
        ),
    )


def _locale_options(locale: Locale) -> tuple[str, ...]:
    match locale.provider:
        case Provider.LIBC:
            return ("--locale-provider=libc", f"--locale={locale.name}")
        case Provider.ICU:
            return ("--locale-provider=icu", f"--icu-locale={locale.name}", "--locale=C")
        case Provider.BUILTIN:
            return ("--locale-provider=builtin", f"--builtin-locale={locale.name}", "--locale=C")


def _initdb(data: Path, binaries: Binaries, locale: Locale, account: Account | None) -> None:
    run(
        [
            binaries.program("initdb"),
            f"--pgdata={data}",
            f"--username={ADMIN}",
            # No client can connect before the passwords are set and pg_hba.conf is written.
            "--auth=reject",
            "--encoding=UTF8",
            *_locale_options(locale),
            # The server's log is read for what it says.
            "--lc-messages=C",
            f"--wal-segsize={WAL_SEGMENT_MB}",
            "--data-checksums",
            "--no-sync",
            "--no-instructions",
        ],
        account=account,
    )
