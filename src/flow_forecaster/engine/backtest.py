"""A backtest: what forecasters would have said at every origin of a history, and how it compares with what came.

Targets and origins are those of `rolling`, scores those of `scoring`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from threading import Lock

from flow_forecaster.engine.arrays import Counts
from flow_forecaster.engine.calendar import WorkingCalendar, working_history
from flow_forecaster.engine.capacity import Capacity
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.forecasters import BASELINES, Fold, Forecaster
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.journal import Book, Journal, Pages
from flow_forecaster.engine.laws import MOST_BINS
from flow_forecaster.engine.rolling import MOST_FORECASTS, REACH, SIDES, Target, timeline_of
from flow_forecaster.engine.scoring import Rating, Score, Scores, Side, score, skill
from flow_forecaster.engine.simulation import Machine, Watch, histogram

FEWEST_ORIGINS, FEWEST_INDEPENDENT = 20, 5.0
CHUNK_TRIALS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """A forecaster at one target: how many forecasts it made, what they say of it, and how it compares.

    With too few of them `rating` is None and `skill` empty; else `skill` has 1 - CRPS / CRPS of each baseline, over the
    origins where it has forecast.
    """

    forecaster: str
    forecasts: int
    rating: Rating | None
    skill: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One target: at how many origins it was seen, how many independent ones they are worth, and the forecasters."""

    target: Target
    origins: int
    independent: float
    censored: int
    rated: tuple[Rated, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestAnswer:
    """The rows; of the `origins`, `idle` had no finished item in what was known, so nothing could be forecast."""

    rows: tuple[Row, ...]
    origins: int
    idle: int
    caveats: tuple[Caveat, ...]


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """Would these forecasters have been right about this history?

    Days of a history are working days already; weeks are all of them, and the calendar says what was worked of each.
    The origins know the first `minimum`, `minimum` + `step`, ... periods; forecasters see the last `window` of them, or
    all. The seed at an origin is `seed` + the number of periods known, the same for all forecasters.

    Raises:
        InvalidInput: more forecasts than a backtest makes, or a horizon over which more could be finished than a
            histogram can hold.
    """

    history: ThroughputHistory
    forecasters: tuple[Forecaster, ...]
    horizons: tuple[int, ...]
    window: int | None
    minimum: int
    step: int
    trials: int
    seed: int
    calendar: WorkingCalendar | None = None
    sides: tuple[Side, ...] = SIDES
    caveats: tuple[Caveat, ...] = ()

    def __post_init__(self) -> None:
        if self.forecasts > MOST_FORECASTS:
            detail = (
                f"That would be {self.forecasts} forecasts, and a backtest makes at most {MOST_FORECASTS}: "
                "take a longer step, or fewer samplers or horizons."
            )
            raise InvalidInput("step", code="too_many_forecasts", detail=detail)
        for index, horizon in enumerate(self.horizons):
            if self.history.highest * horizon >= MOST_BINS:
                detail = f"More than {MOST_BINS} items could be finished in so many periods; ask for fewer."
                raise InvalidInput("horizons", index, code="range_too_large", detail=detail)

    @property
    def origins(self) -> range:
        """How many periods are known at each origin; the shortest horizon, at least, follows."""
        return range(self.minimum, len(self.history) - min(self.horizons) + 1, self.step)

    @property
    def targets(self) -> tuple[Target, ...]:
        """All that is forecast at an origin."""
        return tuple(Target(side=side, horizon=horizon) for side in self.sides for horizon in self.horizons)

    @property
    def forecasts(self) -> int:
        """How many forecasts are made, at most."""
        return len(self.origins) * len(self.targets) * len(self.forecasters)

    @cached_property
    def cost(self) -> float:
        """Estimated cost in draws: at each origin, that of one at the end; from all before, if its window is idle."""
        fold = self.fold(len(self.history)) or replace(self, window=None).fold(len(self.history))
        if fold is None:
            return 1.0
        at_one = sum(_cost(forecaster, fold, horizon) for forecaster in self.forecasters for horizon in self.horizons)
        return max(1.0, len(self.origins) * at_one)

    def answer(self, machine: Machine) -> BacktestAnswer:
        """Forecast at every origin, and rate."""
        journal = self.journal(machine)
        refused = self._refused(journal, _Glance(machine.watch, share=1.0).machine)
        rows = tuple(self._row(target, journal) for target in self.targets)
        caveats = (*self.caveats, *self._unused(), *refused, *_censored(rows), *_too_few(rows))
        return BacktestAnswer(rows=rows, origins=len(self.origins), idle=len(journal.idle), caveats=caveats)

    def journal(self, machine: Machine) -> Journal:
        """Forecast at every origin, and score; the watch is called within every law.

        Origins are shared among threads, and divided among workers, as trials are.
        """
        glance = _Glance(machine.watch)
        written = histogram(
            partial(self._write, glance.machine),
            count=len(self.origins),
            bins=self._book.size,
            machine=replace(machine, watch=glance.reach, chunk_trials=1),
        )
        machine.watch(1.0)
        return self._book.pages(written).read()

    def fold(self, origin: int) -> Fold | None:
        """Cut out what is known at an origin; None if that has no finished item, or no working day."""
        first = 0 if self.window is None else max(0, origin - self.window)
        known = self.history.throughput[first:origin]
        if not any(known):
            return None
        days = timeline_of(self.history, self.calendar)
        start = days.start_of(first) if self.history.start else None
        past = ThroughputHistory(throughput=known, period=self.history.period, start=start)
        timeline = replace(days, start=days.start_of(origin) or days.start)
        capacity = Capacity()
        if self.calendar is not None and past.period == WEEK and start is not None:
            if not any(self.calendar.works_on(start, 7 * len(past))):
                return None
            past, _ = working_history(past, self.calendar)
            capacity = Capacity(calendar=self.calendar.since(timeline.start))
        return Fold(past=past, timeline=timeline, trials=self.trials, seed=self.seed + origin, capacity=capacity)

    @cached_property
    def _book(self) -> Book:
        return Book(
            origins=self.origins, targets=self.targets, forecasters=tuple(each.name for each in self.forecasters)
        )

    def _write(self, machine: Machine, first: int, last: int, numbers: Counts) -> None:
        pages = self._book.pages(numbers)
        for number in range(first, last):
            fold = self.fold(self.origins[number])
            if fold is None:
                pages.note_idle(number)
            else:
                self._forecast(fold, number, pages, machine)

    def _forecast(self, fold: Fold, number: int, pages: Pages, machine: Machine) -> None:
        seen, unfinished = self._came(fold, self.origins[number])
        for target in unfinished:
            pages.note_censored(number, target)
        for place, forecaster in enumerate(self.forecasters):
            try:
                for target, each in _scores(forecaster, fold, seen, machine):
                    pages.note(number, target, place, each)
            except InvalidInput:
                pages.note_refused(number, place)

    def _came(self, fold: Fold, origin: int) -> tuple[dict[Target, int], set[Target]]:
        """Look up what came of each target that enough periods follow for, and which are unfinished at the end."""
        future = self.history.throughput[origin:]
        came = {target: target.came(fold.past, future) for target in self.targets if len(future) >= target.follow}
        seen = {target: actual for target, actual in came.items() if actual is not None}
        return seen, came.keys() - seen.keys()

    def _refused(self, journal: Journal, machine: Machine) -> Iterator[Caveat]:
        """Tell who could not forecast at every origin, and why at the first: it is asked there once more."""
        refused = [each for each in self.forecasters if each.name in journal.refused]
        for forecaster in sorted(refused, key=lambda each: journal.refused[each.name]):
            origin = journal.refused[forecaster.name]
            fold = self.fold(origin)
            if fold is None:
                continue
            seen, _ = self._came(fold, origin)
            try:
                for _ in _scores(forecaster, fold, seen, machine):
                    pass
            except InvalidInput as refusal:
                detail = f"{forecaster.name} could not forecast at every origin. {refusal.detail}"
                yield Caveat(code="forecaster_refused", detail=detail)

    def _row(self, target: Target, journal: Journal) -> Row:
        scores = journal.scores[target]
        share = min(1.0, self.step / target.horizon)
        observed = len({origin for each in scores.values() for origin in each})
        return Row(
            target=target,
            origins=observed,
            independent=observed * share,
            censored=journal.censored[target],
            rated=tuple(_rated(each.name, scores, share) for each in self.forecasters),
        )

    def _unused(self) -> tuple[Caveat, ...]:
        """Collect what forecasters could not use at the newest origin, each remark once."""
        fold = self.fold(len(self.history))
        said = [] if fold is None else [caveat for each in self.forecasters for caveat in each.caveats(fold)]
        return tuple(dict.fromkeys(said))


class _Glance:
    """Shows the watch, from within an origin, the share that whole origins make up, so that it may end the computation.

    Several threads call it; the share never falls.
    """

    def __init__(self, watch: Watch, share: float = 0.0) -> None:
        self._watch, self._share, self._lock = watch, share, Lock()
        self.machine = Machine(watch=self._look, chunk_trials=CHUNK_TRIALS)

    def reach(self, share: float) -> None:
        """Note and show the share that is done."""
        with self._lock:
            self._share = share
            self._watch(share)

    def _look(self, _share: float) -> None:
        with self._lock:
            self._watch(self._share)


def _scores(
    forecaster: Forecaster, fold: Fold, seen: Mapping[Target, int], machine: Machine
) -> Iterator[tuple[Target, Score]]:
    outlook = forecaster.at(fold)
    for target, actual in seen.items():
        law = target.law(outlook, fold.past, machine)
        machine.watch(1.0)
        yield target, score(law, actual, side=target.side, limit=target.limit)


def _cost(forecaster: Forecaster, fold: Fold, horizon: int) -> float:
    """Estimate the draws of both targets; a forecaster that cannot forecast from this fold costs nothing."""
    backlog = Target(side="periods", horizon=horizon).backlog(fold.past)
    try:
        return forecaster.at(fold).cost(periods=horizon, items=backlog, horizon=REACH * horizon)
    except InvalidInput:
        return 0.0


def _rated(name: str, scores: Mapping[str, Mapping[int, Score]], share: float) -> Rated:
    own = scores[name]
    if not _is_enough(len(own), len(own) * share):
        return Rated(forecaster=name, forecasts=len(own), rating=None, skill={})
    rating = Scores.of(list(own.values())).rating(independent=len(own) * share)
    compared = {each.name: _skill(own, scores[each.name]) for each in BASELINES if each.name in scores}
    return Rated(forecaster=name, forecasts=len(own), rating=rating, skill=compared)


def _skill(own: Mapping[int, Score], others: Mapping[int, Score]) -> float | None:
    """Compare at the origins of the forecaster; a baseline refuses none."""
    return skill(sum(each.crps for each in own.values()), sum(others[origin].crps for origin in own))


def _is_enough(forecasts: int, independent: float) -> bool:
    return forecasts >= FEWEST_ORIGINS and independent >= FEWEST_INDEPENDENT


def _too_few(rows: Sequence[Row]) -> tuple[Caveat, ...]:
    few = [row for row in rows if not _is_enough(row.origins, row.independent)]
    if not few:
        return ()
    told = ", ".join(
        f"{row.target.side} over {row.target.horizon} periods ({row.origins} origins, worth {row.independent:.3g})"
        for row in few
    )
    detail = (
        f"A rating needs {FEWEST_ORIGINS} origins that are worth {FEWEST_INDEPENDENT:g} independent ones. "
        f"Not rated: {told}."
    )
    return (Caveat(code="too_few_origins", detail=detail),)


def _censored(rows: Sequence[Row]) -> tuple[Caveat, ...]:
    found = [row for row in rows if row.censored]
    if not found:
        return ()
    told = ", ".join(
        f"{row.censored} of {row.origins + row.censored} over {row.target.horizon} periods" for row in found
    )
    detail = f"Backlogs that are unfinished where the history ends are left out, slow ones thus missing: {told}."
    return (Caveat(code="censored_backlogs", detail=detail),)
