"""The control API: one verb per POST, answered in JSON lines.

Long work tells its progress line by line; the last line is the result or the error. The work does not depend on the
connection: a client that goes away leaves it running.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from threading import Thread
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from auroractl import __version__
from auroractl.core.errors import AuroraError, ExitCode, InvalidParameterValue, UsageError
from auroractl.services.context import Context
from auroractl.supervisor.idleness import Idleness
from auroractl.supervisor.requests import serve
from auroractl.supervisor.verbs import VERBS

log = logging.getLogger(__name__)

_HEADERS = {"auroractl-version": __version__}
_END = object()


class _LineProgress:
    """Turns progress into lines for one client."""

    def __init__(self, emit: Callable[[Any], None]) -> None:
        self._emit = emit

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        elapsed = None if elapsed_ms is None else round(elapsed_ms, 1)
        self._emit({"Type": "step", "Name": name, "State": state, "ElapsedMilliseconds": elapsed})

    def message(self, text: str) -> None:
        self._emit({"Type": "message", "Text": text})


def build_application(context: Context, idleness: Idleness) -> Starlette:
    """The application that serves every verb at POST /v1/VERB."""

    def work(verb: str, body: dict[str, Any], emit: Callable[[Any], None]) -> None:
        with idleness.asking():
            _work(context, verb, body, emit)

    async def handle(request: Request) -> Response:
        with idleness.asking() as stays:
            return await begin(request) if stays else JSONResponse({"Type": "leaving"}, 503, _HEADERS)

    async def begin(request: Request) -> Response:
        verb = request.path_params["verb"]
        if verb not in VERBS:
            hint = "auroractl supervisor stop, then try again: it may be of another version"
            return _refused(404, UsageError(f"The supervisor does not know {verb!r}.", hint))
        body = _json_object(await request.body())
        if body is None:
            return _refused(400, InvalidParameterValue("The request is not a JSON object.", "Send {} for no arguments"))
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Any] = asyncio.Queue()

        def emit(item: Any) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, item)

        Thread(target=work, args=(verb, body, emit), name=f"verb-{verb}", daemon=True).start()
        return StreamingResponse(_lines(queue), media_type="application/x-ndjson", headers=_HEADERS)

    return Starlette(routes=[Route("/v1/{verb}", handle, methods=["POST"])])


def _refused(status: int, error: AuroraError) -> Response:
    return JSONResponse({"Type": "error", "Error": error.to_json()}, status, _HEADERS)


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


async def _lines(queue: asyncio.Queue[Any]) -> AsyncIterator[bytes]:
    while (item := await queue.get()) is not _END:
        yield json.dumps(item).encode() + b"\n"


def _work(context: Context, verb: str, body: dict[str, Any], emit: Callable[[Any], None]) -> None:
    """Run a verb to its end and emit its outcome. A request that answers early (--no-wait) calls `answer` itself."""
    answered = False

    def send(item: Any) -> None:
        try:
            emit(item)
        except RuntimeError:
            log.debug("the client of a verb is gone together with the event loop")

    def answer(result: Any) -> None:
        nonlocal answered
        if not answered:
            answered = True
            send({"Type": "result", "Result": result})
            send(_END)

    def fail(error: AuroraError) -> None:
        if not answered:
            send({"Type": "error", "Error": error.to_json()})
            send(_END)

    try:
        answer(serve(context, verb, body, _LineProgress(send), answer))
    except AuroraError as error:
        fail(error)
    except KeyError as error:
        fail(InvalidParameterValue(f"The request lacks {error}.", ""))
    except Exception as error:
        log.exception("a verb met an error; please report it as a bug")
        fail(_Bug(f"Unexpected {type(error).__name__}: {error}. This is a bug.", f"Log: {context.home.supervisor_log}"))


class _Bug(AuroraError):
    """Something that nobody thought of."""

    exit_code = ExitCode.BUG
