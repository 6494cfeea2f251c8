"""The shape of the code: no circle of modules, none that is too long to be about one thing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import auroractl

ROOT = Path(auroractl.__file__).parent
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def _modules() -> Iterator[Path]:
    return ROOT.rglob("*.py")


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for type checkers only count too: they hide a circle, and do not break it."""
    graph = grimp.build_graph("auroractl", cache_dir=None)
    TopologicalSorter({each: graph.find_modules_directly_imported_by(each) for each in graph.modules}).prepare()


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _modules()}
    assert {name: lines for name, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}


def test_no_function_is_too_long() -> None:
    found = []
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno >= FUNCTION_LINES_MAX:
                    found.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert found == []


def test_no_function_takes_a_cluster_by_two_parameters() -> None:
    """What works on one cluster takes a ManagedCluster, in place of the runtime and a name."""
    found = []
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                types = {ast.unparse(each.annotation) for each in node.args.args if each.annotation}
                names = {
                    each.arg for each in node.args.args if each.annotation and ast.unparse(each.annotation) == "str"
                }
                if types & {"Runtime", "ManagedCluster"} and "cluster" in names:
                    found.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert found == []
