"""The import hook that registers with Locust when Locust is imported after this package."""

from __future__ import annotations

import importlib.util
import sys
import threading
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class LocustFinder(MetaPathFinder):
    """Finds Locust with the other finders, and has its loader call `register` after the import.

    A program may look for Locust without importing it, so the finder stays until an import has succeeded.
    """

    def __init__(self, register: Callable[[ModuleType], None]) -> None:
        self.register = register
        # By thread: while one thread asks the other finders, another thread's import must still be noticed.
        self._asking = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != "locust" or getattr(self._asking, "now", False):
            return None
        self._asking.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._asking.now = False
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, self)
        return spec


class _RegisteringLoader(Loader):
    """Loads Locust with its own loader, and registers afterwards."""

    def __init__(self, loader: Loader, finder: LocustFinder) -> None:
        self._loader = loader
        self._finder = finder

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the attributes of any loader
        # A program that only looks for Locust uses other methods of the loader.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # Code that asks the module for its loader expects all methods, for example to read files.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        with suppress(ValueError):
            sys.meta_path.remove(self._finder)
        self._finder.register(module)
