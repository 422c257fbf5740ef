"""A process behaviour chart (XmR): which periods stand out from routine variation, and how many would by chance.

References: Wheeler, "Understanding Variation" (1993) for the limits and their scaling factors 2.66, 3.268, 3.145 and
3.865; Western Electric, "Statistical Quality Control Handbook" (1956) for the rules on zones and runs.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flow_forecaster.engine.arrays import Floats
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.invalid import InvalidInput

Form: TypeAlias = Literal["mean", "median"]
Side: TypeAlias = Literal["above", "below"]
Marks: TypeAlias = NDArray[np.bool_]

SCALES: dict[Form, tuple[float, float]] = {"mean": (2.66, 3.268), "median": (3.145, 3.865)}
"""What the mean, or the median, moving range is multiplied with: for the limits of values, and of moving ranges."""

FEWEST_IN_BASELINE = 10
FEWEST_FOR_VERDICT = 10
LEVEL = 0.05
_SEED = 5
_MOST_ORDERS, _FEWEST_ORDERS, _MOST_CELLS = 999, 199, 400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """At least `points` of `of` neighbours lie beyond `sigmas` on the same side; the limits are 3 sigmas away."""

    name: str
    points: int
    of: int
    sigmas: float


RULES = (
    Rule(name="outside_limits", points=1, of=1, sigmas=3.0),
    Rule(name="two_of_three", points=2, of=3, sigmas=2.0),
    Rule(name="three_of_four", points=3, of=4, sigmas=1.5),
    Rule(name="four_of_five", points=4, of=5, sigmas=1.0),
    Rule(name="eight_on_a_side", points=8, of=8, sigmas=0.0),
)
RANGE_RULE = "range_outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Center -/+ scale x range, where the range is the mean or median of |x_i - x_(i-1)|.

    `lower` stops at 0, as counts do. `sigma` is a third of the way from the center to a limit; rules use it on both
    sides, so they are as strict below, whether or not the lower limit would be under 0.
    """

    center: float
    lower: float
    upper: float
    range_center: float
    range_upper: float
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Periods `first` to `last` with limits of their own, found from those up to `baseline`; all counted from 0."""

    first: int
    last: int
    baseline: int
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A rule that was met from period `first` to `last`, by these `points`; all counted from 0."""

    rule: str
    side: Side
    first: int
    last: int
    points: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Does the order of the periods say something? A forecast that draws from them takes it that it does not.

    `fit` is False if it does, True without evidence of that, and None where there are too few periods to tell.
    `p` is the share of orders of the same periods that have as many of them in signals.
    """

    fit: bool | None
    p: float | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Limits by phase, signals by first period, and how many signals chance alone would give.

    `ranges` has shape (periods,): |x_i - x_(i-1)|, NaN at the beginning of a phase.
    """

    phases: tuple[Phase, ...]
    ranges: Floats
    signals: tuple[Signal, ...]
    expected: float
    verdict: Verdict
    caveats: tuple[Caveat, ...]


def chart(values: Floats, *, form: Form = "mean", starts: tuple[int, ...] = (), baseline: int | None = None) -> Chart:
    """Draw the chart of values, shape (periods,), oldest first.

    A new phase begins at each of `starts`. The limits of a phase are found from its first `baseline` periods, or all.
    Signals do not reach over phases.

    Raises:
        InvalidInput: a phase of fewer than 2 periods, phases out of order, or no spread that the median form could use.
    """
    bounds = _bounds(len(values), starts)
    phases = tuple(_phase(values, first, end, baseline, form, number) for number, (first, end) in enumerate(bounds))
    signals = sorted(
        (signal for phase in phases for signal in _signals(values, phase)), key=lambda one: (one.first, one.last)
    )
    flagged = len({point for signal in signals for point in signal.points})
    expected, p = by_chance(values, bounds, baseline=baseline, form=form, flagged=flagged)
    ranges = np.abs(np.diff(values, prepend=np.nan))
    ranges[[phase.first for phase in phases]] = np.nan
    return Chart(
        phases=phases,
        ranges=ranges,
        signals=tuple(signals),
        expected=expected,
        verdict=_verdict(len(values), len(signals), expected, p),
        caveats=_caveats(phases),
    )


