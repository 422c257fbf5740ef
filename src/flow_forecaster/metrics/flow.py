"""Flow metrics of work items: throughput, arrivals, work in progress, cycle times, ages, efficiency, Little's law.

Days are counted from 1970-01-01 in the project's time zone; UNKNOWN stands for a day that is not known. Everything is
a sum over columns of items, so 100,000 items take a few milliseconds.

An item has arrived on the first of the days it was created, started and finished that are known. It is in progress from
the day on which it was started to the day on which it was finished, both included; one without a start counts as
started on the day it was finished. Reference: Little, "A proof for the queuing formula L = lambda W" (1961).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.distribution import Distribution
from flow_forecaster.engine.history import MOST_PERIODS
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.scoring import wilson
from flow_forecaster.engine.throughput import Grid

UNKNOWN = -1
CONFIDENCES = (0.5, 0.7, 0.85, 0.95)
FEWEST_HELD_OUT = 10


@dataclass(frozen=True, kw_only=True)
class Items:
    """Work items as columns of shape (n,): days, and how many days each was blocked, NaN if that is not known."""

    created: Counts
    started: Counts
    finished: Counts
    blocked: Floats

    @cached_property
    def arrived(self) -> Counts:
        """The first day that is known of each: some are created in the tracker after the work began."""
        both = np.minimum(self.created, self.begun)
        return np.where(both == UNKNOWN, np.maximum(self.created, self.begun), both)

    @cached_property
    def begun(self) -> Counts:
        """The day on which each was started, or finished where no start is known."""
        return np.where(self.started == UNKNOWN, self.finished, self.started)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Days `first` to `last`, both included."""

    first: int
    last: int

    @property
    def days(self) -> int:
        """How many they are."""
        return self.last - self.first + 1

    def holds(self, days: Counts) -> NDArray[np.bool_]:
        """Tell which days lie in it."""
        return (days >= self.first) & (days <= self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What happened in each period, all of shape (periods,), zeros included.

    first_days: of each. arrivals, starts and departures: in it. backlog: arrived and not finished by its end.
    in_progress: begun and not finished by its end. arrived, begun and gone: by its end, since the beginning.
    """

    first_days: Counts
    arrivals: Counts
    starts: Counts
    departures: Counts
    backlog: Counts
    in_progress: Counts
    arrived: Counts
    begun: Counts
    gone: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How many days items took. `counts[d]` took d days; `unknown` items have no known beginning; None without any."""

    counts: Counts
    unknown: int
    law: Distribution | None

    @property
    def items(self) -> int:
        """How many are known."""
        return int(self.counts.sum())

    def within(self, confidence: float) -> int | None:
        """Find the days within which this share of items was finished."""
        return None if self.law is None else self.law.when(confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Items in progress on a day: `days[i]` is an age, ascending, and `shorter[i]` the share of cycle times below it.

    `shorter` is None where no cycle time is known.
    """

    days: Counts
    shorter: Floats | None

    def older(self, days: int) -> int:
        """Count those that are older than so many days."""
        return int(np.count_nonzero(self.days > days))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A service level: this share is finished within so many `days`.

    Would it have been kept? `earlier_days` are those of the earlier half of the items; of the later half a share `kept`
    was finished within them, from `low` to `high` at 95 %. None where a half has fewer than 10 items.
    """

    confidence: float
    days: int | None
    earlier_days: int | None
    later: int
    kept: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Efficiency:
    """1 - days blocked / days taken, over the `items` of which both are known and that were not blocked for longer."""

    items: int
    blocked_longer: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Little:
    """L = lambda W over a span: mean items in progress a day, items finished a day, and their mean days.

    `ratio` is L / (lambda W). It is 1 where as much is begun as finished and nothing ages unseen; above 1, work in
    progress grows or grows old. None where nothing was finished.
    """

    in_progress: float
    per_day: float
    days: float | None
    ratio: float | None


def flow(items: Items, span: Span, grid: Grid) -> Flow:
    """Count by period, over the whole periods of a span.

    Raises:
        InvalidInput: no whole period, or more than MOST_PERIODS.
    """
    begin, end = _whole(span, grid)
    first_days = grid.first_days(np.arange(begin, end + 1))
    edges = np.concatenate((first_days[:1] - 1, first_days[1:] - 1))  # the last day before each period, and of the last
    arrived, begun, gone = (_up_to(days, edges) for days in (items.arrived, items.begun, items.finished))
    return Flow(
        first_days=first_days[:-1],
        arrivals=np.diff(arrived),
        starts=np.diff(begun),
        departures=np.diff(gone),
        backlog=(arrived - gone)[1:],
        in_progress=(begun - gone)[1:],
        arrived=arrived[1:],
        begun=begun[1:],
        gone=gone[1:],
    )


def cycle_times(items: Items, span: Span) -> Times:
    """Count finish day - start day + 1 of the items finished in a span."""
    return _times(items.started, items.finished, span)


def lead_times(items: Items, span: Span) -> Times:
    """Count finish day - day created + 1 of the items finished in a span."""
    return _times(items.created, items.finished, span)


def scatter(items: Items, span: Span, most: int) -> tuple[Counts, int]:
    """List the cycle times of a span as (finish day, days, items), shape (points, 3), and how many points there are.

    The newest `most` are listed, in order of time.
    """
    known = span.holds(items.finished) & (items.started != UNKNOWN)
    day, took = items.finished[known], items.finished[known] - items.started[known] + 1
    width = int(took.max(initial=0)) + 1
    points, counts = np.unique(day * width + took, return_counts=True)
    listed: Counts = np.column_stack((points // width, points % width, counts)).astype(np.int64)
    return listed[-most:], len(points)


def ages(items: Items, today: int, finished: Times) -> Ages:
    """Hold the items in progress on a day against the cycle times of finished ones."""
    open_ = (items.finished == UNKNOWN) & (items.started != UNKNOWN) & (items.started <= today)
    days = np.sort(today - items.started[open_] + 1)
    if finished.law is None:
        return Ages(days=days, shorter=None)
    below = np.concatenate(([0], np.cumsum(finished.counts)))
    shorter = below[np.minimum(days, len(finished.counts))] / finished.items
    return Ages(days=days, shorter=shorter)


def expectation(items: Items, span: Span, confidence: float) -> Expectation:
    """Find a service level, and whether the one of the earlier half was kept in the later half."""
    known = span.holds(items.finished) & (items.started != UNKNOWN)
    order = np.argsort(items.finished[known], kind="stable")
    took = (items.finished - items.started + 1)[known][order]
    half = len(took) // 2
    earlier, later = took[:half], took[half:]
    days = _law_of(np.bincount(took))
    found = None if days is None else days.when(confidence)
    law = _law_of(np.bincount(earlier))
    limit = None if law is None else law.when(confidence)
    if limit is None or half < FEWEST_HELD_OUT:
        return Expectation(
            confidence=confidence, days=found, earlier_days=None, later=len(later), kept=None, low=None, high=None
        )
    kept = float(np.mean(later <= limit))
    low, high = wilson(kept, len(later))
    return Expectation(
        confidence=confidence, days=found, earlier_days=limit, later=len(later), kept=kept, low=low, high=high
    )


def efficiency(items: Items, span: Span) -> Efficiency:
    """Compare days blocked with days taken, of the items finished in a span."""
    known = span.holds(items.finished) & (items.started != UNKNOWN) & ~np.isnan(items.blocked)
    took, blocked = (items.finished - items.started + 1)[known], items.blocked[known]
    fits = blocked <= took
    days = int(took[fits].sum())
    return Efficiency(
        items=int(np.count_nonzero(fits)),
        blocked_longer=int(np.count_nonzero(~fits)),
        share=1 - float(blocked[fits].sum()) / days if days else None,
    )


def littles_law(items: Items, span: Span) -> Little:
    """Compare the mean work in progress of a span with throughput x mean cycle time."""
    before = np.arange(span.first - 1, span.last + 1)
    begun, gone = _up_to(items.begun, before), _up_to(items.finished, before)
    mean = float((begun[1:] - gone[:-1]).mean())
    done = span.holds(items.finished)
    took = items.finished[done] - items.begun[done] + 1
    per_day = len(took) / span.days
    if not len(took):
        return Little(in_progress=mean, per_day=0.0, days=None, ratio=None)
    days = float(took.mean())
    return Little(in_progress=mean, per_day=per_day, days=days, ratio=mean / (per_day * days))


def span_of(items: Items, last: int) -> Span | None:
    """Find the days from the first arrival to `last`; None if nothing arrived by then."""
    arrived = items.arrived[(items.arrived != UNKNOWN) & (items.arrived <= last)]
    return None if not len(arrived) else Span(first=int(arrived.min()), last=last)


def columns(created: Counts, started: Counts, finished: Counts, blocked: Floats) -> Items:
    """Take columns in which UNKNOWN stands for what is not known, blocked days too."""
    known: Floats = np.where(blocked == UNKNOWN, np.nan, blocked)
    return Items(created=created, started=started, finished=finished, blocked=known)


def _whole(span: Span, grid: Grid) -> tuple[int, int]:
    begin, end = (int(number) for number in grid.periods_at(np.array([span.first, span.last + 1])))
    begin += grid.first_day(begin) < span.first
    if begin >= end:
        detail = f"There is no whole {grid.period} in the time that was asked for."
        raise InvalidInput("first", code="no_whole_period", detail=detail)
    if end - begin > MOST_PERIODS:
        detail = f"It spans more than {MOST_PERIODS:,} periods: ask for a shorter time, or longer periods."
        raise InvalidInput("first", code="too_long", detail=detail)
    return begin, end


def _up_to(days: Counts, edges: Counts) -> Counts:
    """Count the known days up to each edge; edges ascend."""
    low, high = int(edges[0]), int(edges[-1])
    known = days[(days != UNKNOWN) & (days <= high)]
    totals = np.cumsum(np.bincount(np.maximum(known - low, 0), minlength=high - low + 1))
    counted: Counts = totals[edges - low]
    return counted


def _times(begun: Counts, finished: Counts, span: Span) -> Times:
    done = span.holds(finished)
    known = done & (begun != UNKNOWN) & (begun <= finished)
    counts = np.bincount(finished[known] - begun[known] + 1, minlength=1)
    return Times(counts=counts, unknown=int(np.count_nonzero(done & ~known)), law=_law_of(counts))


def _law_of(counts: Counts) -> Distribution | None:
    return Distribution.from_counts(np.append(counts, 0)) if counts.any() else None
