"""Connections of auroractl itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroractl.core.address import Address
from auroractl.core.errors import MachineError
from auroractl.engine.connections import Access


def test_programs_that_know_no_require_auth_get_no_password_for_tcp() -> None:
    """Also in a home that was moved to a longer path, whose sockets no longer fit."""
    address = Address("127.0.0.1", 5432)
    assert "require_auth" in Access(address, "secret", 16).replication_conninfo("node", 1)
    assert "requirepeer" in Access(address, "secret", 15, Path("/sockets"), "me").replication_conninfo("node", 1)
    with pytest.raises(MachineError, match="PostgreSQL 15 needs Unix sockets"):
        Access(address, "secret", 15).replication_conninfo("node", 1)
