"""The same request with the same seed gives the same bytes: on any threads, in any chunks, on any machine."""

from datetime import date
from decimal import Decimal, localcontext
from fractions import Fraction
from hashlib import sha256
from itertools import islice, product
from math import exp, floor, fsum, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy.stats import chi2

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.adaptation import HALF_LIVES, of_periods
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.forecasts import Deadline
from flow_forecaster.engine.history import DAY, LONGEST_PERIOD, WEEK, ThroughputHistory
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.parametric import NegativeBinomial, Triangular, Weibull
from flow_forecaster.engine.samplers import Adaptive, BlockBootstrap, Bootstrap, Sampler, Weekday, samplers_for
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.urn import _SCORE_GRID, _WEIGHT_GRID, _normal_scores, drift_factors, recency_weights
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.schemas.results import deadline_result, how_many_result, when_result

TRIALS = 1_000
HISTORY = ThroughputHistory(throughput=(3, 0, 4, 1, 5, 9, 2, 6), period=WEEK)
WEEKS = Timeline(start=date(2026, 1, 5), period=WEEK)
GUESS = Triangular(low=0.5, likely=3, high=8)
SAMPLES = pytest.mark.parametrize("sampler", [*samplers_for(HISTORY, WEEKS), GUESS])


# Ranges, threads and chunks


def finished(sampler: Sampler, first: int, last: int, *, seed: int = 42) -> np.ndarray:
    counts = np.zeros(106, dtype=np.int64)
    sampler.pace(HISTORY, WEEKS, 104).finish(seed, 25)(first, last, counts)
    return counts


@SAMPLES
@PATIENT
@given(st.integers(0, TRIALS))
def test_histograms_of_two_ranges_add_up_to_that_of_both(sampler: Sampler, middle: int) -> None:
    parts = finished(sampler, 0, middle) + finished(sampler, middle, TRIALS)
    assert parts.tolist() == finished(sampler, 0, TRIALS).tolist()


@SAMPLES
def test_threads_and_chunks_move_no_byte(sampler: Sampler) -> None:
    history = None if sampler is GUESS else HISTORY
    basis = Basis(history=history, timeline=WEEKS, sampler=sampler, method="monte_carlo", trials=TRIALS, seed=42)
    question = Deadline(basis=basis, model=Model.of_items(25), periods=7, horizon=104)
    expected = question.answer(Machine())
    for threads, draws in product((1, 2, 3), (1, 50, 999, 7_001, 10_000_000)):
        answer = question.answer(Machine(threads=threads, chunk_trials=draws))
        for law, same in ((answer.when, expected.when), (answer.how_many, expected.how_many)):
            assert law.mass.tobytes() == same.mass.tobytes()
            assert law.cumulative.tobytes() == same.cumulative.tobytes()
            assert (law.first, law.beyond, law.mean) == (same.first, same.beyond, same.mean)


@SAMPLES
def test_another_seed_gives_another_histogram_and_the_same_seed_the_same(sampler: Sampler) -> None:
    histograms = [finished(sampler, 0, TRIALS, seed=seed).tobytes() for seed in (0, 1, 2, 2**53 - 1)]
    assert len(set(histograms)) == 4
    assert histograms[1] == finished(sampler, 0, TRIALS, seed=1).tobytes()


# Golden bytes

