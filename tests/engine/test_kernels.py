"""Every sampling kernel gives the bytes of its slow twin, and every random word is that of the formula."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from engine import naive
from engine.naive import PATIENT
from flow_forecaster.engine.kernels import adaptive, bootstrap, randomness
from flow_forecaster.engine.urn import Drift, Observations, alias_slots, drift_factors, urn_tables

WORDS = st.integers(0, 2**64 - 1)
SEEDS = st.integers(0, 2**53 - 1)
TRIALS = st.tuples(st.integers(0, 10**9), st.integers(0, 25)).map(lambda pair: range(pair[0], pair[0] + pair[1]))
COUNTS = st.integers(0, 6) | st.sampled_from([0, 1, 1_000_000])
HISTORIES = st.lists(COUNTS, min_size=1, max_size=6)


@njit
def high_product(word: int, size: int) -> int:
    return randomness.high_product(word, size)


@PATIENT
@given(WORDS, st.integers(1, 10_000))
def test_words_are_those_of_the_128_bit_formulas(word: int, size: int) -> None:
    assert int(randomness.mix(np.uint64(word))) == naive.mix(word)
    assert int(randomness.word_at(np.uint64(word))) == naive.word_at(word)
    assert int(high_product(np.uint64(word), np.uint64(size))) == word * size // 2**64


@PATIENT
@given(SEEDS, st.integers(0, 10**9))
def test_a_trial_begins_where_seed_and_number_say(seed: int, trial: int) -> None:
    assert int(randomness.trial_counter(np.uint64(seed), trial)) == naive.trial_counter(seed, trial)


def test_the_first_words_are_known_by_heart() -> None:
    """Literals, so that kernel and twin cannot change together unseen; the first is published with SplitMix64."""
    assert naive.mix(naive.TRIAL_STEP) == 0xE220A8397B1DCDAF
    stream = naive.words(42, 0)
    assert [next(stream), next(stream)] == [0x362482E200710D2F, 0x290DDBEF8D201D87]
    first = randomness.trial_counter(np.uint64(42), 0)
    second = np.uint64((int(first) + int(randomness.STEP)) % 2**64)
    assert [int(randomness.word_at(first)), int(randomness.word_at(second))] == [0x362482E200710D2F, 0x290DDBEF8D201D87]


@PATIENT
@given(HISTORIES, SEEDS, st.integers(1, 40), st.integers(1, 20), TRIALS)
def test_bootstrap_finish_gives_the_histogram_of_its_twin(
    history: list[int], seed: int, items: int, horizon: int, trials: range
) -> None:
    counts = np.zeros(horizon + 2, dtype=np.int64)
    bootstrap.finish(np.array(history), np.uint64(seed), items, trials.start, trials.stop, counts)
    twin = naive.finish(lambda trial: naive.bootstrap_path(history, seed, trial), items, trials, horizon + 2)
    assert counts.tolist() == twin


@PATIENT
@given(HISTORIES, SEEDS, st.integers(0, 20), st.integers(1, 130), TRIALS)
def test_bootstrap_produce_gives_the_histogram_of_its_twin(
    history: list[int], seed: int, periods: int, bins: int, trials: range
) -> None:
    counts = np.zeros(bins, dtype=np.int64)
    bootstrap.produce(np.array(history), np.uint64(seed), periods, trials.start, trials.stop, counts)
    twin = naive.produce(lambda trial: naive.bootstrap_path(history, seed, trial), periods, trials, bins)
    assert counts.tolist() == twin


class Urns:
    """The same urn twice: as tables for the kernel, as a path for the twin."""

    def __init__(self, observed: Observations, classes: list[int], drift: Drift) -> None:
        self.tables = urn_tables(observed, np.array(classes, dtype=np.int64), drift)
        self.classes = classes
        first, later = (drift_factors(deviation).tolist() for deviation in (drift.first, drift.sigma))
        self.level = naive.Level(first=first, later=later, drifting=drift.periods)
        self.urns = {label: self.urn(observed, label) for label in set(observed.classes.tolist())}

    @staticmethod
    def urn(observed: Observations, label: int) -> naive.Urn:
        members = [index for index, of in enumerate(observed.classes.tolist()) if of == label]
        weights = [observed.weights[index] for index in members]
        accept, alias = alias_slots(weights)
        counts = [int(observed.counts[index]) for index in members]
        return naive.Urn(
            fresh=naive.Alias(counts=counts, accept=accept.tolist(), alias=alias),
            concentration=observed.concentration,
        )

    def path(self, seed: int, trial: int) -> Iterator[int]:
        return naive.adaptive_path(self.classes, self.urns, self.level, seed, trial)


@st.composite
def urns(draw: st.DrawFn) -> Urns:
    """Small histories in one to three classes, weights from equal to hundredfold, levels from vague to certain."""
    history = draw(HISTORIES)
    labels = draw(st.lists(st.integers(0, 2), min_size=len(history), max_size=len(history)))
    weights = draw(st.lists(st.sampled_from([0.01, 0.3, 0.5, 1.0]), min_size=len(history), max_size=len(history)))
    observed = Observations(
        counts=np.array(history),
        weights=weights,
        classes=np.array(labels),
        concentration=draw(st.sampled_from([0.01, 0.5, 3.0, 40.0])),
    )
    classes = draw(st.lists(st.sampled_from(labels), min_size=1, max_size=15))
    deviations = st.sampled_from([0.0, 0.13, 1.0])
    drift = Drift(first=draw(deviations), sigma=draw(deviations), periods=draw(st.integers(0, 16)))
    return Urns(observed, classes, drift)


@PATIENT
@given(urns(), SEEDS, st.integers(1, 40), TRIALS)
def test_adaptive_finish_gives_the_histogram_of_its_twin(urn: Urns, seed: int, items: int, trials: range) -> None:
    counts = np.zeros(len(urn.classes) + 2, dtype=np.int64)
    adaptive.finish(urn.tables, np.uint64(seed), items, trials.start, trials.stop, counts)
    twin = naive.finish(lambda trial: urn.path(seed, trial), items, trials, len(urn.classes) + 2)
    assert counts.tolist() == twin


@PATIENT
@given(urns(), SEEDS, st.integers(0, 15), st.integers(1, 130), TRIALS)
def test_adaptive_produce_gives_the_histogram_of_its_twin(
    urn: Urns, seed: int, periods: int, bins: int, trials: range
) -> None:
    ahead = min(periods, len(urn.classes))
    counts = np.zeros(bins, dtype=np.int64)
    adaptive.produce(urn.tables, np.uint64(seed), ahead, trials.start, trials.stop, counts)
    twin = naive.produce(lambda trial: urn.path(seed, trial), ahead, trials, bins)
    assert counts.tolist() == twin


def test_a_kernel_adds_to_its_histogram_and_clears_nothing() -> None:
    counts = np.full(5, 7, dtype=np.int64)
    bootstrap.finish(np.array([1]), np.uint64(1), 2, 0, 10, counts)
    bootstrap.produce(np.array([1]), np.uint64(1), 3, 0, 100, counts)
    assert counts.tolist() == [7, 7, 17, 107, 7]


def test_a_trial_that_reaches_its_items_in_the_last_period_is_finished() -> None:
    counts = np.zeros(5, dtype=np.int64)
    bootstrap.finish(np.array([1]), np.uint64(1), 3, 0, 10, counts)
    bootstrap.finish(np.array([1]), np.uint64(1), 4, 0, 1, counts)
    assert counts.tolist() == [0, 0, 0, 10, 1]
