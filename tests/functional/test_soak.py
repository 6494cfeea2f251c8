"""Random faults every few seconds under load: nothing acknowledged is lost, and the cluster is well in the end.

`AURORACTL_SOAK_S` and `AURORACTL_SOAK_SEED` make it longer or another one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable

import psutil
import psycopg
import pytest

from tests.functional.command import Auroractl, wait_until
from tests.functional.ledger import Ledger
from tests.functional.test_volume import wait_for_progress

log = logging.getLogger(__name__)
SOAK_S = float(os.environ.get("AURORACTL_SOAK_S", "25"))
PAUSE_S = (0.2, 1.5) if SOAK_S < 60 else (0.5, 4.0)
"""Between two faults; shorter in a short soak, so that it has as many as one of forty seconds with long pauses."""
SEED = os.environ.get("AURORACTL_SOAK_SEED", "20261123")
BUSY = {0, 1, 4, 5, 6, 7}
"""Exit codes that a command may have on a cluster that is being broken; 3 and 70 would be ours."""
SETTLED_S = 120.0
"""After this a process that lives on must not need more memory."""


class Memory:
    """What the supervisor and the endpoint process need, sampled while they live."""

    def __init__(self, auroractl: Auroractl) -> None:
        self._auroractl = auroractl
        self._samples: dict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)

    def sample(self) -> None:
        for what, program in (("supervisor", "auroractl.supervisor"), ("endpoint process", "auroractl.endpoints")):
            for pid in self._auroractl.pids():
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    if program in " ".join(process.cmdline()):
                        self._samples[what, pid].append((time.monotonic(), process.memory_info().rss))

    def growth(self) -> dict[str, float]:
        """By how much each process that lived long enough grew, from what it needed once it had settled."""
        found = {}
        for (what, pid), samples in self._samples.items():
            settled = [rss for at_s, rss in samples if at_s - samples[0][0] > SETTLED_S]
            if len(settled) >= 4:
                half = len(settled) // 2
                found[f"{what} {pid}"] = statistics.median(settled[half:]) / statistics.median(settled[:half])
        return found


class DirectWriters:
    """Clients that write to every instance past the endpoints: a second writer would acknowledge what is lost later."""

    def __init__(self, auroractl: Auroractl) -> None:
        self.acknowledged: set[tuple[int, int]] = set()
        self._uris = [auroractl.uri("demo", instance=f"demo-instance-{number}") for number in (1, 2, 3)]
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(len(self._uris))]

    def __enter__(self) -> DirectWriters:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _write(self, which: int) -> None:
        client, number = 100 + which, 0
        while not self._stopping.is_set():
            try:
                with psycopg.connect(
                    self._uris[which], autocommit=True, connect_timeout=2, tcp_user_timeout=3000, keepalives_idle=2
                ) as connection:
                    while not self._stopping.wait(0.02):
                        number += 1
                        connection.execute("insert into ledger values (%s, %s)", (client, number))
                        self.acknowledged.add((client, number))
            except psycopg.Error:
                self._stopping.wait(0.1)


class Faults:
    """What happens to the cluster, in an order that the seed gives."""

    def __init__(self, auroractl: Auroractl, source: random.Random) -> None:
        self._auroractl, self._random = auroractl, source
        self.done: list[str] = []
        self._kinds: list[Callable[[], None]] = [
            self.crash, self.hang_writer, self.zone, self.nodes, self.supervisor, self.endpoint_process, self.planned,
            self.scale, self.standstill, self.suspended_machine, self.reader,
        ]  # fmt: skip

    def next(self, *, spare_ours: bool) -> None:
        """The next fault; where ours are spared, neither supervisor nor endpoint process is killed."""
        kinds = self._kinds
        if spare_ours:
            kinds = [kind for kind in kinds if kind not in {self.supervisor, self.endpoint_process}]
        kind = self._random.choice(kinds)
        self.done.append(kind.__name__)
        kind()

    def _run(self, *arguments: str) -> None:
        done = self._auroractl.run(*arguments, timeout_s=120)
        assert done.returncode in BUSY or "The supervisor ended" in done.stderr, (arguments, done, self.done)

    def _supervisor_pid(self) -> int:
        """Of the one that runs, or of a new one where the last one was killed."""
        self._run("supervisor", "start")
        return self._auroractl.supervisor_pid()

    def crash(self) -> None:
        name = self._random.choice(self._auroractl.instances("demo"))["DBInstanceIdentifier"]
        self._run("inject-fault", "crash-instance", name)

    def hang_writer(self) -> None:
        self._run("inject-fault", "hang-instance", "writer")

    def zone(self) -> None:
        self._run("inject-fault", "az-outage", f"us-east-1{self._random.choice('abc')}", "--duration", "3s")

    def nodes(self) -> None:
        for number in self._random.sample(range(1, 7), self._random.randint(1, 3)):
            self._run("inject-fault", "crash-storage-node", str(number), "--duration", "2s")

    def supervisor(self) -> None:
        os.kill(self._supervisor_pid(), signal.SIGKILL)

    def standstill(self) -> None:
        """The supervisor's clock jumps, as it sees it: it was suspended while everything else went on."""
        pid = self._supervisor_pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._random.uniform(2.5, 5))
        os.kill(pid, signal.SIGCONT)

    def suspended_machine(self) -> None:
        """Everything stands still and goes on, the supervisor first or last."""
        members = self._auroractl.pids()
        for number, pause_s in ((signal.SIGSTOP, self._random.uniform(2.5, 5)), (signal.SIGCONT, 0.0)):
            self._random.shuffle(members)
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(pause_s)

    def reader(self) -> None:
        """Lag or a partition of a reader, or an endpoint that refuses."""
        readers = self._auroractl.readers("demo")
        if readers:
            name = self._random.choice(readers)["DBInstanceIdentifier"]
            self._run("inject-fault", *self._random.choice(
                (
                    ("replica-lag", name, "--delay", "5s"),
                    ("partition-instance", name),
                    ("refuse-endpoint", "writer"),
                    ("slow-endpoint", "writer", "--delay", "20ms"),
                )
            ), "--duration", "3s")  # fmt: skip

    def endpoint_process(self) -> None:
        pid = self._auroractl.cluster("demo")["EndpointProcessId"]
        if pid is not None:
            psutil.Process(pid).kill()

    def planned(self) -> None:
        self._run("failover", "demo")

    def scale(self) -> None:
        readers = len(self._auroractl.readers("demo"))
        self._run("scale-readers", "demo", *(("--add", "1") if readers < 3 else ("--remove", "1")))


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 240)
def test_random_faults_lose_nothing(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    faults, memory = Faults(auroractl, random.Random(SEED)), Memory(auroractl)
    with Ledger(auroractl.uri("demo"), clients=4) as ledger, DirectWriters(auroractl) as direct:
        wait_for_progress(ledger)
        began_s = time.monotonic()
        end_s = began_s + SOAK_S
        while time.monotonic() < end_s:
            # In the second half ours live on, so that their memory can be watched.
            faults.next(spare_ours=time.monotonic() > began_s + SOAK_S / 2)
            memory.sample()
            time.sleep(random.Random(len(faults.done)).uniform(*PAUSE_S))
        wait_until(
            f"the cluster to be well after {faults.done}", lambda: auroractl.cluster("demo")["Health"] == "ok", 120, 0.2
        )
        wait_for_progress(ledger)
    ledger.acknowledged |= direct.acknowledged
    assert ledger.missing() == set(), faults.done
    assert len(faults.done) >= SOAK_S / 8
    instances = auroractl.instances("demo")
    assert sorted(auroractl.postmasters()) == sorted(each["ProcessId"] for each in instances)
    assert sum("pg_receivewal" in line for line in auroractl.processes()) == 6
    assert psutil.Process(auroractl.supervisor_pid()).memory_info().rss < 250 * 1024**2
    log.info("%d faults; %d rows; growth %s", len(faults.done), len(ledger.acknowledged), memory.growth())
    assert all(growth < 1.1 for growth in memory.growth().values()), memory.growth()
    assert auroractl.rows("select count(*) from operation where status = 'running'") == [(0,)]
