"""A small application: orders in PostgreSQL."""

from __future__ import annotations

import time

import psycopg


def place_order(uri: str, item: str, patience_s: float = 20.0) -> None:
    """Place an order, again where the connection is lost: after a failover the same URI leads to the new writer."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with psycopg.connect(uri) as connection:
                connection.execute("INSERT INTO orders (item) VALUES (%s)", (item,))
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def items(uri: str) -> list[str]:
    """What was ordered, in order."""
    with psycopg.connect(uri) as connection:
        return [item for (item,) in connection.execute("SELECT item FROM orders ORDER BY id")]
