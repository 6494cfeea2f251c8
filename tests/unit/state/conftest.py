"""A database in a temporary folder, and clusters to put into it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auroractl.core.address import Address
from auroractl.core.model import Cluster, Endpoint, EndpointType, Instance
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus
from auroractl.state.database import Database, open_database
from auroractl.state.repository import Repository

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class Demo:
    """A cluster of a writer and two readers, as create-cluster records it."""

    cluster: Cluster
    instances: list[Instance]
    endpoints: list[Endpoint]
    operation: OperationRecord

    @classmethod
    def of(cls, name: str = "demo", block: int = 16) -> Demo:
        """A cluster of this name on the addresses 127.BLOCK.0.*."""
        host = f"127.{block}.0"
        return cls(
            Cluster(
                identifier=name,
                resource_id=f"cluster-{name}",
                engine_version="18.6",
                region="us-east-1",
                port=5432,
                address_block=host,
                database_name="postgres",
                master_username="postgres",
                backtrack_window_s=86_400,
                deletion_protection=False,
                tags={"team": "blue"},
                created_at=NOW,
            ),
            [
                Instance(
                    identifier=f"{name}-instance-{number}",
                    cluster=name,
                    availability_zone=f"us-east-1{'abc'[number - 1]}",
                    is_writer=number == 1,
                    promotion_tier=1,
                    address=Address(f"{host}.{10 + number}", 5432),
                    created_at=NOW,
                )
                for number in (1, 2, 3)
            ],
            [
                Endpoint("writer", name, EndpointType.WRITER, Address(f"{host}.1", 5432)),
                Endpoint("reader", name, EndpointType.READER, Address(f"{host}.2", 5432)),
            ],
            OperationRecord(
                f"op-{name}", OperationKind.CREATE_CLUSTER, name, {"readers": 2}, OperationStatus.RUNNING, NOW
            ),
        )

    def create(self, repository: Repository) -> Demo:
        """Record it."""
        repository.create_cluster(self.cluster, self.instances, self.endpoints, self.operation)
        return self


@pytest.fixture
def make_demo() -> Callable[..., Demo]:
    return Demo.of


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "state.db", tmp_path / "state-backups")
    yield opened
    opened.close()


@pytest.fixture
def repository(database: Database) -> Repository:
    return database.repository


@pytest.fixture
def demo(repository: Repository) -> Demo:
    return Demo.of().create(repository)


Mount = Callable[[int], AbstractContextManager[Path]]


@pytest.fixture
def mount_tmpfs(tmp_path: Path) -> Mount:
    """Mounts a file system of its own of so many KiB, which can be filled and made read-only."""

    @contextmanager
    def mounted(size_kib: int) -> Iterator[Path]:
        folder = tmp_path / "mounted"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
            pytest.skip("needs root and the right to mount a tmpfs")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)

    return mounted
