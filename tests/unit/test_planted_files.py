"""Pipes, links and files without end in the place of files that the supervisor reads and writes for its servers."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from auroractl.core.errors import MachineError
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment
from auroractl.engine import shared_memory_cleanup
from auroractl.engine.control_file import crc32c, set_system_identifier
from auroractl.services.restore import recovered_copy
from auroractl.services.volume import abandoned_wal, quorum_recovery, wal_library
from auroractl.storage import images
from auroractl.storage.checksums import ChecksumRecord
from auroractl.storage.folder import LogFolder
from auroractl.storage.valid_wal import find_end
from auroractl.system.files import flush_folder, flush_tree, read_json
from auroractl.system.log_reader import LogReader
from auroractl.system.safe_open import READ_BYTES_MAX, NotOurs, make_regular, open_to_change, read_regular, read_start
from tests.unit.deadlines import within_deadline

SEGMENT = Segment(1, 1)
DIGEST = "0" * 64


def _keep_checksums(folder: Path) -> None:
    ChecksumRecord(folder).keep(set())


def _copy_settings(folder: Path) -> None:
    (folder / "source").mkdir()
    (folder / "source" / "postgresql.auto.conf").write_text("work_mem = '8MB'\n")
    recovered_copy._copy_settings(folder / "source", folder)


def _put_segment(folder: Path) -> None:
    abandoned_wal._put(LogFolder(folder), SEGMENT, b"x" * SEGMENT_BYTES)


def _lay_segment(folder: Path) -> None:
    library = wal_library.WalLibrary.__new__(wal_library.WalLibrary)
    library._write(folder / SEGMENT.name, b"x")


def _write_segment(folder: Path) -> None:
    quorum_recovery._write(folder / SEGMENT.name, b"x")


def _copy_of_image(folder: Path) -> None:
    (folder / "source").write_text("page")
    images._begin_copy(folder / "source", folder / "16384", images.no_pace)


def _take_segment(folder: Path) -> None:
    (folder / "source").write_text("log")
    LogFolder(folder).take(folder / "source", SEGMENT.name)


def _make(folder: Path) -> None:
    make_regular(folder / "file").close()


WRITERS: list[tuple[Callable[[Path], None], str]] = [
    (_make, "file"),
    (_keep_checksums, "checksums.new"),
    (_copy_settings, "postgresql.auto.conf"),
    (_put_segment, f"{SEGMENT.name}.filling"),
    (_lay_segment, SEGMENT.name),
    (_write_segment, SEGMENT.name),
    (_copy_of_image, "16384"),
    (_take_segment, f"{SEGMENT.name}.THREAD.filling"),
]


@pytest.mark.parametrize("kind", ["pipe", "link"])
@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_what_is_written_takes_the_place_of_what_was_planted(
    tmp_path: Path, write: Callable[[Path], None], name: str, kind: str
) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.write_text("theirs")
    folder.mkdir()

    def plant_and_write() -> None:
        place = folder / name.replace("THREAD", str(threading.get_ident()))
        if kind == "pipe":
            os.mkfifo(place)
        else:
            place.symlink_to(outside)
        write(folder)
        assert not place.is_symlink()
        assert not place.is_fifo()

    within_deadline(plant_and_write)
    assert outside.read_text() == "theirs"


def _add_checksum(folder: Path) -> None:
    ChecksumRecord(folder).add({SEGMENT.name: DIGEST})


def _set_identifier(folder: Path) -> None:
    set_system_identifier(folder, 1)


def _find_end_of_planted(folder: Path) -> None:
    find_end("true", folder, 1, SEGMENT.start, None)


def _flush_tree(folder: Path) -> None:
    flush_tree(folder)


def _flush_pipe(folder: Path) -> None:
    flush_folder(folder / "file")


def _go_on_copying(folder: Path) -> None:
    (folder / "source").write_bytes(b"page")
    images._go_on_copy(folder / "source", folder / "16384", 0, images.no_pace)


def _change(folder: Path) -> None:
    open_to_change(folder / "file")


CHANGERS: list[tuple[Callable[[Path], None], str]] = [
    (_change, "file"),
    (_add_checksum, "checksums"),
    (_set_identifier, "pg_wal/000000010000000000000001"),
    (_find_end_of_planted, SEGMENT.name),
    (_flush_tree, "file"),
    (_flush_pipe, "file"),
    (_go_on_copying, "16384"),
]


@pytest.mark.parametrize(("change", "name"), CHANGERS)
def test_a_pipe_in_the_place_of_a_file_that_is_there_is_refused(
    tmp_path: Path, change: Callable[[Path], None], name: str
) -> None:
    control = bytearray(8192)
    struct.pack_into("=I", control, 292, crc32c(bytes(control[:292])))
    for folder in ("global", "pg_wal"):
        (tmp_path / folder).mkdir()
    (tmp_path / "global" / "pg_control").write_bytes(control)
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match=r"not used|Not a directory"):
        within_deadline(lambda: change(tmp_path))
    assert (tmp_path / name).is_fifo()


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_a_planted_segment_of_shared_memory_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(shared_memory_cleanup, "_DYNAMIC", tmp_path)
    place = tmp_path / "PostgreSQL.7"
    _plant(place, kind)
    within_deadline(lambda: shared_memory_cleanup._remove_dynamic(7))
    assert place.exists()


def _plant(place: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.touch()
        os.truncate(place, 2**40)


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_what_is_read_as_a_whole_is_bounded(tmp_path: Path, kind: str) -> None:
    _plant(tmp_path / "file", kind)
    with pytest.raises(NotOurs, match="regular file" if kind == "pipe" else f"larger than {READ_BYTES_MAX} bytes"):
        within_deadline(lambda: read_regular(tmp_path / "file"))
    with pytest.raises(MachineError, match="cannot be read"):
        within_deadline(lambda: read_json(tmp_path / "file"))


def test_the_start_of_a_file_without_end_is_read(tmp_path: Path) -> None:
    _plant(tmp_path / "file", "endless")
    assert within_deadline(lambda: read_start(tmp_path / "file", 100)) == bytes(100)


def test_a_file_nested_too_deeply_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"[" * 1_000_000)
    with pytest.raises(MachineError, match="cannot be read"):
        read_json(tmp_path / "file")


def test_a_log_that_grows_without_end_is_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroractl.system.log_reader._LATER_BYTES_MAX", 100)
    log = tmp_path / "log"
    log.write_text("first\n")
    reader = LogReader(log, 100)
    assert reader.read() == ["first"]
    with log.open("a") as file:
        file.write("".join(f"{number:09}\n" for number in range(30)))
        file.write("x" * 250)
    read = [reader.read() for _ in range(6)]
    assert [len(each) for each in read[:3]] == [10, 10, 10]
    assert max(sum(map(len, each)) for each in read) <= 200
    assert "".join(text for each in read for text in each).count("x") >= 200
