"""Laws fitted to a history or assumed: against scipy, against their definitions, and what they promise to keep."""

from collections.abc import Callable
from datetime import date
from math import ceil, exp, floor, lgamma, log, sqrt
from statistics import fmean, variance

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from engine.naive import PATIENT
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.convolution import finish_law, produce_law
from flow_forecaster.engine.fitting import (
    Law,
    _knots,
    _nine_digits,
    fit_negative_binomial,
    fit_weibull,
    negative_binomial_law,
    observed_law,
    triangular_law,
    weibull_law,
)
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.pace import Independent, known
from flow_forecaster.engine.parametric import NegativeBinomial, Triangular, Weibull
from flow_forecaster.engine.samplers import Bootstrap
from flow_forecaster.engine.simulation import unwatched

WEEKS = Timeline(start=date(2026, 1, 5), period=WEEK)
GRID = 2.0**-32
TRIALS = 200_000
HISTORIES = st.lists(st.integers(0, 60), min_size=1, max_size=40).filter(any).map(tuple)
WILD = st.lists(st.integers(0, 3) | st.integers(0, 1_000_000), min_size=1, max_size=8).filter(any).map(tuple)
TEAM = (3, 0, 4, 1, 5, 9, 2, 6, 0, 5, 3, 5)
QUIET = (0,) * 9 + (1, 2, 1)


def weibull(history: tuple[int, ...]) -> Law:
    return weibull_law(fit_weibull(history))


def negative_binomial(history: tuple[int, ...]) -> Law:
    return negative_binomial_law(fit_negative_binomial(history))


def past(*throughput: int) -> ThroughputHistory:
    return ThroughputHistory(throughput=throughput, period=WEEK)


def share(law: Law, value: int) -> float:
    return float(law.shares[law.values == value].sum())


def assert_law(law: Law) -> None:
    """Whole, ascending, distinct, none negative, and shares on their grid that sum to 1 exactly."""
    assert law.values.dtype == np.int64
    assert (np.diff(law.values) > 0).all()
    assert law.values[0] >= 0
    assert (law.shares > 0).all()
    assert sum(law.shares.tolist()) == 1.0
    assert (law.shares / GRID % 1 == 0).all()


# Weibull


@pytest.mark.parametrize("history", [TEAM, QUIET, tuple(range(60)), (5, 5, 5, 6), (1,) * 99 + (2,), (20, 300, 7)])
def test_the_shape_is_that_of_greatest_likelihood_at_the_middles_of_the_counts(history: tuple[int, ...]) -> None:
    middles = [count - 0.5 for count in history if count]
    shape, _, _ = stats.weibull_min.fit(middles, floc=0)
    assert fit_weibull(history).shape == pytest.approx(shape, rel=1e-3)


def test_the_shape_has_nine_true_digits() -> None:
    """The derivative of the log-likelihood changes its sign within the last of them."""
    middles = [count - 0.5 for count in TEAM if count]

    def slope(shape: float) -> float:
        powers = [middle**shape for middle in middles]
        weighed = sum(power * log(middle) for power, middle in zip(powers, middles, strict=True))
        return 1 / shape + fmean(map(log, middles)) - weighed / sum(powers)

    shape = fit_weibull(TEAM).shape
    assert shape is not None
    assert slope(shape - 6e-9) > 0 > slope(shape + 6e-9)


@pytest.mark.parametrize("history", [TEAM, QUIET, tuple(range(60))])
def test_the_weibull_law_is_that_of_scipy_rounded_up_beside_the_zeros(history: tuple[int, ...]) -> None:
    fit, law = fit_weibull(history), weibull(history)
    below = stats.weibull_min.cdf(np.arange(law.highest + 1), fit.shape, scale=fit.scale)
    shares = np.concatenate(([fit.zero_share], (1 - fit.zero_share) * np.diff(below)))
    assert [share(law, value) for value in range(law.highest + 1)] == pytest.approx(shares.tolist(), abs=2 * GRID)


@PATIENT
@given(HISTORIES | WILD)
def test_the_weibull_law_keeps_the_mean_and_the_share_of_zeros(history: tuple[int, ...]) -> None:
    law = weibull(history)
    assert_law(law)
    assert law.mean == pytest.approx(fmean(history), rel=1e-6)
    assert share(law, 0) == pytest.approx(history.count(0) / len(history), abs=GRID)


@pytest.mark.parametrize("history", [(7,), (0, 0, 4, 4), (1, 1, 1), (0, 1_000_000)])
def test_periods_that_are_all_equal_stay_what_they_are(history: tuple[int, ...]) -> None:
    assert fit_weibull(history).shape is None
    law, observed = weibull(history), observed_law(history)
    assert law.values.tolist() == observed.values.tolist()
    assert law.shares == pytest.approx(observed.shares, abs=GRID)


