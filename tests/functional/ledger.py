"""A client that remembers every acknowledged write and every gap."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import psycopg

RECONNECT_PAUSE_S = 0.005


@dataclass
class Ledger:
    """Clients that insert numbered rows through one URI, reconnecting at once whenever that fails."""

    uri: str
    clients: int = 4
    acknowledged: set[tuple[int, int]] = field(default_factory=set)
    moments: list[tuple[float, float]] = field(default_factory=list)
    """Begin and end of every gap between two acknowledged commits of any client, in seconds of the monotonic clock."""
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._last_s = time.monotonic()
        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(
                "create table if not exists ledger (client int, number int, primary key (client, number))"
            )
        self._threads = [threading.Thread(target=self._write, args=(client,)) for client in range(self.clients)]

    def __enter__(self) -> Ledger:
        self._last_s = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with psycopg.connect(self.uri, autocommit=True, connect_timeout=30) as connection:
                    while not self._stop.is_set():
                        number += 1
                        connection.execute("insert into ledger values (%s, %s)", (client, number))
                        self._acknowledge(client, number)
            except psycopg.Error as error:
                with self._lock:
                    self.errors.append(str(error))
                time.sleep(RECONNECT_PAUSE_S)

    def _acknowledge(self, client: int, number: int) -> None:
        with self._lock:
            now_s = time.monotonic()
            self.acknowledged.add((client, number))
            self.moments.append((self._last_s, now_s))
            self._last_s = now_s

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without an acknowledged commit that overlaps a span of the monotonic clock."""
        with self._lock:
            gaps = [end - begin for begin, end in self.moments if end >= since_s and begin <= until_s]
        return max(gaps, default=float("inf"))

    def count(self) -> int:
        """How many commits were acknowledged so far."""
        with self._lock:
            return len(self.acknowledged)

    def missing(self) -> set[tuple[int, int]]:
        """Acknowledged rows that are not there."""
        with psycopg.connect(self.uri) as connection:
            there = set(connection.execute("select client, number from ledger").fetchall())
        return self.acknowledged - there
