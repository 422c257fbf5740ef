"""What a backtest finds at each origin, on pages of whole numbers: pages written anywhere add up to all of them.

Each origin has a page of its own, and one that nobody wrote is 0 throughout. So the pages of some origins and those of
others add up as the counts of trials do, and a backtest is shared among threads and workers like any simulation.
Numbers that are not whole lie there by their bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from math import isnan, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.rolling import Target
from flow_forecaster.engine.scoring import INTERVALS, PROMISES, Score

_WHOLE, _REAL = "<i8", "<f8"
_LENGTHS = {"loss": PROMISES, "kept": PROMISES, "stated": PROMISES, "inside": INTERVALS, "held": INTERVALS}
_NAMES = tuple(each.name for each in fields(Score))
_SHAPES = {name: (len(_LENGTHS[name]),) if name in _LENGTHS else () for name in _NAMES}
_SCORE = np.dtype([("made", _WHOLE), *((name, _REAL, shape) for name, shape in _SHAPES.items())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Scores by target, forecaster and origin, and what was left out.

    `censored` counts origins by target, `refused` has the first origin that a forecaster could not forecast from.
    """

    scores: Mapping[Target, Mapping[str, Mapping[int, Score]]]
    censored: Mapping[Target, int]
    refused: Mapping[str, int]
    idle: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Book:
    """How the pages of a backtest are laid out: one for each origin, with a place for each target and forecaster."""

    origins: range
    targets: tuple[Target, ...]
    forecasters: tuple[str, ...]

    @property
    def size(self) -> int:
        """The whole numbers on all pages."""
        return len(self.origins) * (self._page.itemsize // 8)

    def pages(self, numbers: Counts) -> "Pages":
        """Open the pages that lie in an array of `size` whole numbers, shape (size,)."""
        return Pages(book=self, lines=numbers.view(self._page))

    @cached_property
    def _page(self) -> np.dtype[Any]:
        targets, forecasters = len(self.targets), len(self.forecasters)
        return np.dtype(
            [
                ("idle", _WHOLE),
                ("censored", _WHOLE, (targets,)),
                ("refused", _WHOLE, (forecasters,)),
                ("scores", _SCORE, (targets, forecasters)),
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The pages of a book; whoever writes names the origin by its number."""

    book: Book
    lines: NDArray[Any]

    def note_idle(self, number: int) -> None:
        """Note that nothing could be forecast at an origin."""
        self.lines["idle"][number] = 1

    def note_censored(self, number: int, target: Target) -> None:
        """Note that a target was unfinished where the history ends."""
        self.lines["censored"][number, self.book.targets.index(target)] = 1

    def note_refused(self, number: int, forecaster: int) -> None:
        """Note that a forecaster could not forecast from an origin."""
        self.lines["refused"][number, forecaster] = 1

    def note(self, number: int, target: Target, forecaster: int, score: Score) -> None:
        """Note a score."""
        self.lines["scores"][number, self.book.targets.index(target), forecaster] = _written(score)

    def read(self) -> Journal:
        """Read everything."""
        origins, targets, forecasters = self.book.origins, self.book.targets, self.book.forecasters
        refused = self.lines["refused"]
        return Journal(
            scores={
                target: {name: self._scores(row, column) for column, name in enumerate(forecasters)}
                for row, target in enumerate(targets)
            },
            censored=dict(zip(targets, self.lines["censored"].sum(axis=0).tolist(), strict=True)),
            refused={
                name: origins[int(refused[:, column].argmax())]
                for column, name in enumerate(forecasters)
                if refused[:, column].any()
            },
            idle=tuple(origins[number] for number in np.flatnonzero(self.lines["idle"])),
        )

    def _scores(self, row: int, column: int) -> dict[int, Score]:
        lines = self.lines["scores"][:, row, column]
        made = np.flatnonzero(lines["made"])
        columns = [lines[name][made].tolist() for name in _NAMES]
        return {
            self.book.origins[number]: _read(dict(zip(_NAMES, values, strict=True)))
            for number, *values in zip(made.tolist(), *columns, strict=True)
        }


def _written(score: Score) -> tuple[Any, ...]:
    kept = tuple(nan if each is None else each for each in score.kept)
    return 1, *(kept if name == "kept" else getattr(score, name) for name in _NAMES)


def _read(values: dict[str, Any]) -> Score:
    kept = tuple(None if isnan(each) else bool(each) for each in values["kept"])
    inside = tuple(bool(each) for each in values["inside"])
    tuples = {name: tuple(values[name]) for name in _LENGTHS}
    return Score(**(values | tuples | {"actual": int(values["actual"]), "kept": kept, "inside": inside}))
