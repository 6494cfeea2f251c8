"""What the supervisor makes of the file that a database server leaves it: a bounded request, or nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from auroractl.engine import aurora_faults
from auroractl.engine.aurora_faults import Asked, FaultAsked

ID = "0123456789abcdef0123456789abcdef"
GOOD: dict[str, Any] = {"id": ID, "kind": "replica-failure", "target": "demo-2", "percentage": 50, "seconds": 20}


def _leave(data: Path, content: bytes) -> Path:
    file = data / aurora_faults._REQUEST
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_a_request_is_taken_once(tmp_path: Path) -> None:
    assert not aurora_faults.is_asked(tmp_path)
    _leave(tmp_path, json.dumps(GOOD).encode() + b"\n")
    assert aurora_faults.is_asked(tmp_path)
    taken = aurora_faults.take(tmp_path)
    assert taken == FaultAsked(ID, Asked.REPLICA_FAILURE, "demo-2", 50, 20)
    assert not aurora_faults.is_asked(tmp_path)
    aurora_faults.answer(tmp_path, taken, "No.", "x" * 5000)
    said = json.loads((tmp_path / aurora_faults._ANSWER).read_text())
    assert (said["id"], said["error"], len(said["hint"])) == (ID, "No.", 500)


def test_an_unfinished_request_is_left_and_an_old_one_removed(tmp_path: Path) -> None:
    file = _leave(tmp_path, json.dumps(GOOD).encode())
    assert aurora_faults.take(tmp_path) is None
    assert file.exists()
    os.utime(file, (0, 0))
    assert aurora_faults.take(tmp_path) is None
    assert not file.exists()
    file = _leave(tmp_path, json.dumps(GOOD).encode() + b"\n")
    os.utime(file, (0, 0))
    assert aurora_faults.take(tmp_path) is None
    assert not file.exists()


def test_an_empty_file_is_still_being_written(tmp_path: Path) -> None:
    file = _leave(tmp_path, b"")
    assert aurora_faults.take(tmp_path) is None
    assert file.exists()


def test_a_name_that_cannot_be_followed_stops_nothing(tmp_path: Path) -> None:
    file = _leave(tmp_path, b"")
    file.unlink()
    file.symlink_to(file)
    assert aurora_faults.is_asked(tmp_path)
    assert aurora_faults.take(tmp_path) is None
    assert not aurora_faults.is_asked(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "../../x"},
        {"id": None},
        {"kind": "delete-cluster"},
        {"kind": ["crash"]},
        {"target": "demo; rm"},
        {"target": "x" * 64},
        {"percentage": 101},
        {"percentage": True},
        {"percentage": "50"},
        {"seconds": -1},
        {"seconds": 1e300},
        {"index": 2**40},
        {"index": 10**400},
        {"percentage": float("nan")},
    ],
)
def test_anything_else_is_nothing(changed: dict[str, Any]) -> None:
    assert aurora_faults.parse(json.dumps(GOOD).encode()) is not None
    assert aurora_faults.parse(json.dumps(GOOD | changed).encode()) is None


@pytest.mark.parametrize("content", [b"\n", b"[]", b"\xff\xfe", b"{", b"[" * 500, b'{"id": NaN}'])
def test_what_is_no_object_is_nothing(content: bytes) -> None:
    assert aurora_faults.parse(content) is None


def test_links_pipes_and_giants_are_removed_unread(tmp_path: Path) -> None:
    file = _leave(tmp_path, b"{}" * 1000 + b"\n")
    assert aurora_faults.take(tmp_path) is None
    assert not file.exists()
    secret = tmp_path / "secret"
    secret.write_text(json.dumps(GOOD) + "\n")
    file.symlink_to(secret)
    assert aurora_faults.take(tmp_path) is None
    assert secret.exists()
    assert not file.exists()
    os.mkfifo(file)
    assert aurora_faults.take(tmp_path) is None
    assert not file.exists()
