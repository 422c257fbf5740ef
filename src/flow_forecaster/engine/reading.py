"""What a history says about itself: is it long, busy and stable enough to forecast from?"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from math import erfc, exp, sqrt

import numpy as np

from flow_forecaster.engine.arrays import Counts, Floats, Numbers
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import Period, Rate, ThroughputHistory

_COVERAGE = 0.80
_FEWEST_BUSY = 5
STABILITY_FROM = 10
_LEVEL = 0.01

PAIRS_UP_TO = 260
"""Five years of weeks. Up to here a loop counts pairs sooner than arrays do, and all slopes take under 2 ms."""


def read(history: ThroughputHistory, calendar: WorkingCalendar | None = None) -> tuple[Caveat, ...]:
    """Say what makes a forecast from this history shaky; an empty tuple says that nothing was found.

    In this order, each at most once:

    - `few_samples`: (n - 1) / (n + 1) < 0.80, so fewer than 9 periods.
    - `few_nonzero_periods`: fewer than 5 periods with a finished item.
    - `trend`: Mann-Kendall, two-sided at 1 %, from 10 periods on.
    - `level_shift`: Pettitt's test at 1 %, from 10 periods on; its approximate p cannot fall so low below 16.

    A steady trend often looks like a shift to Pettitt's test and a shift nearly always like a trend to Mann-Kendall's,
    and a person told both would think that two things had happened. So when both fire, only the one stays that
    explains more of the variance of the ranks: a step at the change point or a straight line; the line if they tie.
    Both readings mean that old periods mislead; a shift adds since when, a trend adds how fast.

    A `calendar` says that the history counts its working days only, so that dates are found over them.

    Both tests take periods for independent. Those of real teams hang together, so both fire more often there than the
    level says: they show that this was not one stable pace, never why.
    """
    return (*_few_samples(history), *_few_nonzero_periods(history), *_instability(history, calendar))


def stationarity(history: ThroughputHistory) -> tuple[Caveat, ...]:
    """Say "no evidence" where `read` found neither trend nor shift, with the p of both tests and the slope.

    It never says that a pace is stable: what a test does not see may still be there, most of all in short histories.
    """
    period, n = history.period, len(history)
    if n < STABILITY_FROM:
        detail = (
            f"Whether the pace has a trend or changed its level cannot be told from {_periods(n, period)}; it takes "
            f"{STABILITY_FROM}."
        )
        return (Caveat(code="stationarity", detail=detail),)
    trend, shift = _tested(history)[1:]
    if min(trend.p, shift.p) < _LEVEL:
        return ()
    detail = (
        f"At a level of 1 %, {_periods(n, period)} give no evidence of a trend (Mann-Kendall, p = {trend.p:.2g}; "
        f"median slope {slope(history.counts):.2g} items per {period} for each {period}) and none of a changed level "
        f"(Pettitt, p = {shift.p:.2g}). That is no evidence of a stable pace either."
    )
    return (Caveat(code="stationarity", detail=detail),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """Where each period stands among all: what both tests need of a history.

    `excess` has shape (periods,): how many periods are lower than this one, less how many are higher, which is
    2 * midrank - n - 1. `tied` is the sum over groups of t equal periods of t (t - 1) (2 t + 5).
    """

    excess: Counts
    tied: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MannKendall:
    """S = sum over i < j of sgn(x_j - x_i), its variance under stability, and the two-sided p."""

    score: int
    variance: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pettitt:
    """K = max over t of |U_t|, the number of periods before the change (the first t that reaches K), and p."""

    statistic: int
    before: int
    p: float


def rank(counts: Numbers) -> Ranks:
    """Rank periods in O(n log n)."""
    order = counts.argsort(kind="stable")
    ascending = counts[order]
    lower = ascending.searchsorted(ascending)
    not_higher = ascending.searchsorted(ascending, side="right")
    ties = not_higher - lower
    excess = np.empty(counts.size, dtype=np.int64)
    excess[order] = lower + not_higher - len(counts)
    return Ranks(excess=excess, tied=int((ties - 1) @ (2 * ties + 5)))


def mann_kendall(ranks: Ranks) -> MannKendall:
    """Test for a trend.

    Var S = (n (n - 1) (2 n + 5) - tied) / 18, z = (S - sgn S) / sqrt(Var S), p = erfc(|z| / sqrt 2); p = 1 when all
    periods are equal. References: Mann (1945), Kendall (1975) for ties and continuity.
    """
    n = len(ranks.excess)
    score = _score_by_loop(ranks.excess) if n <= PAIRS_UP_TO else _score_by_bits(ranks.excess)
    variance = (n * (n - 1) * (2 * n + 5) - ranks.tied) / 18
    p = erfc((abs(score) - 1) / sqrt(2 * variance)) if score else 1.0
    return MannKendall(score=score, variance=variance, p=p)


def pettitt(ranks: Ranks) -> Pettitt:
    """Test for a change point, in at least 2 periods.

    U_t = sum over i <= t < j of sgn(x_i - x_j), which is the sum of the first t excesses, as pairs within them cancel;
    p is about 2 exp(-6 K^2 / (n^3 + n^2)), on the safe side in small samples and with ties. Reference: Pettitt (1979).
    """
    n = len(ranks.excess)
    sizes = np.abs(ranks.excess[:-1].cumsum())
    best = int(sizes.argmax())
    statistic = int(sizes[best])
    p = min(1.0, 2 * exp(-6 * statistic**2 / (n**3 + n**2)))
    return Pettitt(statistic=statistic, before=best + 1, p=p)


def slope(counts: Numbers) -> float:
    """Estimate the change of throughput from one period to the next, in items per period.

    Theil-Sen: the median of (x_j - x_i) / (j - i) over all pairs, up to 260 periods. Beyond, over the pairs half a
    history apart (Theil's incomplete method, 1950): it uses every period too, and 50 million pairs would take a second.
    """
    if len(counts) <= PAIRS_UP_TO:
        return _median(slopes(counts))
    half = len(counts) // 2
    return _median((counts[half:] - counts[:-half]) / half)


def _few_samples(history: ThroughputHistory) -> tuple[Caveat, ...]:
    n = len(history)
    coverage = (n - 1) / (n + 1)
    if coverage >= _COVERAGE:
        return ()
    detail = (
        f"The history has only {_periods(n, history.period)}: the next one can be counted on to fall between the "
        f"lowest ({_told(min(history.paces))}) and the highest ({_told(max(history.paces))}) seen with a probability "
        f"of only ({n} - 1) / ({n} + 1) = {coverage:.0%}."
    )
    return (Caveat(code="few_samples", detail=detail),)


def _few_nonzero_periods(history: ThroughputHistory) -> tuple[Caveat, ...]:
    n = len(history)
    busy = n - history.throughput.count(0)
    if busy >= _FEWEST_BUSY:
        return ()
    detail = (
        f"Items were finished in only {busy} of {_periods(n, history.period)}; "
        f"fewer than {_FEWEST_BUSY} such {history.period}s say little about the pace."
    )
    return (Caveat(code="few_nonzero_periods", detail=detail),)


def _instability(history: ThroughputHistory, calendar: WorkingCalendar | None) -> tuple[Caveat, ...]:
    if len(history) < STABILITY_FROM:
        return ()
    ranks, trend, shift = _tested(history)
    if shift.p < _LEVEL and (trend.p >= _LEVEL or is_rather_a_step(ranks, shift)):
        return (_level_shift(history, shift, calendar),)
    if trend.p < _LEVEL:
        return (_trend(history, trend),)
    return ()


@lru_cache(maxsize=32)  # an answer asks for it twice: its warnings and its assumptions
def _tested(history: ThroughputHistory) -> tuple[Ranks, MannKendall, Pettitt]:
    ranks = rank(history.counts)
    return ranks, mann_kendall(ranks), pettitt(ranks)


def is_rather_a_step(ranks: Ranks, shift: Pettitt) -> bool:
    """Compare the variance of the ranks that a step at the change point and a straight line explain.

    Step: K^2 n / (t (n - t)). Line: (sum of i * excess_i)^2 / ((n^3 - n) / 12), where the sum is minus that of U.
    """
    n, t = len(ranks.excess), shift.before
    step = shift.statistic**2 * n / (t * (n - t))
    line = int(ranks.excess.cumsum().sum()) ** 2 * 12 / (n**3 - n)
    return step > line


def _trend(history: ThroughputHistory, trend: MannKendall) -> Caveat:
    period, step = history.period, slope(history.counts)
    towards = "up" if trend.score > 0 else "down"
    pace = f"by about {abs(step):.2g} items per {period} for each {period} that passes (the median slope)"
    if step * trend.score <= 0:
        pace = f"in steps too uneven for one slope (the median slope is {step:.2g})"
    detail = (
        f"Throughput tends {towards} over the {_periods(len(history), period)}, {pace}. {_by_chance('trend', period)} "
        f"(Mann-Kendall test). Old {period}s may mislead."
    )
    return Caveat(code="trend", detail=detail)


def _level_shift(history: ThroughputHistory, shift: Pettitt, calendar: WorkingCalendar | None) -> Caveat:
    period, n, t = history.period, len(history), shift.before
    since = f"{period} {t + 1} of {n}"
    if history.start is not None:
        past = Timeline(start=history.start, period=period, calendar=calendar)
        since = f"{past.start_of(history.place(t))} ({since})"
    before, after = history.counts[:t].mean(), history.counts[t:].mean()
    detail = (
        f"The pace changed about {since}: {before:.3g} items per {period} on average in the {_periods(t, period)} "
        f"before, {after:.3g} in the {_periods(n - t, period)} since. {_by_chance('change', period)} (Pettitt test). "
        f"The {period}s before may mislead."
    )
    return Caveat(code="level_shift", detail=detail)


def _by_chance(finding: str, period: Period) -> str:
    return (
        f"If the {period}s were independent draws of one stable pace, so clear a {finding} would come by chance in "
        "fewer than 1 of 100 histories"
    )


def _periods(count: int, period: Period) -> str:
    return f"{count} {period}" if count == 1 else f"{count} {period}s"


def _told(pace: Rate) -> str:
    return f"{pace}" if isinstance(pace, int) else f"{float(pace):.3g}"


def _score_by_loop(excess: Counts) -> int:
    """Compare each period with the sorted ones before it: O(n^2) in moves of memory, and quickest when n is small."""
    seen: list[int] = []
    score = 0
    for index, value in enumerate(excess.tolist()):
        lower, not_higher = bisect_left(seen, value), bisect_right(seen, value)
        score += lower + not_higher - index
        seen.insert(lower, value)
    return score


def _score_by_bits(excess: Counts) -> int:
    """Sort by one bit after the other, from the highest, and score each bit: O(n log n).

    Two unequal ranks differ first in exactly one bit, and there they share all higher bits. So S is the sum, over bits
    and over groups of m ranks that share their higher bits, of b_j - b_i over i < j, and that is the sum of
    b_j (2 j - m + 1) with j = 0 .. m - 1 in order of time.
    """
    n = len(excess)
    ranks = (excess + n).astype(np.uint16)  # below 2 n <= 20,000; 16 bits make the stable sort a radix sort
    twice = np.arange(1, 2 * n, 2)
    score = 0
    for bit in reversed(range((2 * n).bit_length())):
        group = ranks >> (bit + 1)
        sizes = np.bincount(group)
        middles = 2 * sizes.cumsum() - sizes  # start + end of each group: 2 j - m + 1 = 2 position + 1 - (start + end)
        score += int(((ranks >> bit) & 1) @ (twice - middles[group]))
        ranks = ranks[(ranks >> bit).argsort(kind="stable")]
    return score


def slopes(counts: Numbers) -> Floats:
    """List (x_j - x_i) / (j - i) of all i < j, shape (n (n - 1) / 2,)."""
    times = np.arange(len(counts))
    runs = np.subtract.outer(times, times)
    later = runs > 0
    found: Floats = np.subtract.outer(counts, counts)[later] / runs[later]
    return found


def _median(values: Floats) -> float:
    """Find the median in a third of the time that np.median takes on a thousand values."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    parted = np.partition(values, (low, high))
    return float(parted[low] + parted[high]) / 2
