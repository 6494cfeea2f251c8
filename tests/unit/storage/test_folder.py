"""Folders of log on a real filesystem."""

from __future__ import annotations

from pathlib import Path

import pytest

from auroractl.core.wal.segments import SEGMENT_BYTES, Fork, Segment
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import LogFolder


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    path = tmp_path / "node"
    path.mkdir()
    return LogFolder(path)


def fill(path: Path, size_bytes: int = SEGMENT_BYTES, content: bytes = b"x") -> None:
    path.write_bytes(content * (size_bytes // len(content)))


def test_an_inventory_tells_finished_from_unfinished(folder: LogFolder) -> None:
    fill(folder.finished(Segment(1, 1)))
    fill(folder.finished(Segment(2, 1)), 100)
    fill(folder.partial(Segment(3, 2)))
    folder.history(2).write_text("1\t0/C00000\treason\n")
    (folder.path / "checksums").write_text("")
    inventory = folder.inventory()
    assert inventory.finished == {Segment(1, 1): SEGMENT_BYTES, Segment(2, 1): 100}
    assert inventory.partial == {Segment(3, 2): SEGMENT_BYTES}
    assert inventory.histories == (2,)
    assert inventory.timeline == 2
    assert inventory.newest_finished == Segment(2, 1)
    assert folder.forks(2) == (Fork(1, 0xC00000),)
    assert folder.forks(7) == ()


def test_a_folder_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert LogFolder(tmp_path / "gone").inventory().held_bytes == 0


def test_a_segment_whose_padding_was_cut_off_is_padded(folder: LogFolder) -> None:
    folder.partial(Segment(3, 1)).write_bytes(b"record" * 10)
    folder.make_ready((), 1)
    content = folder.partial(Segment(3, 1)).read_bytes()
    assert content == (b"record" * 10).ljust(SEGMENT_BYTES, b"\0")


def test_what_lies_beyond_a_fork_is_put_away_and_what_was_acknowledged_stays(folder: LogFolder) -> None:
    fill(folder.finished(Segment(4, 1)))
    fill(folder.finished(Segment(5, 1)), content=b"acknowledged....")
    fill(folder.finished(Segment(6, 1)))
    fill(folder.partial(Segment(7, 1)))
    folder.make_ready((Fork(1, 5 * SEGMENT_BYTES + 4096),), 2)
    inventory = folder.inventory()
    assert set(inventory.finished) == {Segment(4, 1)}
    assert set(inventory.partial) == {Segment(5, 1)}
    assert folder.partial(Segment(5, 1)).read_bytes().startswith(b"acknowledged")


def test_a_copy_is_there_whole_or_not_at_all(folder: LogFolder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    fill(source)
    folder.take(source, Segment(1, 1).name)
    assert checksum(folder.finished(Segment(1, 1))) == checksum(source)
    with pytest.raises(FileNotFoundError):
        folder.take(tmp_path / "nothing", Segment(2, 1).name)
    assert [path.name for path in folder.path.iterdir()] == [Segment(1, 1).name]


def test_checksums_tell_damage_of_every_kind(folder: LogFolder) -> None:
    path = folder.finished(Segment(1, 1))
    fill(path)
    whole = checksum(path)
    assert whole is not None
    with path.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"y")
    assert checksum(path) not in {whole, None}
    path.write_bytes(b"short")
    assert checksum(path) is None
    path.unlink()
    assert checksum(path) is None


def test_the_record_survives_nonsense(folder: LogFolder) -> None:
    record = ChecksumRecord(folder.path)
    record.add({"one": "a" * 64, "two": "b" * 64})
    with (folder.path / "checksums").open("a") as file:
        file.write("garbage\nthree short\n")
    record.add({"one": "c" * 64})
    assert record.load() == {"one": "c" * 64, "two": "b" * 64}
    record.keep({"two"})
    assert record.load() == {"two": "b" * 64}


@pytest.mark.parametrize(
    ("held", "begun"),
    [
        ((), None),
        (("000000010000000000000005",), "000000050000000000000006.partial"),
        (("000000010000000000000005", "000000040000000000000006.partial"), "000000050000000000000006.partial"),
        (("000000010000000000000005", "000000050000000000000006.partial"), None),
        (("000000010000000000000004",), None),
        (("000000010000000000000005", "000000060000000000000006.partial"), None),
        (("000000060000000000000006",), None),
    ],
)
def test_the_last_of_several_timelines_that_were_left_in_the_next_segment_is_asked_for(
    tmp_path: Path, held: tuple[str, ...], begun: str | None
) -> None:
    """As it was found after a backtrack: three timelines ended in segment 6."""
    for name in held:
        (tmp_path / name).write_bytes(b"log")
    within = 6 * SEGMENT_BYTES
    forks = (Fork(1, within + 100), Fork(4, within + 200), Fork(5, within + 300))
    segment = LogFolder(tmp_path).begin_next(forks, 6)
    assert (segment is None) == (begun is None)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({*held, *([begun] if begun else [])})


@pytest.mark.parametrize(
    ("held", "forks", "begun"),
    [
        (("000000010000000000000005",), [(1, 0)], "000000020000000000000006.partial"),
        (
            ("000000010000000000000005", "000000010000000000000006.partial"),
            [(1, 0)],
            "000000020000000000000006.partial",
        ),
        (("000000010000000000000005",), [(1, 0), (2, 0)], "000000030000000000000006.partial"),
        (("000000010000000000000005",), [(1, 0), (2, 100)], "000000020000000000000006.partial"),
        (("000000020000000000000006",), [(1, 0)], None),
        (("000000010000000000000004",), [(1, 0)], None),
        (("000000010000000000000005",), [(1, 100)], None),
        (("000000010000000000000005",), [], None),
    ],
)
def test_the_successor_of_a_timeline_that_ended_with_the_segment_before_is_asked_for(
    tmp_path: Path, held: tuple[str, ...], forks: list[tuple[int, int]], begun: str | None
) -> None:
    """The writer has nothing of a timeline to send that ends where the request begins."""
    for name in held:
        (tmp_path / name).write_bytes(b"log")
    ends = [Fork(timeline, 6 * SEGMENT_BYTES + offset) for timeline, offset in forks]
    segment = LogFolder(tmp_path).begin_next(ends, len(ends) + 1)
    assert (segment is None) == (begun is None)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({*held, *([begun] if begun else [])})


def test_a_link_under_the_name_of_a_history_is_none(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("1\t0/3000000\tno recovery target specified\n")
    folder = LogFolder(tmp_path)
    folder.history(2).symlink_to("kept")
    assert folder.forks(2) == ()
    folder.history(2).unlink()
    (tmp_path / "kept").rename(folder.history(2))
    assert folder.forks(2) == (Fork(1, 0x3000000),)


def test_a_planted_history_of_a_peer_is_not_taken(tmp_path: Path) -> None:
    own, peer = LogFolder(tmp_path / "own"), LogFolder(tmp_path / "peer")
    for folder in (own, peer):
        folder.path.mkdir()
    peer.history(2).symlink_to("/etc/hostname")
    peer.history(3).write_text("2\t0/3000000\tno recovery target specified\n")
    own.take_histories(peer, [2, 3])
    assert [path.name for path in own.path.iterdir()] == ["00000003.history"]
