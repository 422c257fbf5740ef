"""Runs the service with texts of its modules replaced: `mutant.py --instead MODULE OLD NEW … ARGUMENT…`.

So a guard of a real process is broken without a copy of the source: kernels stay compiled, the file stays as it is.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

INSTEAD = "--instead"


class _Replacing(SourceFileLoader):
    """Compiles a module from its source with the texts replaced, whatever bytecode is cached."""

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        for old, new in REPLACED[fullname]:
            assert source.count(old) == 1, (fullname, old)
            source = source.replace(old, new)
        return self.source_to_code(source, self.path)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in REPLACED:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Replacing(fullname, spec.origin)
        return spec


if __name__ == "__main__":
    REPLACED: dict[str, list[tuple[str, str]]] = {}
    while sys.argv[1] == INSTEAD:
        module, old, new = sys.argv[2:5]
        REPLACED.setdefault(module, []).append((old, new))
        sys.argv[1:5] = []
    sys.path.remove(str(Path(__file__).resolve().parent))  # modules of the battery have names that others have too
    sys.meta_path.insert(0, _Finder())
    runpy.run_module("flow_forecaster", run_name="__main__", alter_sys=True)
