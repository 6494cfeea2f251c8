"""describe-db-engine-versions: the PostgreSQL builds on this machine."""

from __future__ import annotations

from auroractl.api import documents
from auroractl.api.documents import View
from auroractl.api.requests.clusters import DescribeDbEngineVersions
from auroractl.core.engine.versions import serves
from auroractl.runtime.runtime import Runtime


def describe_engine_versions(runtime: Runtime, wanted: DescribeDbEngineVersions) -> View:
    """List the builds, the oldest version first, and the sentences about those that cannot be used.

    Raises MachineError if the default build cannot be used.
    """
    builds, problems = runtime.installation.builds.all()
    shown = [
        build
        for build in sorted(builds, key=lambda build: (build.version, build.folder))
        if (wanted.engine_version is None or serves(wanted.engine_version, str(build.version)))
        and (build.is_default or not wanted.default_only)
    ]
    return {
        "DBEngineVersions": [documents.engine_version_view(build) for build in shown],
        "Unusable": [{"Reason": problem.message, "Hint": problem.hint} for problem in problems],
    }