TWELVE = [5, 6, 7, 8, 9, 10, 7, 8, 6, 7, 8, 9]
GOLDEN: dict[str, dict[str, Any]] = {
    "exact": {
        "kind": "when",
        "history": {"throughput": TWELVE},
        "scope": {"items": 50},
        "sampler": {"kind": "bootstrap"},
        "method": "exact",
    },
    "days": {
        "kind": "how_many",
        "history": {"throughput": [2, 3, 1, 0, 4, 0, 0] * 6, "period": "day", "start": "2025-11-03"},
        "calendar": {"days_off": ["2026-01-06"]},
        "until": "2026-01-30",
        "method": "monte_carlo",
        "trials": 20_000,
    },
    "weeks": {
        "kind": "deadline",
        "history": {"throughput": TWELVE, "period": "week"},
        "scope": {"items": 50},
        "deadline": "2026-02-22",
        "confidence": [0.1, 0.5, 0.85, 0.99],
        "trials": 20_000,
    },
}
BYTES = {
    "exact": "4be1f4c832f3546d6960e8a953deadd9fdf2c8c687f2f999a22d9ce2ecda293e",
    "days": "1544284c92c49c985b2a3799bc0bcb7eac500c9955827e35e86ce24fc8195016",
    "weeks": "e117d634da2d234a5e056af443d852f330d6140b48779e660999b0f95d0d1aa5",
}


def result_of(fields: dict[str, Any]) -> Any:
    request = TypeAdapter(ForecastRequest).validate_python(fields).asked(today=date(2026, 1, 5), seed=42)[0]
    present = {"when": when_result, "how_many": how_many_result, "deadline": deadline_result}[request.kind]
    question = request.question()
    return present(request, question, question.answer(Machine(threads=2)))


@pytest.mark.parametrize("name", GOLDEN)
def test_a_version_of_the_engine_keeps_its_bytes(name: str) -> None:
    """The three answers carry no warning, so that a sentence may be put better without a new version."""
    result = result_of(GOLDEN[name])
    assert result.warnings == []
    assert ENGINE_VERSION == "2.3", "A new version: compute BYTES anew, once, and change this line."
    assert sha256(result.model_dump_json().encode()).hexdigest() == BYTES[name], (
        f"The bytes of an answer have changed and ENGINE_VERSION has not. Stored forecasts of engine {ENGINE_VERSION} "
        "can no longer be repeated: raise ENGINE_VERSION and compute BYTES anew, or take the change back."
    )


DAYS = Timeline(start=date(2026, 1, 7), period=DAY)
DAILY = ThroughputHistory(throughput=(2, 3, 1, 0, 4, 0, 0) * 6, period=DAY, start=date(2025, 11, 3))
SAMPLED: dict[str, tuple[Sampler, ThroughputHistory, Timeline]] = {
    "bootstrap": (Bootstrap(), HISTORY, WEEKS),
    "adaptive": (Adaptive(), HISTORY, WEEKS),
    "block_bootstrap": (BlockBootstrap(), HISTORY, WEEKS),
    "weekday": (Weekday(), DAILY, DAYS),
    "weibull": (Weibull(), HISTORY, WEEKS),
    "negative_binomial": (NegativeBinomial(), HISTORY, WEEKS),
    "triangular": (GUESS, HISTORY, WEEKS),
}
SAMPLED_BYTES = {
    "bootstrap": "6ca8b57b873d1abbe53313dbede6ba0c547352ed84ddea613fb062395a2120b6",
    "adaptive": "94f8f6efcc39be01de3316a8e1fe476a496ed4d9fbad099b87347f24268613a7",
    "block_bootstrap": "6bc98292302412d2746fa6b4e258326d1295c4ac5951ff746b0a98a276255e06",
    "weekday": "d7f0afc6d7e210c3f8089106567ae4b52c703b54b5f127640176e131e8363ab0",
    "weibull": "98bbf80c752b48d16e33ed355e950bb9f3aa7fb50adb1ac17d8d9b99211bcaff",
    "negative_binomial": "66ec9e58a2489f6459fae0c481bbf9e0dc5e3345549da77f57b7ad81c2ed52b6",
    "triangular": "f0c7b2aa678dbce57f1bfc50e53e444f785fdd3bc57a6c46eaf7ed2f127e00de",
}


