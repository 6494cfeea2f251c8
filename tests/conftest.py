"""What holds for all tests."""

from __future__ import annotations

import pytest

collect_ignore = ["sample_project", "sample_migrations", "drivers/clients.py"]
"""Programs and projects of their own, which tests run as their owners would."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a cluster of their file in one process, in order: one cluster is made, and one at a time."""
    for item in items:
        fixtures = getattr(item, "_fixtureinfo", None)
        definitions = fixtures.name2fixturedefs.values() if fixtures else ()
        if any(each.scope == "module" for same_name in definitions for each in same_name):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
