"""The control API: takes a verb and a JSON object, answers with progress lines and a result or an error.

Work does not depend on the connection: it continues if the client disconnects.
"""

from __future__ import annotations

import asyncio
import logging
from _thread import start_new_thread
from collections.abc import Callable
from queue import SimpleQueue
from threading import BoundedSemaphore, Lock, Thread
from typing import Any

from auroractl.api.request import Options, Request
from auroractl.api.verbs import VERBS
from auroractl.core.errors import AuroraError, ExitCode, InvalidClusterState, UsageError
from auroractl.core.text.bounded_json import bounded_object
from auroractl.runtime.runtime import Runtime
from auroractl.supervisor.control_socket import Emit
from auroractl.supervisor.dispatch import serve
from auroractl.supervisor.idleness import Idleness
from auroractl.system.limits import shortage

log = logging.getLogger(__name__)

_ALWAYS_ANSWERED = {"supervisor-status", "supervisor-stop"}
_WORK_MAX = 256
"""Maximum number of requests in progress at the same time."""
_BEGIN_TIMEOUT_S = 10.0
"""How long a new thread may take to begin. A thread without memory never does."""


class _LineProgress:
    """Writes progress as lines to one client."""

    def __init__(self, emit: Callable[[Any], None]) -> None:
        self._emit = emit

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        elapsed = None if elapsed_ms is None else round(elapsed_ms, 1)
        self._emit({"Type": "step", "Name": name, "State": state, "ElapsedMilliseconds": elapsed})

    def message(self, text: str) -> None:
        self._emit({"Type": "message", "Text": text})


class _ReservedThread:
    """A thread started in advance, for requests that must be answered even if no thread can be started."""

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        Thread(target=self._run, name=name, daemon=True).start()

    def put(self, work: Callable[[], None]) -> None:
        self._work.put(work)

    def _run(self) -> None:
        while True:
            self._work.get()()


class Api:
    """Starts a thread for each request. Its methods are called on the event loop's thread."""

    def __init__(self, runtime: Runtime, idleness: Idleness) -> None:
        self._runtime = runtime
        self._idleness = idleness
        self._free = BoundedSemaphore(_WORK_MAX)
        self._reserved = {verb: _ReservedThread(verb) for verb in _ALWAYS_ANSWERED}

    def begin(self, verb: str, content: bytes, emit: Emit) -> int:
        """Begin a request and return the HTTP status; `emit` receives the lines of the answer.

        Raises AuroraError if the request is refused.
        """
        if verb not in VERBS:
            hint = "auroractl supervisor stop, then repeat the command: the supervisor may be of another version"
            raise UsageError(f"The supervisor does not know {verb!r}.", hint)
        request, options = VERBS[verb].read(bounded_object(content))
        with self._idleness.request() as accepted:
            if not accepted:
                emit({"Type": "leaving"})
                emit(None)
                return 503
            if verb in self._reserved:
                self._reserved[verb].put(lambda: self._work(request, options, emit))
            else:
                self._start(lambda: self._work(request, options, emit), emit)
        return 200

    def _work(self, request: Request, options: Options, emit: Emit) -> None:
        with self._idleness.request():
            _work(self._runtime, request, options, emit)

    def _start(self, work: Callable[[], None], emit: Emit) -> None:
        if not self._free.acquire(blocking=False):
            raise InvalidClusterState(f"The supervisor is working on {_WORK_MAX} requests already.", "Try again later")
        claim = Lock()

        def run() -> None:
            if claim.acquire(blocking=False):
                try:
                    work()
                finally:
                    self._free.release()

        def abandon() -> None:
            if claim.acquire(blocking=False):
                self._free.release()
                _send_error(emit, shortage(MemoryError()))

        try:
            # Thread.start would wait for the thread to begin, indefinitely if it has no memory.
            start_new_thread(run, ())
        except (RuntimeError, MemoryError) as error:
            self._free.release()
            raise shortage(error) or error from error
        asyncio.get_running_loop().call_later(_BEGIN_TIMEOUT_S, abandon)


def _send_error(emit: Emit, error: AuroraError | None) -> None:
    if error is not None:
        emit({"Type": "error", "Error": error.to_json()})
    emit(None)


def _work(runtime: Runtime, request: Request, options: Options, emit: Callable[[Any], None]) -> None:
    """Carry out a request and emit its outcome. With --no-wait, `answer` is called before the work is done."""
    answered = False

    def send(item: Any) -> None:
        try:
            emit(item)
        except RuntimeError:
            log.debug("the event loop has ended; the answer to the client is discarded")

    def answer(result: Any) -> None:
        nonlocal answered
        if not answered:
            answered = True
            send({"Type": "result", "Result": result})
            send(None)

    def fail(error: AuroraError) -> None:
        if not answered:
            send({"Type": "error", "Error": error.to_json()})
            send(None)

    try:
        serve(runtime, request, options, _LineProgress(send), answer)
    except AuroraError as error:
        fail(error)
    except Exception as error:
        log.exception("the verb %s failed; please report it as a bug", request.verb)
        hint = f"Log: {runtime.home.supervisor_log}"
        fail(shortage(error) or _Bug(f"Unexpected {type(error).__name__}: {error}. This is a bug.", hint))


class _Bug(AuroraError):
    """An unexpected error."""

    exit_code = ExitCode.BUG
