"""Aurora's functions that inject faults: what they leave for the supervisor, and what it answers.

A function of a database cannot reach the supervisor, and on a reader it can change nothing but a file. So the internal
superuser, as whom these functions run, writes a request into the data directory, and the supervisor answers with a file
beside it. Of a request nothing is trusted but its kind, bounded numbers and a name to compare with. Only rds_superuser may
call the functions, and no client may call what they have in common. These privileges are noted as those of initdb, or
pg_dump would write them into every dump.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from auroractl.core.errors import InvalidParameterValue, MachineError
from auroractl.core.text.bounded_json import bounded_object
from auroractl.system.files import has_name, write_atomically
from auroractl.system.safe_open import NotOurs, read_regular

_REQUEST = "pg_stat_tmp/auroractl_fault_request.json"
_ANSWER = "pg_stat_tmp/auroractl_fault_answer.json"
_REQUEST_BYTES_MAX = 1024
_ANSWER_CHARACTERS_MAX = 500
_WAIT_S = 10
"""How long a function waits for the answer. An older request is not carried out."""
SECONDS_MAX = 86_400
DELAY_MAX_MS = 100
"""Aurora's limit for the delay of a congested disk."""

_AS_SUPERUSER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"
_ASK = f"""\
CREATE OR REPLACE FUNCTION pg_catalog.auroractl_inject_fault(asked jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE {_AS_SUPERUSER} AS $$
DECLARE
  own text := pg_catalog.md5(pg_catalog.concat(pg_catalog.pg_backend_pid(), pg_catalog.clock_timestamp()))
; answer jsonb
; file text := pg_catalog.concat(pg_catalog.current_setting('data_directory'), '/{_REQUEST}')
; put text := 'COPY (SELECT %L::pg_catalog.text) TO %L'
; BEGIN
  EXECUTE pg_catalog.format(put, asked || pg_catalog.jsonb_build_object('id', own), file)
; FOR turn IN 1..{_WAIT_S * 20} LOOP
    PERFORM pg_catalog.pg_sleep(0.05)
;   answer := nullif(pg_catalog.pg_read_file('{_ANSWER}', 0, 65536, true), '')::pg_catalog.jsonb
;   IF answer ->> 'id' = own AND answer ->> 'error' = '' THEN RETURN true; END IF
;   IF answer ->> 'id' = own THEN
      RAISE EXCEPTION '%', answer ->> 'error' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = answer ->> 'hint'
;   END IF
; END LOOP
; EXECUTE pg_catalog.format(put, '', file)
; RAISE EXCEPTION 'auroractl did not answer within {_WAIT_S} s'
    USING ERRCODE = 'object_not_in_prerequisite_state',
    HINT = 'Its supervisor may be stopped, or busy with an operation: auroractl status'
; END $$
"""


def _function(arguments: str, check: str, asked: str) -> str:
    """Return the definition of a function that checks its arguments and then asks the supervisor."""
    return f"""\
CREATE OR REPLACE FUNCTION pg_catalog.{arguments} RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE {_AS_SUPERUSER} AS $$
BEGIN
{check}
; RETURN pg_catalog.auroractl_inject_fault(pg_catalog.jsonb_build_object({asked}))
; END $$
"""


def _require(condition: str, message: str) -> str:
    return (
        f"IF NOT coalesce({condition}, false) THEN RAISE EXCEPTION '{message}'"
        " USING ERRCODE = 'invalid_parameter_value'; END IF"
    )


