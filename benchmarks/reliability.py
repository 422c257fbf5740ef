"""Do percentages come true? Every forecaster over every history of a folder, held against what then came.

Origins roll over each history; each forecast knows the past of its origin alone. The folder holds CSV files with
date,completed, one row a day (`flow-forecaster history --git PATH` writes one).
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.calibration import daily, weekly
from benchmarks.planning import Plan
from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.backtest import Backtest
from flow_forecaster.engine.forecasters import BASELINES, FORECASTERS, Forecaster, Sampled
from flow_forecaster.engine.history import DAY, WEEK, ThroughputHistory
from flow_forecaster.engine.rolling import SIDES, Target
from flow_forecaster.engine.samplers import Weekday
from flow_forecaster.engine.scoring import Scores, Side, wilson
from flow_forecaster.engine.simulation import Machine

YARDSTICK, SAME_HISTORY = BASELINES[0].name, "bootstrap"
WEEKS, DAYS = (4, 8, 13), (14, 30)
PAST_WEEKS, PAST_DAYS = 52, 364
SHORT_PASTS = (6, 8, 12, 26)
THIRDS = ("steadiest", "middle", "most volatile")
STABLE_PASTS = (52, 104)
TEAM_WEEKS = 312
_MEANS, _SIZES = (1.0, 4.0, 15.0, 60.0), (1.0, 4.0, None)
_RESAMPLES = 1_000
_ENOUGH_SERIES = 5


class NoHistories(Exception):
    """A folder that holds nothing to measure with; its text says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A history of a folder or of a simulated team, per week and per day."""

    name: str
    weeks: ThroughputHistory
    days: ThroughputHistory | None = None

    @property
    def volatility(self) -> float:
        """Standard deviation / mean of the items of a week."""
        return float(self.weeks.counts.std() / self.weeks.counts.mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One forecaster's scores at one target on one series, with the CRPS of the two yardsticks at the same origins."""

    series: Series
    scores: Scores
    yardstick: Floats
    same_history: Floats
    worth: float


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One forecaster's cases on several series, taken together."""

    cases: tuple[Case, ...]

    @cached_property
    def scores(self) -> Scores:
        """All scores, one after the other."""
        return Scores.joined([case.scores for case in self.cases])

    @property
    def ratio(self) -> float:
        """Sum of all CRPS / that of the yardstick: busy series weigh most."""
        return _ratio(self.scores.crps, np.concatenate([case.yardstick for case in self.cases]))

    @property
    def mean_ratio(self) -> float:
        """Geometric mean over the series of CRPS / that of the yardstick: each series weighs the same."""
        logs = [np.log(_ratio(case.scores.crps, case.yardstick)) for case in self.cases if case.scores.crps.any()]
        return float(np.exp(np.mean(logs)))

    @property
    def ratio_to_same_history(self) -> float:
        """Sum of all CRPS / that of the plain bootstrap of the same history."""
        return _ratio(self.scores.crps, np.concatenate([case.same_history for case in self.cases]))

    @property
    def bias(self) -> float:
        """Sum of median - actual / sum of what came."""
        return _ratio(self.scores.error, self.scores.actual)

    def kept(self, index: int) -> float:
        """Share of the promises at one confidence that were kept."""
        return float(np.nanmean(self.scores.kept[:, index]))

    def stated(self, index: int) -> float:
        """Mean probability that the forecasts themselves gave to what they promised at one confidence."""
        return float(np.nanmean(self.scores.stated[:, index]))

    def inside(self, index: int) -> float:
        """Share of the central intervals that held what came."""
        return float(self.scores.inside[:, index].mean())

    def kept_between(self, index: int) -> tuple[float, float]:
        """Bound the share of kept promises at 95 % by drawing whole series anew: those of one are not independent.

        Fewer than five series cannot be drawn from; then Wilson's interval counts what origins do not share.
        """
        hits = [case.scores.kept[:, index] for case in self.cases]
        made = np.array([np.count_nonzero(~np.isnan(each)) for each in hits])
        kept = np.array([np.nansum(each) for each in hits])
        if len(hits) < _ENOUGH_SERIES:
            return wilson(kept.sum() / made.sum(), sum(case.worth for case in self.cases))
        drawn = np.random.default_rng(1).integers(len(hits), size=(_RESAMPLES, len(hits)))
        low, high = np.quantile(kept[drawn].sum(axis=1) / made[drawn].sum(axis=1), (0.025, 0.975))
        return float(low), float(high)


