"""Runs the service with one text of one of its modules replaced: `mutant.py MODULE OLD NEW ARGUMENT...`.

So a test breaks a guard of a real process without a copy of the source: kernels stay compiled, the file stays as it is.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType


class _Replacing(SourceFileLoader):
    """Compiles a module from its source with the text replaced, whatever bytecode is cached."""

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        assert source.count(OLD) == 1, (fullname, OLD)
        return self.source_to_code(source.replace(OLD, NEW), self.path)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Replacing(fullname, spec.origin)
        return spec


if __name__ == "__main__":
    MODULE, OLD, NEW = sys.argv[1:4]
    sys.argv[1:4] = []
    sys.meta_path.insert(0, _Finder())
    runpy.run_module("flow_forecaster", run_name="__main__", alter_sys=True)
