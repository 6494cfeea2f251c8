"""Sessions with the state database: reading ones and writing ones, their errors explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from auroractl.state.failures import StateFiles, explained


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

    @contextmanager
    def _read(self) -> Iterator[Session]:
        with explained(self._files), self._readers() as session:
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        with explained(self._files), self._writers.begin() as session:
            yield session