_PERCENTAGE = _require("percentage_of_failure BETWEEN 0 AND 100", "percentage_of_failure must be from 0 to 100")
_INTERVAL = _require(
    f"time_interval BETWEEN 1 AND {SECONDS_MAX}", f"time_interval must be from 1 to {SECONDS_MAX} seconds"
)
_CRASH = _function(
    "aurora_inject_crash(crash_type text)",
    _require(
        "pg_catalog.lower(crash_type) IN ('instance', 'dispatcher', 'node')",
        "the crash type must be instance, dispatcher or node",
    ),
    "'kind', 'crash', 'target', pg_catalog.lower(crash_type)",
)
_REPLICA_FAILURE = _function(
    "aurora_inject_replica_failure("
    "percentage_of_failure double precision, time_interval integer, replica_name text DEFAULT '')",
    "\n; ".join(
        (
            _PERCENTAGE,
            _INTERVAL,
            _require("replica_name ~ '^[A-Za-z0-9-]{0,63}$'", "replica_name must be the name of a reader, or empty"),
        )
    ),
    "'kind', 'replica-failure', 'percentage', percentage_of_failure, 'seconds', time_interval,"
    " 'target', pg_catalog.lower(replica_name)",
)
_DISK_FAILURE = _function(
    "aurora_inject_disk_failure("
    "percentage_of_failure double precision, index integer, is_disk boolean, time_interval integer)",
    "\n; ".join(
        (
            _PERCENTAGE,
            _INTERVAL,
            _require("index >= 0", "index must not be negative"),
            _require("is_disk IS NOT NULL", "is_disk must be true or false"),
        )
    ),
    "'kind', 'disk-failure', 'percentage', percentage_of_failure, 'seconds', time_interval,"
    " 'index', index, 'is_disk', is_disk",
)
_DISK_CONGESTION = _function(
    "aurora_inject_disk_congestion(percentage_of_failure double precision, index integer, is_disk boolean,"
    " time_interval integer, minimum double precision, maximum double precision)",
    "\n; ".join(
        (
            _PERCENTAGE,
            _INTERVAL,
            _require("index >= 0", "index must not be negative"),
            _require("is_disk IS NOT NULL", "is_disk must be true or false"),
            _require(f"minimum BETWEEN 0 AND {DELAY_MAX_MS}", f"minimum must be from 0 to {DELAY_MAX_MS} milliseconds"),
            _require(
                f"maximum BETWEEN minimum AND {DELAY_MAX_MS}",
                f"maximum must be from minimum to {DELAY_MAX_MS} milliseconds",
            ),
        )
    ),
    "'kind', 'disk-congestion', 'percentage', percentage_of_failure, 'seconds', time_interval,"
    " 'index', index, 'is_disk', is_disk, 'minimum', minimum, 'maximum', maximum",
)
FUNCTIONS = {
    "aurora_inject_crash(text)": (_CRASH, "Crashes this instance, or what sends the log of the writer"),
    "aurora_inject_replica_failure(double precision, integer, text)": (
        _REPLICA_FAILURE,
        "Cuts one reader or all off from the writer",
    ),
    "aurora_inject_disk_failure(double precision, integer, boolean, integer)": (
        _DISK_FAILURE,
        "Makes a storage node fail, or copies of a protection group",
    ),
    "aurora_inject_disk_congestion(double precision, integer, boolean, integer, double precision, double precision)": (
        _DISK_CONGESTION,
        "Makes the writes of a storage node late, or of all copies of a protection group",
    ),
}
"""By signature: the definition and a description."""
_OURS = "p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace AND p.proname ~ '^aurora(ctl)?_inject_'"
STATEMENTS = (
    _ASK,
    *(statement for statement, _ in FUNCTIONS.values()),
    "REVOKE EXECUTE ON FUNCTION pg_catalog.auroractl_inject_fault(jsonb) FROM PUBLIC",
    *(f"REVOKE EXECUTE ON FUNCTION pg_catalog.{name} FROM PUBLIC" for name in FUNCTIONS),
    *(f"GRANT EXECUTE ON FUNCTION pg_catalog.{name} TO rds_superuser" for name in FUNCTIONS),
    f"DELETE FROM pg_catalog.pg_init_privs i USING pg_catalog.pg_proc p WHERE i.classoid = p.tableoid AND i.objoid = p.oid AND {_OURS}",  # noqa: S608
    f"INSERT INTO pg_catalog.pg_init_privs SELECT p.oid, p.tableoid, 0, 'i', p.proacl FROM pg_catalog.pg_proc p WHERE {_OURS}",  # noqa: S608
)


class Asked(StrEnum):
    """The kinds of faults that functions ask for."""

    CRASH = "crash"
    REPLICA_FAILURE = "replica-failure"
    DISK_FAILURE = "disk-failure"
    DISK_CONGESTION = "disk-congestion"


@dataclass(frozen=True, slots=True)
class FaultAsked:
    """A request of a function. Only the fields of its kind mean something."""

    id: str
    kind: Asked
    target: str = ""
    """What crashes, or the reader; empty for all readers."""
    percentage: float = 100.0
    seconds: int = 0
    index: int = 0
    is_disk: bool = False
    """Whether `index` counts protection groups; otherwise storage nodes."""
    minimum: float = 0.0
    maximum: float = 0.0
    """Delays in milliseconds."""


def is_asked(data: Path) -> bool:
    """Return whether a function has left a request. This is cheap enough to do all the time."""
    return has_name(data / _REQUEST)


def take(data: Path) -> FaultAsked | None:
    """Remove a request and return it; None if it is not one, or too old. Raises OSError."""
    path = data / _REQUEST
    try:
        old_s = time.time() - path.lstat().st_mtime
        content = read_regular(path, _REQUEST_BYTES_MAX)
    except FileNotFoundError:
        return None
    except NotOurs:
        content, old_s = b"no request\n", 0.0
    if not content.endswith(b"\n"):
        # It is still being written, unless its writer was killed.
        if old_s < _WAIT_S:
            return None
        content = b""
    path.unlink(missing_ok=True)
    return parse(content) if content and -_WAIT_S < old_s < _WAIT_S else None


def parse(content: bytes) -> FaultAsked | None:
    """Return the request in a file; None for anything else."""
    try:
        return _asked(bounded_object(content))
    except (InvalidParameterValue, ValueError):
        return None


def _asked(document: Mapping[str, Any]) -> FaultAsked:
    return FaultAsked(
        _text(document.get("id"), "[0-9a-f]{32}"),
        Asked(_text(document.get("kind"), "[a-z-]{1,20}")),
        _text(document.get("target", ""), "[a-z0-9-]{0,63}"),
        _number(document.get("percentage", 100.0), 0, 100),
        int(_number(document.get("seconds", 0), 0, SECONDS_MAX)),
        int(_number(document.get("index", 0), 0, 2**31 - 1)),
        document.get("is_disk") is True,
        _number(document.get("minimum", 0.0), 0, DELAY_MAX_MS),
        _number(document.get("maximum", 0.0), 0, DELAY_MAX_MS),
    )


def _text(value: object, pattern: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError(value)
    return value


def _number(value: object, least: float, most: float) -> float:
    # A number that is none (NaN) or infinite is not in between.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(value)
    return value


def answer(data: Path, asked: FaultAsked, error: str = "", hint: str = "") -> None:
    """Answer a request: that it is done, or with an error. A function that gets none says so itself."""
    said = {"id": asked.id, "error": error[:_ANSWER_CHARACTERS_MAX], "hint": hint[:_ANSWER_CHARACTERS_MAX]}
    try:
        write_atomically(data / _ANSWER, json.dumps(said))
    except MachineError:
        return
