"""Late imports in a process that accesses files as an account which may be unable to read this Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from auroractl.system.file_credentials import as_self


class _LoaderAsSelf(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        with as_self():
            return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with as_self():
            self._loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class _FinderAsSelf(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        with as_self():
            spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LoaderAsSelf(spec.loader)
        return spec


def import_as_self() -> None:
    """Read modules as the process's user from now on, whatever the importing thread's identity.

    Libraries import on first use (codecs, dialects, protocols); a list of those modules would never be complete.
    """
    sys.meta_path.insert(sys.meta_path.index(PathFinder), _FinderAsSelf())
