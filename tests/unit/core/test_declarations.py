"""Declared clusters: what a file may say, what is told of a wrong one, and plans that lead there and then end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auroractl.cli import schemas
from auroractl.config.toml_lines import line_of
from auroractl.core.errors import AuroraError, InvalidClusterState
from auroractl.declarations.file import read_file
from auroractl.declarations.kinds import DeclarationError
from auroractl.declarations.model import read_declarations
from auroractl.declarations.plan import plan_apply
from auroractl.declarations.toml import write_toml
from auroractl.declarations.views import declared, declared_group, file_document
from tests.unit.core.declared_world import GIB, World, made, planned, verbs

MEMBERS = st.lists(st.sampled_from([f"demo-instance-{number}" for number in range(1, 5)]), unique=True, max_size=2)
ENDPOINT = st.fixed_dictionaries(
    {},
    optional={"type": st.sampled_from(["READER", "any"]), "static_members": MEMBERS},
) | st.fixed_dictionaries({"excluded_members": MEMBERS})
TIER = st.integers(0, 15)
GROUP = st.sampled_from(["Tuned", "default.aurora-postgresql18"])
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "max_connections": st.sampled_from([100, "1e2", 200.0]),
        "WORK_MEM": st.sampled_from(["8MB", "8192kB"]),
        "shared_preload_libraries": st.sampled_from(["pgaudit, auto_explain", "pgaudit,auto_explain", ""]),
        "rds.logical_replication": st.booleans(),
        "auto_explain": st.fixed_dictionaries({}, optional={"log_analyze": st.booleans(), "sample_rate": st.floats()}),
        "many": st.integers(0, 30).map(lambda count: {f"p{number}": number for number in range(count)}),
    },
)
GROUPS = st.fixed_dictionaries({"family": st.just("Aurora-PostgreSQL18")}, optional={"parameters": PARAMETERS})
CLUSTER = st.fixed_dictionaries(
    {},
    optional={
        "readers": st.integers(0, 4),
        "promotion_tier": TIER,
        "instances": st.dictionaries(
            st.sampled_from([f"demo-instance-{number}" for number in range(1, 5)]),
            st.fixed_dictionaries({"promotion_tier": TIER}, optional={"parameter_group": GROUP}),
            max_size=2,
        ),
        "parameter_group": GROUP,
        "backtrack_window": st.sampled_from(["0", "90m", "24h", 3600, 7]),
        "deletion_protection": st.booleans(),
        "iam_database_authentication": st.booleans(),
        "tags": st.dictionaries(st.text("ab \"'.=\\\x7fé", min_size=1, max_size=5), st.text(max_size=5), max_size=3),
        "growth": st.fixed_dictionaries(
            {},
            optional={
                "auto_grow": st.booleans(),
                "max_capacity": st.sampled_from(["64TiB", "20GiB", 11 * GIB + 1]),
                "increment": st.sampled_from(["10GiB", "1.5GiB"]),
                "headroom_percent": st.integers(0, 90),
            },
        ),
        "endpoints": st.dictionaries(st.sampled_from(["one", "two", "Three"]), ENDPOINT, max_size=3),
    },
)


@settings(deadline=None)
@given(st.lists(st.tuples(CLUSTER, GROUPS, GROUPS), min_size=1, max_size=3))
def test_a_plan_leads_to_what_the_file_says_or_is_refused_and_then_nothing_is_left(tables: list[Any]) -> None:
    world = World()
    for table, one, other in tables:
        groups = {"cluster_parameter_groups": {"Tuned": one}, "parameter_groups": {"tuned": other}}
        wanted = read_declarations({"clusters": {"demo": table}, **groups})
        try:
            plan = plan_apply(wanted, world.facts())
        except DeclarationError:
            continue
        assert bool(plan.changes) == bool(plan.steps)
        world.carry_out(plan)
        again = plan_apply(wanted, world.facts())
        assert (again.changes, again.steps) == ([], [])
        _exported_file_says_how_it_is(world)


def _exported_file_says_how_it_is(world: World) -> None:
    now = declared(world.facts(), "demo")
    assert now is not None
    groups = {key: declared_group(each) for key, each in world.facts().groups.items()}
    text = write_toml(file_document([now], groups))
    assert planned(world, text).changes == []
    members = {
        member for each in (now.endpoints or {}).values() for member in (*each.static_members, *each.excluded_members)
    }
    instances = {view["DBInstanceIdentifier"] for view in world.instances}
    if not members <= instances or instances != {f"demo-instance-{each + 1}" for each in range(len(instances))}:
        return  # A new cluster numbers its instances anew.
    rebuilt = made(text)
    assert rebuilt.clusters == world.clusters
    assert rebuilt.volumes == world.volumes
    assert rebuilt.facts().groups == world.facts().groups


def test_a_plan_grows_first_and_deletes_last() -> None:
    world = made('[clusters.demo]\nreaders = 1\nendpoints.old.type = "ANY"')
    text = """
        [clusters.demo]
        readers = 2
        instances.demo-instance-3.promotion_tier = 0
        endpoints.new.static_members = ["demo-instance-3"]
        tags.a = "b"
    """
    assert verbs(planned(world, text)) == [
        "modify-cluster", "scale-readers", "modify-instance", "delete-endpoint", "create-endpoint",
    ]  # fmt: skip


def test_a_cluster_without_instances_gets_those_that_are_declared() -> None:
    world = made("[clusters.demo]\nreaders = 0")
    world.instances.clear()
    now = declared(world.facts(), "demo")
    assert now is not None
    assert now.readers is None
    assert planned(world, write_toml(file_document([now], {}))).steps == []
    plan = planned(
        world, "[clusters.demo]\nreaders = 1\ngrowth.auto_grow = false\ninstances.demo-instance-2.promotion_tier = 0"
    )
    assert verbs(plan) == ["create-instance", "create-instance", "storage-autogrow", "modify-instance"]


def test_groups_come_first_and_a_change_of_a_group_is_split_at_what_a_request_may_have() -> None:
    text = "[clusters.demo]\nreaders = 0\nparameter_group = 'tuned'\n" + (
        "[cluster_parameter_groups.tuned]\nfamily = 'aurora-postgresql18'\n[cluster_parameter_groups.tuned.parameters]\n"
    )
    world = World()
    plan = planned(world, text + "\n".join(f"p{number} = {number}" for number in range(21)))
    assert verbs(plan) == [
        "create-cluster-parameter-group",
        *2 * ["modify-cluster-parameter-group"],
        "create-cluster",
    ]
    world.carry_out(plan)
    assert verbs(planned(world, text)) == 2 * ["reset-cluster-parameter-group"]
    assert planned(world, text.replace("[cluster_parameter_groups.tuned.parameters]", "")).steps == []


def test_a_reader_that_the_file_names_is_not_the_one_that_goes() -> None:
    world = made("[clusters.demo]\nreaders = 3")
    plan = planned(world, "[clusters.demo]\nreaders = 1\ninstances.demo-instance-4.promotion_tier = 15")
    gone = [step.request.to_json()["DBInstanceIdentifier"] for step in plan.steps if step.verb == "delete-instance"]
    assert gone == ["demo-instance-3", "demo-instance-2"]
    with pytest.raises(DeclarationError, match="names more readers"):
        planned(world, "[clusters.demo]\nreaders = 0\ninstances.demo-instance-4.promotion_tier = 15")


def test_clusters_that_are_not_declared_and_keys_that_are_not_said_stay() -> None:
    world = made('[clusters.demo]\ntags.a = "b"\nendpoints.one.type = "ANY"\n[clusters.other]\nreaders = 0')
    assert planned(world, "[clusters.demo]").steps == []
    assert verbs(planned(world, "[clusters.demo.endpoints]\n[clusters.demo.tags]")) == [
        "modify-cluster", "delete-endpoint",
    ]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), [("Status", "stopped"), ("Operation", {"Kind": "failover"})])
def test_a_cluster_that_cannot_change_now_is_told_unless_nothing_is_to_do(key: str, value: Any) -> None:
    world = made("[clusters.demo]\nreaders = 1")
    world.clusters["demo"][key] = value
    assert planned(world, "[clusters.demo]\nreaders = 1").steps == []
    with pytest.raises(InvalidClusterState, match="demo is"):
        planned(world, "[clusters.demo]\nreaders = 2")


WRONG = [
    ("", 1, "clusters declares no cluster"),
    ("[cluster.demo]", 1, "cluster is unknown"),
    ("[clusters.demo]\n\nreader = 2", 3, "clusters.demo.reader is unknown"),
    ("[clusters.demo]\nreaders = 16", 2, "clusters.demo.readers must be a whole number from 0 to 15, not 16"),
    ("[clusters.demo]\nreaders = true", 2, "whole number"),
    ("[clusters.demo]\ndeletion_protection = 1", 2, "true or false"),
    ('[clusters.demo]\nbacktrack_window = "soon"', 2, 'a duration such as "24h"'),
    ('[clusters.demo]\nbacktrack_window = "73h"', 2, "not a valid Backtrack Window"),
    ('[clusters."De mo"]', 1, "not a valid identifier"),
    ("[clusters.demo]\n[clusters.DEMO]", 2, "means demo"),
    ("[clusters.demo.tags]\na = 1", 2, "clusters.demo.tags.a must be a string in quotes"),
    ('[clusters.demo]\ntags = { "aws:a" = "b" }', 2, "not a valid tag"),
    ("[clusters]\ndemo = { readers = -1 }", 2, "clusters.demo.readers"),
    ("clusters.demo.growth.increment = 0", 1, "more than 0"),
    ("[clusters.demo.growth]\nmax_capacity = '1GiB'", 2, "less than one protection group"),
    ("[clusters.demo.growth]\nheadroom_percent = 91", 2, "0 to 90"),
    ("[clusters.demo.endpoints.one]\ntype = 'WRITER'", 2, "one of READER, ANY"),
    ("[clusters.demo.endpoints.one]\nstatic_members = ['a', 'A']", 2, "has a duplicate"),
    ("[clusters.demo.endpoints.one]\nstatic_members=['a']\nexcluded_members=['b']", 1, "has both"),
    ("[clusters.demo.endpoints.one]\nstatic_members = ['demo-instance-9']", 2, "not an instance of the cluster"),
    ("[clusters.demo.endpoints]\ndemo-reader = {}", 2, "the name of another endpoint"),
    ("[clusters.demo.endpoints]\n" + "\n".join(f"e{n} = {{}}" for n in range(6)), 1, "the maximum is 5"),
    ("[clusters.demo.instances.demo-instance-9]\npromotion_tier = 1", 1, "not an instance of the cluster"),
    ("[clusters.taken]\nport = 5433", 2, "is 5432 and cannot be changed after creation"),
    ("[clusters.taken]\nengine_version = '17'", 2, "is '18.6' and cannot be changed"),
    ("[parameter_groups.a]", 1, "parameter_groups.a needs a family"),
    ("[parameter_groups.a]\nfamily = 'aurora-mysql8'", 2, "Families are aurora-postgresql15"),
    ("[parameter_groups.'default.a']", 1, "is the name of a default parameter group"),
    ("[parameter_groups.a]\nparameters = 1", 2, "must be a table of parameters"),
    ("[parameter_groups.a.parameters]\nwork_mem = [1]", 2, "has no value that fits"),
    ("[parameter_groups.a.parameters]\nx.y = 1\n\"x.y\" = 2", 3, "means x.y, which exists already"),
    ("[cluster_parameter_groups.there]\nfamily = 'aurora-postgresql17'", 2, "cannot be changed after creation"),
    ("[cluster_parameter_groups.there]\ndescription = 'x'", 2, "cannot be changed after creation"),
    ("[clusters.demo]\nparameter_group = 'none'", 2, "names the group none, which does not exist"),
    ("[clusters.demo]\nparameter_group = 'a b'", 2, "not provided correctly"),
    ("[clusters.demo]\ninstances.demo-instance-1.parameter_group = 'there'", 2, "which does not exist"),
    ("[clusters.taken]\nparameter_group = 'default.aurora-postgresql17'", 2, "has engine version 18.6"),
    ("[clusters.demo]\nendpoints.taken-reports = {}", 2, "the name of another endpoint"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "sentence"), WRONG, ids=[each[2] for each in WRONG])
def test_what_is_wrong_is_told_with_line_and_key_before_anything_changes(
    text: str, line: int, sentence: str, tmp_path: Path
) -> None:
    world = made(
        "[clusters.taken]\nreaders = 0\n[clusters.taken.endpoints.taken-reports]\n"
        "[cluster_parameter_groups.there]\nfamily = 'aurora-postgresql18'"
    )
    file = tmp_path / "cluster.toml"
    file.write_text(text)
    with pytest.raises(AuroraError) as raised:  # noqa: PT012  (reading and planning are one thing to a person)
        read = read_file(str(file))
        with read.telling_lines():
            plan_apply(read.declared, world.facts())
    assert raised.value.message.startswith(f"{file}, line {line}: ")
    assert sentence in raised.value.message
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("clusters", "Demo", "readers"), 3),
        (("clusters", "demo", "tags", "cost.center"), 6),
        (("clusters", "demo", "endpoints"), 8),
        (("clusters", "demo", "endpoints", "a", "type"), 9),
        (("clusters", "demo"), 2),
        (("clusters", "other", "port"), 11),
        (("clusters", "last", "region"), 17),
        (("elsewhere",), 1),
    ],
)
def test_the_line_of_a_key(keys: tuple[str, ...], line: int) -> None:
    text = (
        "# a file\n[clusters.demo] # it\nreaders=2\n\n[clusters . 'demo' . tags]\n\"cost.center\" = 'x'\n\n"
        "[clusters.demo.endpoints.a]\ntype = 'ANY'\n[clusters]\nother = { port = 1 }\n"
        "[clusters.last]\nport = '''\n[clusters.demo]\nregion = 1\n'''\nregion = 'x'\n"
    )
    assert line_of(text, keys) == line


def test_the_file_in_the_documentation_can_be_applied() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "declarative.md").read_text()
    text = documented.split("```toml\n", 1)[1].split("```", 1)[0]
    world = made(text)
    assert planned(world, text).changes == []
    assert set(world.clusters) == {"shop"}


def test_the_schema_that_is_published_is_current() -> None:
    published = Path(__file__).parents[3] / "docs" / "cluster.schema.json"
    assert published.read_text() == schemas.text(), "run: python -m auroractl.cli.schemas docs/cluster.schema.json"


def _property_names(schema: dict[str, Any]) -> set[str]:
    names = set(schema.get("properties", {}))
    below = [*schema.get("properties", {}).values(), schema.get("additionalProperties")]
    return names.union(*(_property_names(each) for each in below if isinstance(each, dict)))


def test_the_documentation_knows_every_key() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "declarative.md").read_text()
    names = _property_names(json.loads(schemas.text()))
    assert {"readers", "static_members", "max_capacity"} < names
    assert [name for name in sorted(names) if f"`{name}" not in documented and f"`[{name}." not in documented] == []
