"""Read and write sessions with the state database, with explained errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from auroractl.state.sqlite_errors import StateFiles, explained

_Self = TypeVar("_Self", bound="Sessions")
_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

Access = Callable[[], AbstractContextManager[None]]
"""Gives a thread the right to open the state file: SQLite opens its WAL and its journal on demand."""


def remembered(
    read: Callable[Concatenate[_Self, _Arguments], _Answer],
) -> Callable[Concatenate[_Self, _Arguments], _Answer]:
    """Cache a read method's results until the next write.

    The watch loop makes the same queries several times a second, and one supervisor is the only writer of a home.
    Callers must not change the results; lists are copied.
    """

    @wraps(read)
    def answer(self: _Self, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        # Taken before the read: a concurrent write discards this cache, and with it a result read too early.
        memory = self.memory
        key = (read.__name__, args, tuple(kwargs.items()))
        if key not in memory:
            memory[key] = read(self, *args, **kwargs)
        found = memory[key]
        return cast("_Answer", list(found) if isinstance(found, list) else found)

    return answer


class Sessions:
    """One session per call; safe for use by several threads.

    Every method of the subclasses may raise StateError (a constraint refuses the change, the file is damaged or locked)
    and MachineError (the disk is full, the file cannot be written); the transaction is then rolled back.
    """

    def __init__(self, writing: Engine, reading: Engine, files: StateFiles, access: Access = nullcontext) -> None:
        """Take the engines: `writing` begins transactions with the write lock, `reading` without.

        Files are opened inside `access`.
        """
        self._access = access
        self._writers = sessionmaker(writing)
        self._readers = sessionmaker(reading)
        self._files = files
        self.memory: dict[object, Any] = {}
        """Results read since the last write."""

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with self._access(), explained(self._files), self._readers() as session:
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        try:
            with self._access(), explained(self._files), self._writers.begin() as session:
                yield session
        finally:
            self.memory = {}