@pytest.mark.parametrize("name", SAMPLED)
def test_a_version_of_the_engine_keeps_the_draws_of_each_sampler(name: str) -> None:
    """Both kernels and, where there is one, the law, whose shares no other machine's logarithm may move."""
    sampler, history, timeline = SAMPLED[name]
    finish, produce = np.zeros(106, dtype=np.int64), np.zeros(400, dtype=np.int64)
    sampler.pace(history, timeline, 104).finish(42, 60)(0, 20_000, finish)
    sampler.pace(history, timeline, 14).produce(42, 14)(0, 20_000, produce)
    law = sampler.law(history) or ()
    found = b"".join(part.tobytes() for part in (finish, produce, *law))
    assert sha256(found).hexdigest() == SAMPLED_BYTES[name], "Raise ENGINE_VERSION, or take the change back."


# Tables that another machine's mathematics must not move


@pytest.mark.parametrize("half_life", [*HALF_LIVES, 8.0])
def test_no_weight_lies_so_near_a_step_of_its_grid_that_another_pow_could_move_it(half_life: float) -> None:
    """2^(-a / h) is at least 4 units in the last place of a double away from where rounding would change.

    Whole powers of two are no question of rounding: every pow gives them exactly. Days are weighed by their weeks,
    but for the baseline with a half-life of eight.
    """
    with localcontext(prec=60):
        half, grid = Decimal("0.5"), Decimal(_WEIGHT_GRID)
        for days in range(1 if half_life == 8.0 else 2, LONGEST_PERIOD + 1):
            periods = 728 // days
            for index, weight in enumerate(recency_weights(periods, days / 7, half_life)):
                exponent = -(days / 7 * (periods - 1 - index)) / half_life
                true = Decimal(2) ** Decimal(exponent) * grid
                assert exponent.is_integer() or abs(true % 1 - half) > 4 * true * Decimal(2) ** -53
                assert Decimal(weight) * grid == true.to_integral_value()


def test_no_score_lies_so_near_a_step_of_its_grid_that_another_log_could_move_it() -> None:
    """Quantile and scale are each good to a few units in the last place; 16 are allowed."""
    normal = NormalDist()
    raw = [normal.inv_cdf((index + 0.5) / 4096) for index in range(4096)]
    deviation = sqrt(fsum(score * score for score in raw) / 4096)
    for score, found in zip(raw, _normal_scores().tolist(), strict=True):
        steps = score / deviation * _SCORE_GRID
        assert abs(abs(steps - floor(steps)) - 0.5) > 16 * abs(steps) * 2**-53
        assert found * _SCORE_GRID == round(steps)


@pytest.mark.parametrize("deviation", [0.045 / sqrt(7), 0.13, 0.5, 2.1])
def test_factors_are_exponentials_made_of_nothing_but_sums_and_products(deviation: float) -> None:
    """Those every machine rounds alike; one by one, in whole fractions of floats, they give the same bits."""
    factors, scores = drift_factors(deviation).tolist(), _normal_scores().tolist()
    for score, factor in islice(zip(scores, factors, strict=True), 0, None, 97):
        small = deviation * score / 1024
        raised = 1.0
        for term in range(8, 0, -1):
            raised = float(Fraction(float(Fraction(raised) * Fraction(small))) / term) + 1.0
        for _ in range(10):
            raised = float(Fraction(raised) ** 2)
        assert factor == raised
        assert factor == pytest.approx(exp(deviation * score), rel=1e-12)


def test_the_scores_behind_the_factors_are_normal_quantiles_of_variance_one() -> None:
    scores = _normal_scores().tolist()
    assert fsum(score**2 for score in scores) / 4096 == pytest.approx(1, abs=1e-9)
    assert fsum(scores) == pytest.approx(0, abs=1e-9)
    assert scores[2048] == pytest.approx(sqrt(2 * np.pi) / 2 / 4096, rel=1e-3)
    assert scores[4095] == pytest.approx(3.667, abs=0.01)


