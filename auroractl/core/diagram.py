"""The topology of a cluster as a Mermaid flowchart, drawn as architecture pages draw Aurora.

https://mermaid.js.org/syntax/flowchart.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]
_AVAILABLE = "available"
_CLASSES = (
    "classDef writer fill:#dbeafe,stroke:#1d4ed8,color:#111",
    "classDef reader fill:#dcfce7,stroke:#15803d,color:#111",
    "classDef node fill:#f3f4f6,stroke:#6b7280,color:#111",
    "classDef away fill:#fee2e2,stroke:#b91c1c,color:#111,stroke-dasharray:4",
)


def mermaid(document: Document) -> str:
    """Render the flowchart of a `describe-status` document: clients, endpoints, instances by zone, storage nodes.

    Anything that is not available has a dashed frame and its status, and no connection leads to it.
    """
    cluster = document["DBCluster"]
    instances, ends = document["DBInstances"], document["DBClusterEndpoints"]
    nodes = (document["StorageVolume"] or {"StorageNodes": []})["StorageNodes"]
    lines = ["flowchart TB", '  clients(["clients"])', '  subgraph endpoints["endpoints"]', "    direction LR"]
    lines += [f'    {_id("e", each["DBClusterEndpointIdentifier"])}(["{_endpoint(each)}"])' for each in ends]
    lines += ["  end", f'  subgraph cluster["cluster {cluster["DBClusterIdentifier"]}: {cluster["Status"]}"]']
    for number, zone in enumerate(cluster["AvailabilityZones"], 1):
        lines += [f'    subgraph zone{number}["{zone}"]', "      direction TB"]
        lines += [f"      {_instance(each)}" for each in instances if each["AvailabilityZone"] == zone]
        lines += [f"      {_node(each)}" for each in nodes if each["AvailabilityZone"] == zone]
        lines.append("    end")
    lines.append("  end")
    lines += [f"  {edge}" for edge in _edges(instances, ends, nodes)]
    return "\n".join([*lines, *(f"  {each}" for each in _CLASSES)])


def _id(kind: str, name: str) -> str:
    """Return a valid Mermaid identifier; Mermaid reserves some words, such as end.

    >>> _id("i", "demo-instance-1")
    'i_demo_instance_1'
    """
    return f"{kind}_{name.replace('-', '_')}"


def _endpoint(view: Document) -> str:
    kind = (view["CustomEndpointType"] or view["EndpointType"]).lower()
    custom = "custom " if view["CustomEndpointType"] else ""
    return f"{view['DBClusterEndpointIdentifier']}<br/>{custom}{kind}, {view['Endpoint']}:{view['Port']}"


def _instance(view: Document) -> str:
    role = "writer" if view["IsClusterWriter"] else "reader"
    name, status = view["DBInstanceIdentifier"], view["DBInstanceStatus"]
    there = status == _AVAILABLE
    said = "" if there else f"<br/>{status}"
    return f'{_id("i", name)}["{name}<br/>{role}, tier {view["PromotionTier"]}{said}"]:::{role if there else "away"}'


def _node(view: Document) -> str:
    name, status = view["StorageNodeIdentifier"], view["Status"]
    there = status == _AVAILABLE
    said = "" if there else f"<br/>{status}"
    return f'{_id("n", name)}[("{name}<br/>{view["Kind"]}{said}")]:::{"node" if there else "away"}'


def _edges(instances: Sequence[Document], ends: Sequence[Document], nodes: Sequence[Document]) -> list[str]:
    up = [each for each in instances if each["DBInstanceStatus"] == _AVAILABLE]
    writer = next((each["DBInstanceIdentifier"] for each in up if each["IsClusterWriter"]), None)
    edges = []
    for end in ends:
        target = _id("e", end["DBClusterEndpointIdentifier"])
        edges.append(f"clients --> {target}")
        edges += [f"{target} --> {_id('i', name)}" for name in members(end, up)]
    if writer is not None:
        source = _id("i", writer)
        edges += [
            f"{source} == log ==> {_id('n', each['StorageNodeIdentifier'])}"
            for each in nodes
            if each["Status"] == _AVAILABLE
        ]
        edges += [
            f"{source} -. log .-> {_id('i', each['DBInstanceIdentifier'])}"
            for each in up
            if not each["IsClusterWriter"] and each["Following"]
        ]
    return edges


def members(endpoint: Document, available: Sequence[Document]) -> list[str]:
    """List the available instances of an endpoint; the reader endpoint has the writer if there are no others."""
    writers = [each["DBInstanceIdentifier"] for each in available if each["IsClusterWriter"]]
    readers = [each["DBInstanceIdentifier"] for each in available if not each["IsClusterWriter"]]
    if endpoint["EndpointType"] == "WRITER":
        return writers
    if endpoint["EndpointType"] == "READER":
        return readers or writers
    eligible = readers if endpoint["CustomEndpointType"] == "READER" else [*writers, *readers]
    if endpoint["StaticMembers"]:
        return [name for name in eligible if name in endpoint["StaticMembers"]]
    return [name for name in eligible if name not in endpoint["ExcludedMembers"]]
