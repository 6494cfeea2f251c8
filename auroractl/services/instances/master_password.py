"""The master user's password: kept in a file that only the supervisor's user can read, and set in the database.

A change is written to the file before it is made, and the old password is replaced after it. So a change that a crash
interrupts is finished by the next supervisor. Earlier passwords are kept for states of the past, which still have them.
"""

from __future__ import annotations

from typing import Any

import psycopg

from auroractl.core.errors import AuroraError, EngineError, MachineError
from auroractl.engine import passwords, sql
from auroractl.engine.connections import Access
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.system.file_credentials import as_self
from auroractl.system.files import make_folder, read_json, write_json

_CURRENT, _NEXT, _FORMER = "master", "next", "former"
_FORMER_MAX = 20
_STATEMENT_TIMEOUT_S = 10.0
_CHANGED = "The password of the master user was changed"
_NOT_CHANGED = "The password of the master user could not be set"


def keep_master_password(cluster: ManagedCluster, password: str) -> None:
    """Store the password of a new cluster."""
    cluster.installation.make_cluster_folders(cluster.name)
    with as_self():
        make_folder(cluster.runtime.home.run)
        write_json(cluster.paths.secrets, {_CURRENT: password})


def master_password(cluster: ManagedCluster) -> str:
    """Return the master user's password. Raises MachineError if its file is gone."""
    return str(_read(cluster)[_CURRENT])


def password_at(cluster: ManagedCluster, access: Access) -> str:
    """Return the master user's password in a recovered copy: the one of that time. Raises EngineError, MachineError."""
    kept = _read(cluster)
    former = [str(password) for password in kept.get(_FORMER, ())]
    if not former:
        return str(kept[_CURRENT])
    with sql.session(access, statement_timeout_s=_STATEMENT_TIMEOUT_S) as connection:
        verifier = passwords.stored_verifier(connection, cluster.row().master_username)
    return next((each for each in former if passwords.verifies(verifier, each)), str(kept[_CURRENT]))


def change_master_password(cluster: ManagedCluster, password: str) -> None:
    """Change the master user's password in the database and in the file.

    Raises EngineError. Nothing is changed then, unless the writer stopped answering in the middle: the message says so,
    and the change is finished as soon as it answers.
    """
    kept = _read(cluster)
    writer = cluster.writer()
    _write(cluster, {**kept, _NEXT: password})
    cluster.memory.password_settled = False
    sent = False
    try:
        with sql.session(cluster.installation.access(writer), statement_timeout_s=_STATEMENT_TIMEOUT_S) as connection:
            sent = True
            passwords.set_password(connection, cluster.row().master_username, password)
    except AuroraError as error:
        if sent and not _is_refusal(error):
            raise EngineError(
                f"The writer did not confirm the new password: {error.message}",
                "It is set again as soon as the writer answers; describe-events then says so",
            ) from error
        _write(cluster, kept)
        cluster.memory.password_settled = True
        raise
    _replace(cluster, kept, password)


def settle(cluster: ManagedCluster) -> None:
    """Finish a change that was interrupted. Raises EngineError if the writer does not answer."""
    kept = _read(cluster)
    if _NEXT in kept:
        password = str(kept.pop(_NEXT))
        if _set(cluster, password):
            _replace(cluster, kept, password)
        else:
            _write(cluster, kept)
    cluster.memory.password_settled = True


def set_kept_password(cluster: ManagedCluster) -> None:
    """Set the kept password in a past state that was brought back, which may have an earlier one. Raises EngineError."""
    kept = _read(cluster)
    if kept.get(_FORMER):
        _set(cluster, str(kept[_CURRENT]))


def _set(cluster: ManagedCluster, password: str) -> bool:
    """Set the password in the database; return False, with an event, if the writer refuses it."""
    access = cluster.installation.access(cluster.writer())
    try:
        with sql.session(access, statement_timeout_s=_STATEMENT_TIMEOUT_S) as connection:
            passwords.set_password(connection, cluster.row().master_username, password)
    except EngineError as error:
        if not _is_refusal(error):
            raise
        events.record(cluster, events.PASSWORD, cluster.name, f"{_NOT_CHANGED}: {error.message}")
        return False
    return True


def _replace(cluster: ManagedCluster, kept: dict[str, Any], password: str) -> None:
    former = [str(kept[_CURRENT]), *kept.get(_FORMER, ())][:_FORMER_MAX]
    _write(cluster, {_CURRENT: password, _FORMER: [each for each in former if each != password]})
    cluster.memory.password_settled = True
    events.record(cluster, events.PASSWORD, cluster.name, _CHANGED)


def _is_refusal(error: AuroraError) -> bool:
    return isinstance(error.__cause__, psycopg.Error) and error.__cause__.sqlstate is not None


def _read(cluster: ManagedCluster) -> dict[str, Any]:
    path = cluster.paths.secrets
    with as_self():
        document = read_json(path)
    if document is None:
        raise MachineError(f"The password of DBCluster {cluster.name} is gone: {path} does not exist.", "")
    return document


def _write(cluster: ManagedCluster, document: dict[str, Any]) -> None:
    with as_self():
        write_json(cluster.paths.secrets, document)
