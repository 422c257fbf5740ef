"""Pages of a backtest: what is written is read again, and pages written apart add up to those written together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.naive import PATIENT
from flow_forecaster.engine.journal import Book, Journal, Pages
from flow_forecaster.engine.rolling import Target
from flow_forecaster.engine.scoring import INTERVALS, PROMISES, Score

TARGETS = (Target(side="items", horizon=3), Target(side="periods", horizon=8))
BOOK = Book(origins=range(20, 41, 4), targets=TARGETS, forecasters=("mean", "adaptive", "weibull"))
REAL = st.floats(-1e300, 1e300)


def several(of: st.SearchStrategy[Any], like: Sequence[float]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(*[of] * len(like))


SCORES = st.builds(
    Score,
    actual=st.integers(0, 2**53),
    crps=REAL,
    error=REAL,
    loss=several(REAL, PROMISES),
    kept=several(st.sampled_from([True, False, None]), PROMISES),
    stated=several(REAL, PROMISES),
    inside=several(st.booleans(), INTERVALS),
    held=several(REAL, INTERVALS),
    below=REAL,
    up_to=REAL,
)
NUMBERS = st.integers(0, len(BOOK.origins) - 1)
NOTES = st.one_of(
    st.tuples(st.just("note"), NUMBERS, st.sampled_from(TARGETS), st.integers(0, 2), SCORES),
    st.tuples(st.just("note_censored"), NUMBERS, st.sampled_from(TARGETS)),
    st.tuples(st.just("note_refused"), NUMBERS, st.integers(0, 2)),
    st.tuples(st.just("note_idle"), NUMBERS),
)


def empty() -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.zeros(BOOK.size, dtype=np.int64)


def write(pages: Pages, notes: list[Any]) -> None:
    for name, *said in notes:
        getattr(pages, name)(*said)


def told(notes: list[Any]) -> Journal:
    """Say in plain Python what a reader of the notes is to find."""
    scores: dict[Target, dict[str, dict[int, Score]]] = {
        target: {name: {} for name in BOOK.forecasters} for target in TARGETS
    }
    censored, refused, idle = set(), set(), set()
    for name, number, *said in notes:
        origin = BOOK.origins[number]
        if name == "note":
            scores[said[0]][BOOK.forecasters[said[1]]][origin] = said[2]
        elif name == "note_censored":
            censored.add((said[0], origin))
        elif name == "note_refused":
            refused.add((BOOK.forecasters[said[0]], origin))
        else:
            idle.add(origin)
    return Journal(
        scores=scores,
        censored={target: sum(each[0] == target for each in censored) for target in TARGETS},
        refused={
            name: min(at for who, at in refused if who == name)
            for name in BOOK.forecasters
            if name in {each[0] for each in refused}
        },
        idle=tuple(sorted(idle)),
    )


@given(st.lists(NOTES, max_size=12))
@PATIENT
def test_what_is_written_is_read_again(notes: list[Any]) -> None:
    numbers = empty()
    write(BOOK.pages(numbers), notes)
    assert BOOK.pages(numbers).read() == told(notes)


@given(
    st.lists(NOTES, max_size=12), st.lists(st.integers(0, 2), min_size=len(BOOK.origins), max_size=len(BOOK.origins))
)
@PATIENT
def test_pages_that_three_wrote_apart_add_up_to_those_that_one_wrote(notes: list[Any], whose: tuple[int, ...]) -> None:
    apart = [empty() for _ in range(3)]
    for writer, numbers in enumerate(apart):
        write(BOOK.pages(numbers), [each for each in notes if whose[each[1]] == writer])
    together = empty()
    write(BOOK.pages(together), notes)
    assert sum(apart, start=empty()).tobytes() == together.tobytes()
