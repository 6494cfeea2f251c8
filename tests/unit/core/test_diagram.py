"""The Mermaid picture of a topology."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from auroractl.api import documents
from auroractl.core.diagram import members, mermaid
from tests.unit.core.clusters import snapshot, well


def _document(*seen: Any) -> dict[str, Any]:
    base = snapshot(*seen)
    nodes = [
        {
            "StorageNodeIdentifier": "demo-storage-1",
            "AvailabilityZone": "us-east-1a",
            "Kind": "full",
            "Status": "available",
        },
        {"StorageNodeIdentifier": "demo-storage-2", "AvailabilityZone": "us-east-1b", "Kind": "full", "Status": "down"},
    ]
    return {
        "DBCluster": documents.cluster_view(base),
        "DBInstances": [documents.instance_view(base, each, "/data") for each in base.instances],
        "DBClusterEndpoints": [documents.endpoint_view(base, each) for each in base.endpoints],
        "StorageVolume": {"StorageNodes": nodes},
    }


def test_what_is_there_is_connected_and_what_is_not_is_shown_apart() -> None:
    drawn = mermaid(_document(well(1), well(2), replace(well(3), pid=None, accepting=False)))
    lines = [line.strip() for line in drawn.splitlines()]
    assert lines[0] == "flowchart TB"
    assert "i_i1 == log ==> n_demo_storage_1" in lines
    assert not any("==> n_demo_storage_2" in line for line in lines)
    assert "i_i1 -. log .-> i_i2" in lines
    assert not any(line.endswith("> i_i3") for line in lines)
    assert any(line.startswith("i_i3[") and "failed" in line and line.endswith(":::away") for line in lines)
    assert drawn.count("subgraph ") == lines.count("end") == 5


def test_endpoints_lead_where_the_endpoint_process_leads() -> None:
    up = [
        {"DBInstanceIdentifier": name, "IsClusterWriter": name == "w"}
        for name in ("w", "r1", "r2")
    ]  # fmt: skip
    end = {"EndpointType": "CUSTOM", "CustomEndpointType": "ANY", "StaticMembers": [], "ExcludedMembers": ["r1"]}
    assert members(end, up) == ["w", "r2"]
    assert members({**end, "CustomEndpointType": "READER"}, up) == ["r2"]
    assert members({**end, "StaticMembers": ["r1"], "ExcludedMembers": []}, up) == ["r1"]
    assert members({"EndpointType": "READER"}, up) == ["r1", "r2"]
    assert members({"EndpointType": "READER"}, up[:1]) == ["w"]
    assert members({"EndpointType": "WRITER"}, up[1:]) == []
