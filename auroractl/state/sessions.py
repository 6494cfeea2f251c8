"""Sessions with the state database: reading ones and writing ones, their errors explained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from auroractl.state.failures import StateFiles, explained

_Self = TypeVar("_Self", bound="Sessions")
_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def remembered(
    read: Callable[Concatenate[_Self, _Arguments], _Answer],
) -> Callable[Concatenate[_Self, _Arguments], _Answer]:
    """Have a reading method answer from memory until something is written.

    The watch loop asks the same several times a second, and one supervisor is the only writer of a home. What is
    answered must not be changed by who asked; lists are copied.
    """

    @wraps(read)
    def answer(self: _Self, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        # Taken before the look: what is written meanwhile takes this memory away, and with it what was seen too early.
        memory = self.memory
        key = (read.__name__, args, tuple(kwargs.items()))
        if key not in memory:
            memory[key] = read(self, *args, **kwargs)
        found = memory[key]
        return cast("_Answer", list(found) if isinstance(found, list) else found)

    return answer


class Sessions:
    """One session per call, so threads may share it.

    Every method of those that build on it may raise StateError (a constraint refuses the change, the file is damaged
    or locked) and MachineError (the disk is full, the file cannot be written); the transaction is then rolled back.
    """

    def __init__(self, writing: Engine, reading: Engine, files: StateFiles) -> None:
        """`writing` begins transactions with the write lock, `reading` without."""
        self._writers = sessionmaker(writing)
        self._readers = sessionmaker(reading)
        self._files = files
        self.memory: dict[object, Any] = {}
        """What was read since something was last written."""

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with explained(self._files), self._readers() as session:
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        try:
            with explained(self._files), self._writers.begin() as session:
                yield session
        finally:
            self.memory = {}
