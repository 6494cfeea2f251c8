"""A wait for a commit that comes to its deadline blames the storage nodes only where they are the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from auroractl.core.errors import QuorumLost, TimedOut
from auroractl.core.volume.growth import initial_groups
from auroractl.core.volume.model import NodeObservation, StorageVolume, VolumeSnapshot, place_nodes
from auroractl.engine import sql
from auroractl.services.volume import storage_nodes
from tests.unit.core.clusters import NOW, cluster, instance


def _cluster(acknowledging: int) -> Any:
    gib = 1024**3
    volume = StorageVolume("demo", True, gib, gib, 10, gib, NOW)
    nodes = tuple(place_nodes("demo", cluster().availability_zones, NOW))
    well = NodeObservation(at=NOW, pid=1, streaming=True)
    gone = NodeObservation(at=NOW, detail="it ended")
    observed = {each.identifier: well if n < acknowledging else gone for n, each in enumerate(nodes)}
    snapshot = VolumeSnapshot(volume, nodes, observed, initial_groups(volume, 0))
    return SimpleNamespace(
        name="demo",
        volume_snapshot=lambda: snapshot,
        observer=SimpleNamespace(refresh=lambda _: None),
        writer=lambda: instance(1),
        installation=SimpleNamespace(access=lambda _: None),
        settings=SimpleNamespace(start_timeout_s=4.0),
        paths=SimpleNamespace(storage="/home/storage"),
    )


@contextmanager
def _frozen(*_: object, **__: object) -> Iterator[None]:
    raise TimedOut("The writer did not answer within 4 s: it is frozen.")
    yield


def _commit(managed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "session", _frozen)
    with storage_nodes.committing_session(managed):
        pass


def test_a_frozen_server_is_not_told_as_a_lost_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TimedOut, match="it is frozen"):
        _commit(_cluster(acknowledging=6), monkeypatch)


def test_a_lost_quorum_is_told_with_the_nodes_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = (
        r"^Commits wait: 3 storage nodes acknowledge them, but 4 are needed "
        r"\(demo-storage-4: it ended; demo-storage-5: it ended; demo-storage-6: it ended\)\.$"
    )
    with pytest.raises(QuorumLost, match=expected):
        _commit(_cluster(acknowledging=3), monkeypatch)


@pytest.mark.parametrize(("acknowledging", "error"), [(6, TimedOut), (3, QuorumLost)])
def test_the_wait_for_the_quorum_tells_what_it_last_saw(
    monkeypatch: pytest.MonkeyPatch, acknowledging: int, error: type[Exception]
) -> None:
    monkeypatch.setattr(storage_nodes, "wait_until", lambda *_: next(iter(_raising())))
    with pytest.raises(error):
        storage_nodes.wait_write_quorum(_cluster(acknowledging), 0.1)


def _raising() -> Iterator[None]:
    raise TimedOut("The write quorum was not reached within 0.1 s.")
    yield
