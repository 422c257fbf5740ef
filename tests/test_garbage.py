"""What a process is made of is never searched for garbage, and what comes later is, without anybody's doing."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from flow_forecaster import garbage


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
    garbage.while_starting()
    garbage.once_ready()
    watched = weakref.ref(_Loner())
    kept = [[number] for number in range(2 * garbage.AT_WORK)]
    assert watched() is None
    assert len(kept) == 2 * garbage.AT_WORK


def test_what_was_there_when_it_was_ready_is_searched_no_more() -> None:
    garbage.once_ready()
    assert gc.get_freeze_count() > 0