# Negative binomial


@pytest.mark.parametrize(
    "history", [TEAM, QUIET, tuple(range(60)), (0, 0, 0, 0, 0, 10), (0, 0, 250), (40, 160, 90, 20)]
)
def test_the_negative_binomial_law_is_that_of_scipy(history: tuple[int, ...]) -> None:
    fit, law = fit_negative_binomial(history), negative_binomial(history)
    assert fit.size is not None
    values = np.arange(min(law.highest, 256) + 1)
    above = [law.shares[law.values > value].sum() for value in values[:-1].tolist()]
    assert above == pytest.approx(stats.nbinom.sf(values[:-1], fit.size, fit.probability).tolist(), abs=GRID)


@pytest.mark.parametrize("history", [(5, 5, 5), (4, 6, 5, 5), (1,), (200,), (60, 61, 59)])
def test_a_history_that_scatters_no_more_than_by_chance_gets_the_poisson_law(history: tuple[int, ...]) -> None:
    fit, law = fit_negative_binomial(history), negative_binomial(history)
    assert (fit.size, fit.probability) == (None, 1.0)
    values = np.arange(min(law.highest, 256) + 1)
    above = [law.shares[law.values > value].sum() for value in values[:-1].tolist()]
    assert above == pytest.approx(stats.poisson.sf(values[:-1], fmean(history)).tolist(), abs=GRID)


def test_the_poisson_law_is_the_limit_of_the_negative_binomial_one() -> None:
    """Counts whose variance is a hair above their mean have nearly its law."""
    near = (0,) * 27 + (1,) * 36 + (2,) * 25 + (3,) * 12
    history = near + (5,) * 1
    fit = fit_negative_binomial(history)
    assert fit.size is None or fit.size > 20
    law, poisson = negative_binomial(history), stats.poisson.pmf(np.arange(12), fmean(history))
    assert [share(law, value) for value in range(12)] == pytest.approx(poisson.tolist(), abs=0.02)


@PATIENT
@given(HISTORIES)
def test_the_negative_binomial_law_keeps_mean_and_variance(history: tuple[int, ...]) -> None:
    law, mean = negative_binomial(history), fmean(history)
    assert_law(law)
    assert law.mean == pytest.approx(mean, rel=1e-6)
    spread = float(((law.values - law.mean) ** 2 * law.shares).sum())
    scatter = variance(history) if len(history) > 1 else 0.0
    # Beyond 256 it lies on numbers some 1/256 apart, and its last four billionth is cut.
    assert spread == pytest.approx(max(scatter, mean), rel=1e-4)


@PATIENT
@given(WILD)
def test_counts_of_any_size_have_a_negative_binomial_law(history: tuple[int, ...]) -> None:
    fit, law = fit_negative_binomial(history), negative_binomial(history)
    assert_law(law)
    assert law.highest <= 1_000_000
    reaches = fit.mean + 60 / fit.probability + 60 * sqrt(fit.mean / fit.probability) < 1_000_000
    assert law.mean == pytest.approx(fmean(history), rel=1e-6) if reaches else law.mean <= fmean(history) * 1.000001


def test_the_same_law_by_its_formula() -> None:
    """P(n) = G(r + n) / (G(r) n!) p^r (1 - p)^n."""
    fit, law = fit_negative_binomial(TEAM), negative_binomial(TEAM)
    r, p = fit.size or 0.0, fit.probability
    for value in range(15):
        chance = exp(lgamma(r + value) - lgamma(r) - lgamma(value + 1) + r * log(p) + value * log(1 - p))
        assert share(law, value) == pytest.approx(chance, abs=2 * GRID)


# Triangular

PACES = st.tuples(*[st.floats(0, 40) | st.integers(0, 40).map(float)] * 3).map(sorted).filter(lambda it: it[2] >= 0.001)


def split(low: float, likely: float, high: float, value: int) -> float:
    """P(value) of the triangle split between floor and ceiling: E[max(0, 1 - |X - value|)], by a fine sum."""
    law = stats.triang((likely - low) / (high - low), low, high - low)
    shares = (np.arange(200_000) + 0.5) / 200_000
    return float(np.maximum(0, 1 - np.abs(law.ppf(shares) - value)).mean())