def by_chance(
    values: Floats, bounds: list[tuple[int, int]], *, baseline: int | None, form: Form, flagged: int
) -> tuple[float, float]:
    """Find how many signals the same values have in random order, and how often as many periods are in signals.

    The values of each phase are put in up to 999 random orders, the limits found anew. So both hold for values of any
    distribution, without a formula: (mean signals, (1 + orders with at least `flagged`) / (1 + orders)).
    """
    orders = min(_MOST_ORDERS, max(_FEWEST_ORDERS, _MOST_CELLS // len(values)))
    randomness = np.random.Generator(np.random.PCG64(_SEED))
    signals, periods = np.zeros(orders), np.zeros(orders)
    for first, end in bounds:
        shuffled = np.tile(values[first:end], (orders, 1))
        randomness.permuted(shuffled, axis=1, out=shuffled)
        size = max(1, _MOST_CELLS // (end - first))
        for begin in range(0, orders, size):
            rows = slice(begin, begin + size)
            began, marked = _alarms(shuffled[rows], baseline, form)
            signals[rows] += began
            periods[rows] += marked
    return float(signals.mean()), float((1 + np.count_nonzero(periods >= flagged)) / (1 + orders))


def limits(values: Floats, form: Form) -> Limits:
    """Find the limits of values, shape (n,), n >= 2."""
    center, middle = (float(found[0]) for found in _centers(values[None, :], form))
    reach, range_reach = (scale * middle for scale in SCALES[form])
    return Limits(
        center=center,
        lower=max(0.0, center - reach),
        upper=center + reach,
        range_center=middle,
        range_upper=range_reach,
        sigma=reach / 3,
    )


def _centers(rows: Floats, form: Form) -> tuple[Floats, Floats]:
    """Find the centers of values and of moving ranges of each row; shape (rows, n) gives (rows,) twice."""
    ranges = np.abs(np.diff(rows, axis=1))
    if form == "median":
        return np.median(rows, axis=1), np.median(ranges, axis=1)
    return rows.mean(axis=1), ranges.mean(axis=1)


def _bounds(count: int, starts: tuple[int, ...]) -> list[tuple[int, int]]:
    edges = [0, *starts, count]
    for index, start in enumerate(starts):
        if start < edges[index] + 2 or start > count - 2:
            detail = "Phases are in order, and each has at least two of the periods."
            raise InvalidInput("phases", index, code="phase_too_short", detail=detail)
    if count < 2:
        detail = "A chart needs at least two periods: without one before it, nothing can be said of a period."
        raise InvalidInput("history", "throughput", code="too_short", detail=detail)
    return list(pairwise(edges))


def _phase(values: Floats, first: int, end: int, baseline: int | None, form: Form, number: int) -> Phase:
    known = end if baseline is None else min(end, first + baseline)
    found = limits(values[first:known], form)
    if form == "median" and found.range_center == 0 and np.any(np.diff(values[first:known])):
        detail = (
            f"In phase {number + 1} at least half of the moving ranges are 0, so the median form has no limits; "
            "take the mean form, or longer periods."
        )
        raise InvalidInput("form", code="no_spread", detail=detail)
    return Phase(first=first, last=end - 1, baseline=known - 1, limits=found)


def _signals(values: Floats, phase: Phase) -> list[Signal]:
    own = values[None, phase.first : phase.last + 1] - phase.limits.center
    found: list[Signal] = []
    for rule in RULES:
        for side, distance in (("above", own), ("below", -own)):
            beyond = distance > rule.sigmas * phase.limits.sigma
            found.extend(_spans(rule, "above" if side == "above" else "below", beyond, phase.first))
    ranges = np.abs(np.diff(own, axis=1)) > phase.limits.range_upper
    found.extend(_spans(Rule(name=RANGE_RULE, points=1, of=1, sigmas=3.0), "above", ranges, phase.first + 1))
    return found


def _spans(rule: Rule, side: Side, beyond: Marks, offset: int) -> list[Signal]:
    """List the signals of one rule in one row: windows that share periods are one signal."""
    ends = np.flatnonzero(_met(beyond, rule)[0])
    begins = np.flatnonzero(_first_of_each(_met(beyond, rule), rule.of)[0])
    spans: list[Signal] = []
    for group in np.split(ends, np.searchsorted(ends, begins)[1:]) if ends.size else []:
        window = np.arange(max(0, group[0] - rule.of + 1), group[-1] + 1)
        marked = (window[_marked(beyond[:, window], rule)[0]] + offset).tolist()
        spans.append(Signal(rule=rule.name, side=side, first=marked[0], last=marked[-1], points=tuple(marked)))
    return spans


def _alarms(rows: Floats, baseline: int | None, form: Form) -> tuple[Floats, Floats]:
    """Count the signals of each row, and the periods that are in any; (rows, n) gives (rows,) twice."""
    center, middle = (found[:, None] for found in _centers(rows[:, :baseline], form))
    reach, range_reach = (scale * middle for scale in SCALES[form])
    own = rows - center
    signals, flagged = np.zeros(len(rows)), np.zeros(rows.shape, dtype=np.bool_)
    for rule in RULES:
        for distance in (own, -own):
            beyond = distance > rule.sigmas / 3 * reach
            signals += _first_of_each(_met(beyond, rule), rule.of).sum(axis=1)
            flagged |= _marked(beyond, rule)
    ranges = np.abs(np.diff(own, axis=1)) > range_reach
    flagged[:, 1:] |= ranges
    return signals + ranges.sum(axis=1), flagged.sum(axis=1).astype(np.float64)


def _met(beyond: Marks, rule: Rule) -> Marks:
    """Tell at which periods a rule is met by them and those before; shape (rows, n) both."""
    return beyond & (_within(beyond, rule.of) >= rule.points)


def _marked(beyond: Marks, rule: Rule) -> Marks:
    """Tell which periods take part: beyond, and met by them or one of the next."""
    later = _within(_met(beyond, rule)[:, ::-1], rule.of)[:, ::-1]
    return beyond & (later > 0)


def _first_of_each(met: Marks, of: int) -> Marks:
    """Keep the first of those that are fewer than `of` periods apart from the one before."""
    firsts: Marks = met & (_within(met, of) == 1)
    return firsts


def _within(marks: Marks, of: int) -> NDArray[np.int32]:
    """Count the marks among each period and the `of` - 1 before it; shape (rows, n) both."""
    total = np.cumsum(marks, axis=1, dtype=np.int32)
    total[:, of:] -= total[:, :-of].copy()
    return total


def _verdict(count: int, signals: int, expected: float, p: float) -> Verdict:
    found = f"{signals} signals where chance would give about {expected:.1f}"
    if count < FEWEST_FOR_VERDICT:
        detail = f"Whether these periods are one routine cannot be told from {count}; it takes {FEWEST_FOR_VERDICT}."
        return Verdict(fit=None, p=None, detail=detail)
    if p > LEVEL:
        detail = (
            f"No evidence against forecasting from these periods: {found} (p = {p:.2g}). "
            "That is no evidence of a stable process either."
        )
        return Verdict(fit=True, p=p, detail=detail)
    detail = (
        f"These periods are not one routine: {found}. In random order as many periods stand out in {p:.1%} of cases. "
        "Find the reason, or forecast from the periods since the last change."
    )
    return Verdict(fit=False, p=p, detail=detail)


def _caveats(phases: tuple[Phase, ...]) -> tuple[Caveat, ...]:
    short = [phase for phase in phases if phase.baseline - phase.first + 1 < FEWEST_IN_BASELINE]
    if not short:
        return ()
    least = min(phase.baseline - phase.first + 1 for phase in short)
    detail = f"Limits from {least} periods are soft; {FEWEST_IN_BASELINE} or more make them firm."
    return (Caveat(code="short_baseline", detail=detail),)
