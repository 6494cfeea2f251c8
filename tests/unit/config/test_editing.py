"""Changing one line of somebody's settings file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import tomli

from auroractl.config.editing import edited, with_value
from auroractl.config.paths import Home
from auroractl.config.settings import origins
from auroractl.core.errors import ConfigurationError

FILES = [
    "",
    "# nothing yet",
    'region = "eu-west-1"  # near\n\n# end\n',
    'default_cluster = "old"\n',
    "  default_cluster='old' # why\nregion = 'x'",
    '"default_cluster" = "old"\noutput = "json"\n',
    '# default_cluster = "commented"\n',
    'default_cluster = """old\nand more"""  # why\n',
    'default_cluster = "with \\" inside"\n',
    "run_as = '''\ndefault_cluster = 'inside'\n# no comment'''\ndefault_cluster = 'old'\n",
    '# """ begins nothing\nregion = """\ndefault_cluster = "inside a text" \\"""\n"""\noutput = "json"\n',
]


@pytest.mark.parametrize("text", FILES)
def test_only_the_one_value_changes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    others = {key: value for key, value in tomli.loads(text).items() if key != "default_cluster"}
    changed = edited(path, "default_cluster", "demo")
    assert tomli.loads(changed) == {**others, "default_cluster": "demo"}
    comments = re.findall("#.*", text)
    assert re.findall("#.*", changed) == comments
    path.write_text(changed)
    assert tomli.loads(edited(path, "default_cluster", None)) == others
    assert path.read_text() == changed


def test_a_table_keeps_what_is_its_own() -> None:
    assert tomli.loads(with_value("[later]\na = 1\n", "default_cluster", "demo")) == {
        "default_cluster": "demo",
        "later": {"a": 1},
    }


def test_a_table_in_place_of_the_value_is_left_to_the_person(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("default_cluster.of = 'something else'\n")
    with pytest.raises(ConfigurationError, match="does not change"):
        edited(path, "default_cluster", "demo")


def test_a_result_that_is_not_the_wanted_one_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auroractl.config.editing.with_value", lambda *_: "region = 'changed too'\n")
    with pytest.raises(ConfigurationError, match="does not change"):
        edited(tmp_path / "config.toml", "default_cluster", "demo")


def test_where_each_setting_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORACTL_CONFIG", str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text('region = "eu-west-1"\noutput = "json"\nhistory_days = 3\n')
    home = Home(tmp_path)
    home.config.write_text('# of the home\noutput = "text"\n')
    found = {each.key: each for each in origins(home, {"AURORACTL_HISTORY_DAYS": "7", "AURORACTL_CLUSTER": "demo"})}
    assert (found["region"].value, found["region"].file, found["region"].line) == (
        "eu-west-1",
        tmp_path / "mine.toml",
        1,
    )
    assert (found["output"].value, found["output"].file, found["output"].line) == ("text", home.config, 2)
    assert (found["history_days"].value, found["history_days"].variable) == (7, "AURORACTL_HISTORY_DAYS")
    assert (found["default_cluster"].value, found["default_cluster"].variable) == ("demo", "AURORACTL_CLUSTER")
    assert (found["addresses"].value, found["addresses"].file, found["addresses"].variable) == ("auto", None, None)


def test_lines_are_counted_around_strings_of_several_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURORACTL_CONFIG", os.devnull)
    home = Home(tmp_path)
    home.config.write_text(
        '# """ begins nothing\nrun_as = """\nregion = "inside" \\"""\n[output]\n""""" # it\'s\n'
        "postgresql_folder = '''\noutput = 1'''\n# \u2028 \x85\n\"region\" = 'mine'\n\"\\u006futput\" = 'text'\n"
    )
    lines = {each.key: each.line for each in origins(home, {}) if each.file}
    assert lines == {"run_as": 2, "postgresql_folder": 6, "region": 9, "output": 10}