@pytest.mark.parametrize("paces", [(0.5, 1, 2.5), (0, 0, 1), (0, 3, 3), (2.2, 2.3, 2.4), (0, 0.5, 0.75), (3, 10, 30)])
def test_the_triangle_of_scipy_is_split_between_whole_numbers(paces: tuple[float, float, float]) -> None:
    law = triangular_law(*paces)
    assert_law(law)
    for value in range(floor(paces[0]), ceil(paces[2]) + 1):
        assert share(law, value) == pytest.approx(split(*paces, value), abs=1e-6)


@PATIENT
@given(PACES)
def test_the_triangle_keeps_its_mean_and_stays_within_its_ends(paces: list[float]) -> None:
    law = triangular_law(*paces)
    assert_law(law)
    assert law.mean == pytest.approx(sum(paces) / 3, abs=40 * GRID)
    assert floor(paces[0]) <= law.values[0]
    assert law.highest <= ceil(paces[2])


@PATIENT
@given(st.tuples(*[st.floats(0, 1_000_000)] * 3).map(sorted).filter(lambda it: it[2] >= 0.001))
def test_a_wide_triangle_lies_on_a_thousand_numbers(paces: list[float]) -> None:
    law = triangular_law(*paces)
    assert_law(law)
    assert len(law.values) <= 1_025
    assert law.mean == pytest.approx(sum(paces) / 3, abs=1e-9 * paces[2] + 1e-9)


@pytest.mark.parametrize("pace", [1, 5, 1_000, 999_999, 1_000_000])
def test_a_pace_that_is_known_is_no_guess(pace: int) -> None:
    law = triangular_law(pace, pace, pace)
    assert (law.values.tolist(), law.shares.tolist()) == ([pace], [1.0])


def test_half_an_item_a_week_is_one_in_every_other_week_by_chance() -> None:
    law = triangular_law(0.5, 0.5, 0.5)
    assert (law.values.tolist(), law.shares.tolist()) == ([0, 1], [0.5, 0.5])


@pytest.mark.parametrize(
    ("paces", "code", "field"),
    [
        ((3, 2, 6), "likely_outside", "likely"),
        ((1, 7, 6), "likely_outside", "likely"),
        ((7, 7, 6), "low_above_high", "low"),
        ((-1, 2, 6), "out_of_range", "low"),
        ((0, 0, 0), "out_of_range", "high"),
        ((0, 0, 0.0009), "out_of_range", "high"),
        ((0, 1, 1_000_001), "out_of_range", "high"),
        ((0, 1, float("inf")), "out_of_range", "high"),
        ((0, 1, float("nan")), "out_of_range", "high"),
        ((float("nan"), 1, 2), "out_of_range", "low"),
        ((0, float("nan"), 2), "likely_outside", "likely"),
    ],
)
def test_a_guess_that_makes_no_sense_is_refused(paces: tuple[float, float, float], code: str, field: str) -> None:
    low, likely, high = paces
    with pytest.raises(InvalidInput) as refused:
        Triangular(low=low, likely=likely, high=high)
    assert (refused.value.code, refused.value.path) == (code, ("sampler", field))


def test_a_guess_uses_no_history_and_the_others_need_one() -> None:
    guess = Triangular(low=1, likely=2, high=3)
    guess.check(None, WEEKS)
    with pytest.raises(InvalidInput) as refused:
        guess.check(past(1), WEEKS)
    assert (refused.value.code, refused.value.path) == ("history_not_used", ("history",))
    for sampler in (Bootstrap(), Weibull(), NegativeBinomial()):
        with pytest.raises(InvalidInput) as refused:
            sampler.check(None, WEEKS)
        assert (refused.value.code, refused.value.path) == ("history_missing", ("history",))
    with pytest.raises(InvalidInput):
        known(None)


# What they are called by


def test_the_parameters_of_a_fit_can_be_told() -> None:
    fit, counts = fit_weibull(TEAM), fit_negative_binomial(TEAM)
    told = Weibull().parameters(past(*TEAM), WEEKS)
    assert told == {"zero_share": 2 / 12, "shape": fit.shape, "scale": fit.scale}
    told = NegativeBinomial().parameters(past(*TEAM), WEEKS)
    assert told == {"mean": fmean(TEAM), "size": counts.size, "probability": counts.probability}
    assert NegativeBinomial().parameters(past(3), WEEKS) == {"mean": 3.0, "probability": 1.0}
    assert Weibull().parameters(past(0, 3), WEEKS) == {"zero_share": 0.5, "scale": 3.0}
    told = Triangular(low=1, likely=2, high=3).parameters(None, WEEKS)
    assert told == {"low": 1, "likely": 2, "high": 3}
    assert Bootstrap().parameters(past(3), WEEKS) == {}


