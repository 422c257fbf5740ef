"""What a process is made of is never searched for garbage, and what comes later is; large blocks are given back."""

import ctypes
import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator

import pytest

from flow_forecaster import memory


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class _Loner:
    """Knows itself, so that only a search finds it."""

    def __init__(self) -> None:
        self.itself = self


def test_garbage_of_a_process_at_work_goes_by_itself() -> None:
    memory.while_starting()
    memory.once_ready()
    watched = weakref.ref(_Loner())
    kept = [[number] for number in range(2 * memory.AT_WORK)]
    assert watched() is None
    assert len(kept) == 2 * memory.AT_WORK


def test_what_was_there_when_it_was_ready_is_searched_no_more() -> None:
    memory.once_ready()
    assert gc.get_freeze_count() > 0


MAPPED = """
import ctypes, sys
from flow_forecaster import memory

class Info(ctypes.Structure):
    _fields_ = [(f"field_{number}", ctypes.c_size_t) for number in range(10)]  # the fourth: blocks apart

libc = ctypes.CDLL(None)
libc.mallinfo2.restype, libc.malloc.restype, libc.free.argtypes = Info, ctypes.c_void_p, [ctypes.c_void_p]
if sys.argv[1] == "kept apart":
    memory.while_starting()
libc.free(libc.malloc(8 * memory.LARGE))
before = libc.mallinfo2().field_3
libc.malloc(2 * memory.LARGE)
print(libc.mallinfo2().field_3 - before)
"""


def test_large_blocks_stay_apart_after_a_larger_one_was_freed() -> None:
    if hasattr(ctypes.CDLL(None), "mallinfo2"):  # glibc
        assert [_apart("kept apart"), _apart("as glibc does")] == [1, 0]
    memory.while_starting()


def _apart(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", MAPPED, how], capture_output=True, check=True).stdout)
