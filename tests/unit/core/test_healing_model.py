"""Thousands of sequences of faults against the decisions of core and a cluster that is only a model.

The model has what matters for safety: who writes, who has which commits, which storage nodes hold them. What is decided is
carried out as the services do it; after every step nothing acknowledged is missing, there is one writer at most, and once
all faults have ended the cluster heals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from auroractl.core.model import ClusterSnapshot, InstanceObservation
from auroractl.core.repair_rules import Action, Decision, History, Limits, decide, promotable
from auroractl.core.topology import promotion_order
from auroractl.core.volume.faults import Fault, FaultKind
from auroractl.core.volume.growth import GROUP_BYTES_DEFAULT, MAX_CAPACITY_BYTES
from auroractl.core.volume.model import NodeObservation, StorageVolume, VolumeSnapshot, place_nodes
from tests.unit.core.clusters import NOW, cluster, gone, silent, snapshot, well

INSTANCES = 4
ZONES = cluster().availability_zones
NODES = tuple(place_nodes("demo", ZONES, NOW))
VOLUME = StorageVolume("demo", True, MAX_CAPACITY_BYTES, GROUP_BYTES_DEFAULT, 10, GROUP_BYTES_DEFAULT, NOW)
LIMITS = Limits(restarts_max=10_000)
"""Without the bound, so that healing can be asked for after any number of faults."""


@dataclass
class Server:
    """An instance: how its process is, and how many commits its data has."""

    number: int
    state: str = "well"
    has: int = 0

    @property
    def zone(self) -> str:
        return ZONES[(self.number - 1) % 3]


@dataclass
class Node:
    """A storage node: whether it runs, and how many commits it holds."""

    running: bool = True
    holds: int = 0


@dataclass
class World:
    """The cluster as it is."""

    servers: dict[str, Server] = field(default_factory=lambda: {f"i{n}": Server(n) for n in range(1, INSTANCES + 1)})
    nodes: dict[str, Node] = field(default_factory=lambda: {node.identifier: Node() for node in NODES})
    writer: str = "i1"
    out: set[str] = field(default_factory=set)
    acknowledged: int = 0

    def seen(self) -> ClusterSnapshot:
        """What the supervisor sees of it."""
        looks: dict[str, Callable[[int], InstanceObservation]] = {
            "well": well,
            "silent": silent,
            "suspended": lambda number: replace(silent(number), suspended=True),
        }
        observed: dict[str, InstanceObservation] = {}
        for name, server in self.servers.items():
            look = gone() if server.state == "gone" else looks[server.state](server.number)
            observed[name] = replace(look, lsn=server.has, in_recovery=name != self.writer, following=True)
        base = snapshot(*observed.values())
        instances = tuple(replace(each, is_writer=each.identifier == self.writer) for each in base.instances)
        faults = tuple(Fault("demo", FaultKind.AZ_OUTAGE, zone, NOW, None) for zone in self.out)
        nodes = {
            name: NodeObservation(at=NOW, pid=1 if node.running else None, streaming=node.running, held_bytes=1)
            for name, node in self.nodes.items()
        }
        volume = VolumeSnapshot(VOLUME, NODES, nodes, 1, faults=faults)
        return replace(base, instances=instances, observed=observed, volume=volume)

    def carry_out(self, decision: Decision) -> None:
        """What the services do about it."""
        match decision.rule.action:
            case Action.START_STORAGE_NODE:
                self.start_node(decision.name)
            case Action.START_INSTANCE | Action.RESTART_INSTANCE:
                self.start(decision.name)
            case Action.FAIL_OVER:
                self.fail_over()

    def start(self, name: str) -> None:
        server = self.servers[name]
        server.state = "well"
        if name != self.writer and self.servers[self.writer].state == "well":
            server.has = self.servers[self.writer].has

    def start_node(self, name: str) -> None:
        """It receives what it lacks from the writer, or is filled from its peers."""
        node = self.nodes[name]
        node.running = True
        node.holds = max(node.holds, *(each.holds for each in self.nodes.values()))

    def fail_over(self) -> None:
        """Fence, read back from the nodes that can be read, promote."""
        seen = self.seen()
        assert seen.volume is not None
        readable = seen.volume.readable
        assert seen.volume.read_quorum.met_by(readable), "promoted without a read quorum"
        order = promotion_order(promotable(seen), {name: server.has for name, server in self.servers.items()})
        self.servers[self.writer].state = "gone"
        self.writer = order[0].identifier
        promoted = self.servers[self.writer]
        promoted.has = max(promoted.has, *(self.nodes[name].holds for name in readable))

    def held_down(self, name: str) -> bool:
        return next(node.availability_zone for node in NODES if node.identifier == name) in self.out


class Healing(RuleBasedStateMachine):
    """Faults in any order, with commits and looks of the supervisor in between."""

    def __init__(self) -> None:
        super().__init__()
        self.world, self.history, self.now_s = World(), History(), 0.0

    @rule(lagging=st.sets(st.sampled_from([f"i{n}" for n in range(1, INSTANCES + 1)])))
    def commit(self, lagging: set[str]) -> None:
        """Acknowledged when four nodes have it; readers get it sooner or later."""
        world = self.world
        writer = world.servers[world.writer]
        if writer.state != "well":
            return
        writer.has += 1
        there = [node for node in world.nodes.values() if node.running]
        for node in there:
            node.holds = writer.has
        if len(there) >= 4:
            world.acknowledged = writer.has
        for name, server in world.servers.items():
            if server.state == "well" and name not in lagging:
                server.has = writer.has

    @rule(name=st.sampled_from([f"i{n}" for n in range(1, INSTANCES + 1)]), state=st.sampled_from(["gone", "silent", "suspended"]))  # fmt: skip
    def break_instance(self, name: str, state: str) -> None:
        if self.world.servers[name].state != "gone":
            self.world.servers[name].state = state

    @rule(name=st.sampled_from(sorted(World().nodes)))
    def break_node(self, name: str) -> None:
        self.world.nodes[name].running = False

    @rule(zone=st.sampled_from(ZONES))
    def zone_out(self, zone: str) -> None:
        self.world.out.add(zone)
        for server in self.world.servers.values():
            if server.zone == zone:
                server.state = "gone"
        for name, node in self.world.nodes.items():
            if self.world.held_down(name):
                node.running = False

    @rule(zone=st.sampled_from(ZONES))
    def zone_back(self, zone: str) -> None:
        self.world.out.discard(zone)

    @rule(name=st.sampled_from([f"i{n}" for n in range(1, INSTANCES + 1)]))
    def answers_again(self, name: str) -> None:
        if self.world.servers[name].state == "silent":
            self.world.servers[name].state = "well"

    @rule()
    def stands_still(self) -> None:
        self.now_s += 1000.0
        self.history.forget_durations()

    @rule(passed_s=st.sampled_from([0.1, 1.0, 5.0, 60.0]))
    def look(self, passed_s: float) -> None:
        self.now_s += passed_s
        seen = self.world.seen()
        self.history.note(seen, self.now_s)
        for decision in decide(seen, limits=LIMITS, history=self.history, now_s=self.now_s):
            self.history.restarts[decision.name].append(self.now_s)
            self.world.carry_out(decision)

    @invariant()
    def nothing_acknowledged_is_missing(self) -> None:
        writer = self.world.servers[self.world.writer]
        holding = sum(node.holds >= self.world.acknowledged for node in self.world.nodes.values())
        assert writer.has >= self.world.acknowledged
        assert holding >= 4

    def teardown(self) -> None:
        """Faults end; the supervisor's clock goes on. A server that is silent for good is a fault as well."""
        self.world.out.clear()
        for server in self.world.servers.values():
            if server.state == "silent":
                server.state = "well"
        for _ in range(20):
            self.look(600.0)
        assert {server.state for server in self.world.servers.values()} == {"well"}
        assert all(node.running for node in self.world.nodes.values())
        self.nothing_acknowledged_is_missing()


TestHealing = Healing.TestCase
TestHealing.settings = settings(max_examples=300, stateful_step_count=20, deadline=None)