def test_fitted_parameters_do_not_carry_the_last_bits_of_a_logarithm() -> None:
    assert _nine_digits(1.23456789049) == 1.23456789
    assert _nine_digits(0.000123456789049) == 0.000123456789
    fit = fit_weibull(TEAM)
    assert fit.shape == _nine_digits(fit.shape or 0)
    assert fit.scale == _nine_digits(fit.scale)


def test_laws_lie_on_every_number_up_to_256_and_on_steps_of_one_in_256_from_there() -> None:
    knots = np.array(_knots())
    assert knots[:257].tolist() == list(range(257))
    assert knots[-1] == 1_000_000
    assert (np.diff(knots) <= np.maximum(1, knots[:-1] / 256)).all()
    assert len(knots) < 2_600


# Exact and simulated answers agree

SAMPLERS: dict[str, Callable[[], Independent]] = {
    "bootstrap": Bootstrap,
    "weibull": Weibull,
    "negative_binomial": NegativeBinomial,
    "triangular": lambda: Triangular(low=0.5, likely=2, high=7),
}


@pytest.mark.parametrize("history", [TEAM, QUIET, (1, 3), (5, 6, 7, 4, 8, 6, 5)])
@pytest.mark.parametrize("kind", SAMPLERS)
def test_trials_follow_the_convolution_of_the_law(kind: str, history: tuple[int, ...]) -> None:
    """|F_mc(k) - F(k)| <= 4.5 sqrt(F (1 - F) / n) + 1 / n at every k, for both questions."""
    sampler = SAMPLERS[kind]()
    law = sampler.law(past(*history))
    pace = sampler.pace(past(*history), WEEKS, 60)
    exact, beyond = finish_law(*law, scope=(25, np.ones(1)), horizon=60, watch=unwatched)
    finished = np.zeros(62, dtype=np.int64)
    pace.finish(5, 25)(0, TRIALS, finished)
    assert_near(finished, np.append(exact, beyond))
    produced = np.zeros(sampler.bound(past(*history), WEEKS, 8) + 2, dtype=np.int64)
    sampler.pace(past(*history), WEEKS, 8).produce(5, 8)(0, TRIALS, produced)
    assert_near(produced, np.append(produce_law(*law, periods=8, watch=unwatched), 0.0))


def assert_near(counts: np.ndarray, exact: np.ndarray) -> None:
    found, law = counts.cumsum() / TRIALS, exact.cumsum().clip(0, 1)
    assert (np.abs(found - law) <= 4.5 * np.sqrt(law * (1 - law) / TRIALS) + 1 / TRIALS + 1e-9).all()


@pytest.mark.parametrize("kind", SAMPLERS)
def test_the_walk_over_urn_tables_draws_the_law(kind: str) -> None:
    """What the whole model draws from: values and alias slots, nothing repeated, no drift, no blocks."""
    sampler, history = SAMPLERS[kind](), past(*TEAM)
    tables, law = sampler.tables(history, WEEKS, 3), sampler.law(history)
    size, found = len(tables.accept), dict.fromkeys(law.values.tolist(), 0.0)
    for slot, accept in enumerate(tables.accept.tolist()):
        found[int(tables.values[2 * slot])] += accept / 2**64 / size
        found[int(tables.values[2 * slot + 1])] += (1 - accept / 2**64) / size
    assert list(found.values()) == pytest.approx(law.shares.tolist(), abs=1e-14)
    assert (tables.slots == (0, size)).all()
    assert not tables.urn[:, 1].any()
    assert (tables.factors == 1).all()
    assert (tables.drifting, tables.follow) == (0, 0)


@PATIENT
@given(HISTORIES, st.sampled_from(["bootstrap", "weibull", "negative_binomial"]))
def test_means_are_those_of_the_history(history: tuple[int, ...], kind: str) -> None:
    assume(len(history) > 1)
    sampler = SAMPLERS[kind]()
    assert sampler.mean(past(*history), WEEKS) == pytest.approx(fmean(history), rel=1e-6)
    assert sampler.highest(past(*history)) >= max(history) or kind != "bootstrap"


@PATIENT
@given(HISTORIES.map(lambda counts: (*counts, 0)), st.sampled_from(["bootstrap", "weibull", "negative_binomial"]))
def test_periods_without_work_survive_every_fit(history: tuple[int, ...], kind: str) -> None:
    """As many of them as there were; where only two moments are fitted, as many as these imply, and some."""
    law = SAMPLERS[kind]().law(past(*history))
    if kind == "negative_binomial":
        fit = fit_negative_binomial(history)
        zeros = fit.probability**fit.size if fit.size else exp(-fit.mean)
    else:
        zeros = history.count(0) / len(history)
    assert share(law, 0) == pytest.approx(zeros, abs=2 * GRID)
