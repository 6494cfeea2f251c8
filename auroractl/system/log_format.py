"""The format of our own logs: UTC, one line per message whatever it contains, tracebacks indented by tabs."""

from __future__ import annotations

import logging
import time
from types import TracebackType

from auroractl.core.text.visible import LAYOUT, visible

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    """Escapes unsafe characters: server errors are logged, and clients control their contents."""

    converter = time.gmtime  # type: ignore[assignment]  # typeshed gives it no default argument

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Format the line of a message."""
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: _ExceptionInfo) -> str:
        """Format a traceback so that none of its lines can pass for one with a timestamp."""
        return "\t" + visible(super().formatException(ei), LAYOUT).replace("\n", "\n\t")