def test_what_is_learnt_stands_on_a_grid_where_a_power_had_a_part_in_it() -> None:
    """rho = sigma / (0.125 (1 - q) + 0.045 q) and the odds of q without evidence are multiples of 2^-24."""
    learnt = of_periods((3, 0, 4, 1, 5, 9, 2, 6), 1.0)
    odds = 1 / learnt.stability - 1
    rho = learnt.sigma / (0.125 * (1 - learnt.stability) + 0.045 * learnt.stability)
    for number in (odds, rho):
        assert number * 2**24 == pytest.approx(round(number * 2**24), abs=1e-5)


# How random the words are

WORDS_PER_STREAM = 2
STREAMS = 20_000


def uniform(seed: int, trials: range) -> np.ndarray:
    """Words of some trials as numbers in [0, 1), shape (trials, 2)."""
    words = [list(islice(naive.words(seed, trial), WORDS_PER_STREAM)) for trial in trials]
    return np.array(words, dtype=np.float64) / 2.0**64


def assert_uncorrelated(one: np.ndarray, other: np.ndarray) -> None:
    assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / sqrt(len(one))


def assert_uniform(counts: np.ndarray) -> None:
    """Chi-square between the one-in-a-million points of both tails: too even is no more random than too uneven."""
    expected = counts.sum() / counts.size
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert chi2.ppf(1e-6, counts.size - 1) < statistic < chi2.isf(1e-6, counts.size - 1)


@pytest.mark.parametrize("size", [2, 7, 64, 1_000])
@pytest.mark.parametrize("seed", [0, 1, 2**53 - 1])
def test_every_period_of_a_history_is_drawn_equally_often(size: int, seed: int) -> None:
    history = ThroughputHistory(throughput=tuple(range(size)), period=WEEK)
    counts = np.zeros(size + 1, dtype=np.int64)
    Bootstrap().pace(history, WEEKS, 1).produce(seed, 1)(0, 400_000, counts)
    assert_uniform(counts[:-1])


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_pairs_of_words_fill_the_square_evenly(seed: int) -> None:
    """Of one trial, of one trial and the next, and of one seed and the next."""
    here, next_seed = uniform(seed, range(STREAMS)), uniform(seed + 1, range(STREAMS))
    for one, other in (
        (here[:, 0], here[:, 1]),
        (here[:-1, 0], here[1:, 0]),
        (here[:-1, 1], here[1:, 0]),
        (here[:, 0], next_seed[:, 0]),
    ):
        assert_uncorrelated(one, other)
        assert_uniform(np.histogram2d(one, other, bins=16, range=[(0, 1), (0, 1)])[0].ravel())


def test_every_bit_of_a_word_is_a_fair_coin() -> None:
    firsts = np.array([next(naive.words(7, trial)) for trial in range(STREAMS)], dtype=np.uint64)
    ones = [int(((firsts >> np.uint64(bit)) & np.uint64(1)).sum()) for bit in range(64)]
    assert all(abs(count - STREAMS / 2) < 4.5 * sqrt(STREAMS) / 2 for count in ones)


def test_no_two_streams_of_neighbouring_seeds_begin_alike() -> None:
    begins = {naive.trial_counter(seed, trial) for seed in range(200) for trial in range(200)}
    assert len(begins) == 40_000


def test_daily_and_weekly_questions_of_one_seed_walk_the_same_words() -> None:
    """The stream knows the seed and the trial, and nothing of the question."""
    daily = ThroughputHistory(throughput=HISTORY.throughput, period=DAY)
    counts = [np.zeros(200, dtype=np.int64) for _ in range(2)]
    Bootstrap().pace(HISTORY, WEEKS, 9).produce(5, 9)(0, TRIALS, counts[0])
    Bootstrap().pace(daily, Timeline(start=date(2030, 5, 5), period=DAY), 9).produce(5, 9)(0, TRIALS, counts[1])
    assert counts[0].tolist() == counts[1].tolist()
