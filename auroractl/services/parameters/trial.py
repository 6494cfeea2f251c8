"""A server on which parameters are tried or described: a copy of a template, removed afterwards.

HOME/template/trial/    data/ and postgresql.log
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from auroractl.core.address import Address
from auroractl.core.errors import EngineError, InvalidParameterValue, TimedOut
from auroractl.core.parameters.model import Definition
from auroractl.core.parameters.ownership import LIBRARIES
from auroractl.core.volume.quorum import Quorum
from auroractl.engine import configuration, server_parameters
from auroractl.engine.connections import Access, socket_fits
from auroractl.engine.server import Server, end_all_below
from auroractl.runtime.installation import Engine
from auroractl.runtime.runtime import Runtime
from auroractl.system.file_credentials import as_self
from auroractl.system.files import copy_tree, make_folder_of, remove_tree, tail
from auroractl.system.ports import free_port
from auroractl.system.waiting import held

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 30.0
_LOCK_TIMEOUT_S = 120.0
_COMPLAINT = re.compile(r"(?:LOG: .*?(?=invalid|unrecognized|parameter)|FATAL: +)(.*)")
_ONLY_PRELOADED = frozenset({"pgaudit", "pg_cron", "pg_hint_plan"})
"""Libraries that describe their parameters only if they were preloaded."""


def tried(runtime: Runtime, engine: Engine, settings: Mapping[str, str]) -> dict[str, str]:
    """Start a server with the settings of parameter groups; return the values that it has then, in its own units.

    Raises InvalidParameterValue in the server's words if it does not start with them.
    """
    with _server(runtime, engine, settings) as server:
        access = _started(runtime, server)
        try:
            return server_parameters.values(access, settings)
        except (EngineError, TimedOut) as error:
            raise InvalidParameterValue(
                f"A server with these values accepts no session: {error.message.rpartition('FATAL: ')[2].strip()}.",
                "Nothing was changed; choose other values",
            ) from error


def described(runtime: Runtime, engine: Engine) -> list[Definition]:
    """Ask a server which parameters there are, with those of the libraries that groups may preload."""
    there = libraries(runtime, engine)
    settings = {"shared_preload_libraries": ",".join(there)} if _ONLY_PRELOADED & set(there) else {}
    with _server(runtime, engine, settings) as server:
        return server_parameters.definitions(_started(runtime, server), there)


def libraries(runtime: Runtime, engine: Engine) -> tuple[str, ...]:
    """Return the libraries of the allow-list that a build has."""
    there = runtime.installation.builds.pin(engine.build).libraries
    return tuple(name for name in LIBRARIES if name in there)


def own_configuration(
    runtime: Runtime, engine: Engine, settings: Mapping[str, str], port: int = 0
) -> dict[str, str | int]:
    """Return the configuration of a writer with the settings of groups, whose commits wait for nothing."""
    installation, folder = runtime.installation, runtime.home.trial
    return configuration.server_configuration(
        "trial",
        Address(_HOST, port),
        installation.server_settings(installation.builds.pin(engine.build)),
        configuration.VolumeSettings(Quorum(0, frozenset())),
        None,
        folder / "pgpass",
        folder / "recovery",
        None,
        chosen=settings,
    )


def _started(runtime: Runtime, server: Server) -> Access:
    try:
        server.start(_START_TIMEOUT_S)
    except (EngineError, TimedOut) as error:
        raise InvalidParameterValue(
            f"PostgreSQL does not start with these values: {_reason(server) or error.message}",
            "Nothing was changed; choose a value with which it starts",
        ) from error
    return server.access(runtime.installation.secrets.admin)


def _reason(server: Server) -> str:
    """Return the server's first complaint: about a value, or the one with which it ended."""
    return next(iter(_COMPLAINT.findall(tail(server.log, 50))), "")


@contextmanager
def _server(runtime: Runtime, engine: Engine, settings: Mapping[str, str]) -> Iterator[Server]:
    installation, home = runtime.installation, runtime.home
    template = installation.template_of(engine)
    sockets = home.trial_sockets if socket_fits(home.trial_sockets) else None
    server = Server(
        name="the trial",
        data=home.trial / "data",
        log=home.trial / "postgresql.log",
        address=Address(_HOST, free_port(_HOST)),
        binaries=installation.builds.pin(engine.build),
        account=installation.account,
        socket_folder=sockets,
    )
    with held(runtime.trial_lock, "other parameters are being tried", _LOCK_TIMEOUT_S):
        _remove(server)
        try:
            make_folder_of(home.trial, installation.account)
            copy_tree(template, server.data, installation.account)
            installation.make_socket_folder(server)
            values = {
                **own_configuration(runtime, engine, settings, server.address.port),
                "listen_addresses": "" if sockets else server.address.host,
                "unix_socket_directories": configuration.socket_directories(sockets),
                "restore_command": "",
                "fsync": "off",
            }
            configuration.write_configuration(server.data, values, standby=False, sockets=sockets is not None)
            yield server
        finally:
            _remove(server)


def _remove(server: Server) -> None:
    """Remove the server, or what an interrupted attempt left."""
    folder = server.data.parent
    end_all_below(folder)
    with as_self():
        remove_tree(folder)
    if server.socket_folder is not None:
        remove_tree(server.socket_folder)
