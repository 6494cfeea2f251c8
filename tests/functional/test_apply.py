"""Clusters from a file: the difference, carried out on the real thing, once; and the file from a cluster."""

from __future__ import annotations

from pathlib import Path

import tomli

from tests.functional.command import Auroractl

FILE = """
[clusters.demo]
readers = 3
promotion_tier = 4
backtrack_window = "12h"
tags = { team = "checkout" }
parameter_group = "tuned"
instances.demo-instance-3.promotion_tier = 0
instances.demo-instance-3.parameter_group = "reports"

[clusters.demo.growth]
max_capacity = "1TiB"
headroom_percent = 20

[clusters.demo.endpoints.reports]
type = "ANY"
static_members = ["demo-instance-4"]

[cluster_parameter_groups.tuned]
family = "aurora-postgresql18"
description = "of a file"
parameters = { work_mem = "8MB", max_connections = "2e2", auto_explain.log_min_duration = -1 }

[parameter_groups.reports]
family = "aurora-postgresql18"
parameters.work_mem = "16MB"
"""


def test_a_cluster_becomes_what_the_file_says_and_is_then_left_alone(demo: Auroractl, tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text(FILE)
    before = demo("export", "demo").stdout
    planned = demo.run("apply", "-f", str(file), "--dry-run")
    assert planned.returncode == 1
    assert "~ readers" in planned.stderr
    assert planned.json["Plan"]["Changed"]
    assert demo("export", "demo").stdout == before

    done = demo.json("apply", "-f", str(file))
    assert {"Operation": "apply", **done} == planned.json["Plan"]
    again = demo("apply", "-f", str(file), "--output", "json")
    assert again.json == {"Changed": False, "Changes": [], "Steps": []}
    assert again.stderr == ""
    assert "No changes" in demo("apply", "-f", str(file)).stdout
    tiers = {each["DBInstanceIdentifier"]: each["PromotionTier"] for each in demo.instances("demo")}
    assert tiers == {"demo-instance-1": 4, "demo-instance-2": 4, "demo-instance-3": 0, "demo-instance-4": 4}

    exported = demo("export", "demo").stdout
    assert tomli.loads(exported) == demo.json("export", "demo")
    assert not demo("apply", "-f", "-", "--output", "json", stdin=exported).json["Changed"]

    assert {each: _work_mem(demo, each) for each in tiers} == {
        name: "16MB" if name == "demo-instance-3" else "8MB" for name in tiers
    }
    assert {*tomli.loads(exported)} == {"clusters", "cluster_parameter_groups", "parameter_groups"}

    file.write_text("[clusters.demo]\nreaders = 2\nendpoints = {}\ninstances.demo-instance-4.promotion_tier = 1")
    demo("apply", "-f", str(file))
    assert {each["DBInstanceIdentifier"] for each in demo.readers("demo")} == {"demo-instance-3", "demo-instance-4"}
    assert demo.json("export")["clusters"]["demo"]["endpoints"] == {}


def test_a_file_that_cannot_be_is_refused_before_anything_changes(demo: Auroractl, tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    file.write_text('[clusters.new]\nreaders = 0\n\n[clusters.demo]\ntags.a = "b"\nport = 6000\n')
    refused = demo.run("apply", "-f", str(file))
    assert refused.returncode == 2
    assert f"{file}, line 6: clusters.demo.port" in refused.stderr
    assert demo.run("describe-clusters", "new").returncode == 4
    assert demo.run("apply", "-f", str(tmp_path / "none.toml")).returncode == 2
    assert demo.run("export", "nobody").returncode == 4


def test_what_is_left_after_a_failed_step_is_done_by_the_next_apply(demo: Auroractl, tmp_path: Path) -> None:
    file = tmp_path / "cluster.toml"
    port = demo.cluster("demo")["Port"]
    text = f'[clusters.demo]\ntags.left = "no"\n[clusters.second]\nreaders = 0\nengine_version = "14"\nport = {port}\n'
    file.write_text(text)
    failed = demo.run("apply", "-f", str(file))
    assert failed.returncode == 2
    assert "1 of 2 steps are done" in failed.stderr
    file.write_text(text.replace('"14"', '"18"'))
    done = demo.json("apply", "-f", str(file))
    assert [step["Verb"] for step in done["Steps"]] == ["create-cluster"]
    assert not demo.json("apply", "-f", str(file))["Changed"]
    assert set(demo.json("export", "--all")["clusters"]) == {"demo", "second"}


def _work_mem(auroractl: Auroractl, instance: str) -> str:
    with auroractl.connect("demo", instance=instance) as connection:
        row = connection.execute("SHOW work_mem").fetchone()
        assert row is not None
        return str(row[0])
