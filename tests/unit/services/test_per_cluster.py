"""What works in the background for clusters is never in the way of what removes or replaces it."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from auroractl.runtime.background import PerCluster


class Work:
    """Goes on until `finish` is set, whether it was told to stop or not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.finish = Event()
        self.told = False
        self.waited_for_s = 30.0
        self._thread = Thread(target=self.finish.wait, args=(30,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.told = True

    def wait_ended(self) -> None:
        self._thread.join(self.waited_for_s)

    def works(self) -> bool:
        return self._thread.is_alive()


@pytest.fixture
def made() -> list[Work]:
    return []


@pytest.fixture
def kept(made: list[Work]) -> PerCluster[Work]:
    def make(name: str) -> Work:
        made.append(Work(name))
        return made[-1]

    return PerCluster(make)


def test_what_was_told_to_end_before_is_waited_for(kept: PerCluster[Work], made: list[Work]) -> None:
    kept.only(["demo"])
    kept.only([])
    assert made[0].told
    ending = Thread(target=kept.end, args=("demo",))
    ending.start()
    ending.join(0.2)
    assert ending.is_alive(), "it returned while the work went on"
    made[0].finish.set()
    ending.join(10)
    assert not ending.is_alive()


def test_another_one_begins_only_after_the_one_before_has_ended(kept: PerCluster[Work], made: list[Work]) -> None:
    kept.only(["demo"])
    kept.only([])
    kept.only(["demo"])
    assert len(made) == 1
    made[0].finish.set()
    made[0].wait_ended()
    kept.only(["demo", "other"])
    assert sorted(each.name for each in made) == ["demo", "demo", "other"]
    assert kept.of("demo") is made[1] or kept.of("demo") is made[2]


def test_one_that_does_not_end_in_time_is_not_forgotten(kept: PerCluster[Work], made: list[Work]) -> None:
    kept.only(["demo"])
    made[0].waited_for_s = 0.01
    kept.end("demo")
    kept.only(["demo"])
    assert len(made) == 1
    made[0].finish.set()
    made[0].waited_for_s = 30.0
    made[0].wait_ended()
    kept.only(["demo"])
    assert len(made) == 2
    made[1].finish.set()


def test_all_are_ended(kept: PerCluster[Work], made: list[Work]) -> None:
    kept.only(["demo", "other"])
    kept.only(["other"])
    for each in made:
        each.finish.set()
    kept.end_all()
    assert all(each.told and not each.works() for each in made)