Pools = Mapping[tuple[Target, str], Pool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was measured: pools by target and forecaster."""

    series: tuple[Series, ...]
    weekly: Pools
    daily: Pools
    pasts: Mapping[int, Pools]
    thirds: Mapping[str, Pools]
    stable: Mapping[int, Pools]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolling:
    """How origins roll over a history."""

    window: int
    horizons: tuple[int, ...]
    minimum: int
    step: int
    sides: tuple[Side, ...] = ("items",)


def measure(plan: Plan) -> Findings:
    """Forecast everything, and hold it against what came.

    Raises:
        NoHistories: the folder has no history that is long enough.
    """
    every, left_out = read(plan.data or Path())
    main = Rolling(window=PAST_WEEKS, horizons=WEEKS, minimum=PAST_WEEKS, step=plan.either(2, 26), sides=SIDES)
    long_enough = tuple(each for each in every if len(each.weeks) >= PAST_WEEKS + WEEKS[0])
    if not long_enough:
        raise NoHistories(f"no file has {PAST_WEEKS + WEEKS[0]} whole weeks")
    weekly_pools = _pools(long_enough, main, plan)
    items = replace(main, sides=("items",), step=plan.either(4, 52))
    teams = stable_teams(plan.either(TEAM_WEEKS, 120))
    days = Rolling(window=PAST_DAYS, horizons=DAYS, minimum=PAST_DAYS, step=plan.either(14, 364))
    return Findings(
        series=long_enough,
        weekly=weekly_pools,
        daily=_pools(long_enough, days, plan, daily=True),
        pasts={past: _pools(long_enough, replace(items, window=past), plan) for past in SHORT_PASTS},
        thirds=_thirds(long_enough, weekly_pools),
        stable={past: _pools(teams, replace(items, window=past, minimum=past), plan) for past in STABLE_PASTS},
        left_out=(*left_out, *(each.name for each in every if each not in long_enough)),
    )


def read(folder: Path) -> tuple[tuple[Series, ...], tuple[str, ...]]:
    """Read every history of a folder, and name the CSV files that are none.

    Raises:
        NoHistories: there is no such folder, or no history in it.
    """
    if not folder.is_dir():
        raise NoHistories(f"{folder} is not a folder")
    found, others = [], []
    for file in sorted(folder.glob("*.csv")):
        if _is_history(file):
            found.append(_series(file))
        else:
            others.append(file.name)
    if not found:
        raise NoHistories(f"{folder} holds no CSV file with the columns date and completed")
    return tuple(found), tuple(others)


def stable_teams(weeks: int) -> tuple[Series, ...]:
    """Simulate teams whose weeks are independent draws of a negative binomial law, or of Poisson's without a size."""
    teams: list[Series] = []
    for mean in _MEANS:
        for size in _SIZES:
            rng = np.random.default_rng(len(teams))
            drawn = (
                rng.poisson(mean, weeks) if size is None else rng.negative_binomial(size, size / (size + mean), weeks)
            )
            history = ThroughputHistory(throughput=tuple(drawn.tolist()), period=WEEK)
            teams.append(Series(name=f"{mean:g} a week, {size}", weeks=history))
    return tuple(teams)


def _is_history(file: Path) -> bool:
    with file.open(encoding="utf-8", newline="") as rows:
        return {"date", "completed"} <= set(next(csv.reader(rows), ()))


def _series(file: Path) -> Series:
    first, counts = daily(file)
    monday = first + timedelta(days=-first.weekday() % 7)
    return Series(
        name=file.stem,
        weeks=_history(weekly(file).tolist(), WEEK.days, monday),
        days=_history(counts.tolist(), 1, first),
    )


def _history(counts: Sequence[int], days: int, start: date) -> ThroughputHistory:
    return ThroughputHistory(throughput=tuple(counts), period=DAY if days == 1 else WEEK, start=start)


def _pools(series: Iterable[Series], rolling: Rolling, plan: Plan, *, daily: bool = False) -> Pools:
    cases: dict[tuple[Target, str], list[Case]] = {}
    forecasters: tuple[Forecaster, ...] = (*FORECASTERS, Sampled.of(Weekday())) if daily else FORECASTERS
    for each in series:
        history = each.days if daily else each.weeks
        if history is None:
            continue
        backtest = Backtest(
            history=history,
            forecasters=forecasters,
            horizons=rolling.horizons,
            window=rolling.window,
            minimum=rolling.minimum,
            step=rolling.step,
            trials=plan.either(2_000, 100),
            seed=1,
            sides=rolling.sides,
        )
        for key, case in _cases(each, backtest):
            cases.setdefault(key, []).append(case)
    return {key: Pool(cases=tuple(found)) for key, found in cases.items()}


def _cases(series: Series, backtest: Backtest) -> Iterable[tuple[tuple[Target, str], Case]]:
    for target, scores in backtest.journal(Machine()).scores.items():
        for name, own in scores.items():
            shared = [origin for origin in own if origin in scores[YARDSTICK] and origin in scores[SAME_HISTORY]]
            if not shared:
                continue
            yardstick, same = (
                np.array([scores[other][origin].crps for origin in shared]) for other in (YARDSTICK, SAME_HISTORY)
            )
            yield (
                (target, name),
                Case(
                    series=series,
                    scores=Scores.of([own[origin] for origin in shared]),
                    yardstick=yardstick,
                    same_history=same,
                    worth=len(shared) * min(1.0, backtest.step / target.horizon),
                ),
            )


def _thirds(series: Sequence[Series], pools: Pools) -> Mapping[str, Pools]:
    ordered = sorted(series, key=lambda each: each.volatility)
    parts = {
        name: ordered[index * len(ordered) // 3 : (index + 1) * len(ordered) // 3] for index, name in enumerate(THIRDS)
    }
    return {name: _of(members, pools) for name, members in parts.items() if members}


def _of(members: Sequence[Series], pools: Pools) -> Pools:
    names = {each.name for each in members}
    kept = {key: tuple(case for case in pool.cases if case.series.name in names) for key, pool in pools.items()}
    return {key: Pool(cases=cases) for key, cases in kept.items() if cases}


def _ratio(ours: Floats, theirs: Floats) -> float:
    whole = float(theirs.sum())
    return float(ours.sum()) / whole if whole else float("nan")
