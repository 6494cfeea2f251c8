"""The documentation does what it says: the tutorial's blocks and the example scripts, run as a reader would."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.command import Auroractl

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.sh"))
PROGRAMS = Path(sys.executable).parent
_BLOCK = re.compile(r"^```sh\n(?P<script>.*?)^```\n(?P<facts>(?:<!-- says: [^\n]* -->\n)*)", re.MULTILINE | re.DOTALL)
_FACT = re.compile(r"<!-- says: (.*) -->")


def run(command: list[str], auroractl: Auroractl, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command with `auroractl` on the path, in a folder; stdout and stderr come together, as on a terminal."""
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, env={**auroractl.environment, "PATH": path, "COLUMNS": "120", **more}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False,
    )  # fmt: skip


def test_the_tutorial_works_block_by_block(auroractl: Auroractl, tmp_path: Path) -> None:
    blocks = list(_BLOCK.finditer((DOCS / "tutorial.md").read_text()))
    assert len(blocks) > 8
    for block in blocks:
        done = run(["bash", "-euo", "pipefail", "-c", block["script"]], auroractl, tmp_path)
        told = f"{block['script']}\n-> {done.returncode}\n{done.stdout}\n{auroractl.supervisor_log()}"
        assert done.returncode == 0, told
        for fact in _FACT.findall(block["facts"]):
            assert re.search(fact, done.stdout), f"{fact!r} is not in\n{told}"
    assert not [line for line in auroractl.processes() if "postgres" in line]


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.name)
def test_shellcheck_finds_nothing_in_the_examples(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run([PROGRAMS / "shellcheck", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout


def test_a_cluster_for_one_command_and_rolling_failovers_in_it(auroractl: Auroractl, tmp_path: Path) -> None:
    command = f'{DOCS}/examples/rolling-failovers.sh ci && echo "to $PGHOST" && exit 5'
    # The home is a folder that the account of the databases can enter.
    variables = {"TMPDIR": str(auroractl.home.root), "READERS": "1"}
    done = run([str(DOCS / "examples/create-test-delete.sh"), "sh", "-c", command], auroractl, tmp_path, **variables)
    assert done.returncode == 5, done.stdout
    assert "switches: 1; 2 of 2 rows are there\nto 127." in done.stdout
    assert list(auroractl.home.root.glob("create-test-delete-*")) == []
    assert auroractl.pids() == []


def test_the_nightly_drill_keeps_reports_and_fails_where_a_drill_does(auroractl: Auroractl, tmp_path: Path) -> None:
    script = str(DOCS / "examples/nightly-drill.sh")
    variables = {"TMPDIR": str(auroractl.home.root), "READERS": "1", "LOAD": "300ms", "MAX_GAP": "1ms"}
    done = run([script, str(tmp_path / "reports"), "planned"], auroractl, tmp_path, **variables)
    assert done.returncode == 1, done.stdout
    assert "FAILED  planned" in done.stdout
    (report,) = (tmp_path / "reports").iterdir()
    assert json.loads(report.read_text())["Drill"]["Passed"] is False
    assert auroractl.pids() == []
