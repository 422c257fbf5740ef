"""The engine: exact answers, Monte Carlo on one thread, the adaptive sampler, two threads."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from benchmarks import rivals
from benchmarks.measuring import Figure, Measure, Target, elapsed, in_turn, processor, seconds
from benchmarks.planning import HISTORY, Plan, question
from flow_forecaster.engine.samplers import Adaptive, Bootstrap, Sampler
from flow_forecaster.engine.simulation import Machine

Work: TypeAlias = Callable[[], object]

_MILLI, _NANO, _MILLION, _BILLION = 1e-3, 1e-9, 1e6, 1e9
_USUAL_TRIALS = 100_000  # what a request simulates unless it says otherwise


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure the engine."""
    for items, most in ((100, 0.1), (1_000, 3.0)):
        yield from _exact(plan, items, Target(of="figure", at_most=most))
    for items, least in ((100, 8.0), (1_000, 10.0)):
        yield from _bootstrap(plan, items, Target(of="ratio", at_least=least))
    yield _bare(plan, 1_000)
    yield _adaptive(plan, 100, Target(of="ratio", at_most=5.0))
    yield _adaptive(plan, 1_000, None)
    yield _adaptive_period(plan, 1_000)
    for sampler in (Bootstrap(), Adaptive()):
        yield from _threads(plan, sampler, 100)


def _exact(plan: Plan, items: int, target: Target) -> Iterator[Figure]:
    asked = question(Bootstrap(), items, method="exact")
    law = partial(asked.law.distribution, Machine())
    whole = partial(asked.answer, Machine())
    numpy = partial(rivals.exact_by_numpy, HISTORY.throughput, items)
    dictionary = partial(rivals.exact_by_dictionary, HISTORY.throughput, items)
    times, rounds = plan.either(1_000_000 // items**2 + 20, 1), plan.either(9, 1)
    few = max(1, times // 20)
    for name, ours, rival, theirs in (
        ("the law", law, "np.convolve, period by period", numpy),
        ("the law", law, "dictionary of what remains", dictionary),
        ("the law, read and warned of", whole, "np.convolve, period by period", numpy),
    ):
        pairs = in_turn(_time(ours, _MILLI, times), _time(theirs, _MILLI, few), rounds)
        yield Figure.of(f"exact when, {items:,} items: {name}", "ms", rival, pairs, target)


def _bootstrap(plan: Plan, items: int, target: Target) -> Iterator[Figure]:
    trials = plan.either(_USUAL_TRIALS, 1_000)
    chunk = rivals.fastest_chunk(HISTORY.counts, items, trials)
    ours = _rate(Bootstrap(), items, plan.either(50_000_000 // items, 1_000))
    usual, least = (rule(HISTORY.throughput, items) for rule in (rivals.usual_periods, rivals.enough_periods))
    for rival, size, periods, bound in (
        (f"NumPy, one matrix of {trials:,} trials, {usual} periods", trials, usual, target),
        (f"NumPy, the same with the fewest periods that do, {least}", trials, least, None),
        (f"NumPy, those in its fastest chunks, {chunk:,} trials", chunk, least, None),
    ):
        numpy = partial(rivals.simulated_by_numpy, HISTORY.counts, items, trials, chunk=size, periods=periods)
        pairs = in_turn(ours, _per_second(numpy, trials / _MILLION), plan.either(9, 1))
        yield Figure.of(f"bootstrap, {items:,} items, one thread", "million trials/s", rival, pairs, bound)


def _bare(plan: Plan, items: int) -> Figure:
    """Compare draws: those that trials needed, and those of a loop without trials."""
    trials, draws = plan.either(50_000, 500), plan.either(8_000_000, 10_000)
    ours = _per_second(_trials(Bootstrap(), items, trials), trials * _mean_periods(Bootstrap(), items) / _BILLION)
    goal = int(draws * HISTORY.mean)
    bare = partial(rivals.bare_draws, HISTORY.counts, goal)
    pairs = in_turn(ours, _per_second(bare, bare() / _BILLION), plan.either(9, 1))
    name, rival = f"bootstrap, {items:,} items, one thread", "generator and look-up alone"
    return Figure.of(name, "billion draws/s", rival, pairs, Target(of="ratio", at_least=0.5))


def _adaptive(plan: Plan, items: int, target: Target | None) -> Figure:
    trials = plan.either(20_000_000 // items, 500)
    ours, theirs = (_time(_trials(sampler, items, trials), _NANO * trials, 1) for sampler in (Adaptive(), Bootstrap()))
    pairs = in_turn(ours, theirs, plan.either(9, 1))
    return Figure.of(f"adaptive, {items:,} items", "ns/trial", "bootstrap", pairs, target)


def _adaptive_period(plan: Plan, items: int) -> Figure:
    trials = plan.either(20_000, 500)
    ours, theirs = (
        _time(_trials(sampler, items, trials), _NANO * trials * _mean_periods(sampler, items), 1)
        for sampler in (Adaptive(), Bootstrap())
    )
    pairs = in_turn(ours, theirs, plan.either(9, 1))
    return Figure.of(f"adaptive, {items:,} items", "ns/period", "bootstrap", pairs)


def _threads(plan: Plan, sampler: Sampler, items: int) -> Iterator[Figure]:
    """Compare by the clock, which needs two free cores, and by processor time, which does not."""
    trials = plan.either(20_000_000, 20_000)
    law = question(sampler, items, method="monte_carlo", trials=trials).law
    two, one = (partial(law.distribution, Machine(threads=threads)) for threads in (2, 1))
    name, rival, rounds = f"{sampler.kind}, {items:,} items, two threads", "one thread", plan.either(7, 1)
    pairs = in_turn(lambda: trials / _MILLION / elapsed(two), lambda: trials / _MILLION / elapsed(one), rounds)
    yield Figure.of(name, "million trials/s", rival, pairs, Target(of="ratio", at_least=1.8))
    pairs = in_turn(lambda: processor(two) / _NANO / trials, lambda: processor(one) / _NANO / trials, rounds)
    yield Figure.of(f"{name}: processor time", "ns/trial", rival, pairs)


def _trials(sampler: Sampler, items: int, trials: int) -> Work:
    asked = question(sampler, items, method="monte_carlo")
    counts = np.zeros(asked.horizon + 2, dtype=np.int64)
    return partial(asked.basis.pace(asked.horizon).finish(1, items), 0, trials, counts)


def _mean_periods(sampler: Sampler, items: int) -> float:
    when = question(sampler, items, method="monte_carlo").answer(Machine()).when
    periods = when.first + np.arange(when.mass.size)
    return float((periods * when.mass).sum() + when.beyond * when.last)


def _rate(sampler: Sampler, items: int, trials: int) -> Measure:
    return _per_second(_trials(sampler, items, trials), trials / _MILLION)


def _per_second(work: Work, amount: float) -> Measure:
    return lambda: amount / seconds(work)


def _time(work: Work, unit: float, repeats: int) -> Measure:
    return lambda: seconds(work, repeats=repeats) / unit
