"""Compile every kernel before the first question, or load it from a folder where it was compiled before."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np

from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.convolution import finish_law, produce_law
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.kernels import (
    adaptive,
    block,
    bootstrap,
    convolution,
    lattice,
    plan,
    plan_ways,
    pricing,
    randomness,
    trials,
    variations,
)
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.plan import Feature, Plan, Team
from flow_forecaster.engine.plan_laws import Delivery
from flow_forecaster.engine.prices import Prices
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import SAMPLERS, Adaptive
from flow_forecaster.engine.scope import Risk, Scope, Split
from flow_forecaster.engine.simulation import Machine, unwatched
from flow_forecaster.engine.what_if import Variation, WhatIf

MODULES: tuple[ModuleType, ...] = (
    randomness,
    convolution,
    bootstrap,
    adaptive,
    block,
    lattice,
    trials,
    pricing,
    plan,
    plan_ways,
    variations,
)


def kernels_digest() -> str:
    """Name the kernels' source and compiler, because numba's own cache misses a change in an imported module."""
    digest = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    for module in MODULES:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


def compile_kernels(folder: Path | None = None) -> None:
    """Run every kernel once on a tiny input, so that none is compiled later; keep the machine code in `folder`.

    Two processes must not write the same folder at once (numba issue 4807): the caller holds a lock.
    """
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)
        for kernel in _kernels():
            kernel.enable_caching()
    _run_samplers()
    _run_convolutions()
    _run_models()
    _run_plans()
    _run_variations()


def _kernels() -> Iterator[Any]:
    for module in MODULES:
        for name, member in sorted(vars(module).items()):
            if isinstance(member, numba.core.dispatcher.Dispatcher) and member.py_func.__module__ == module.__name__:
                yield getattr(module, name)


def _run_samplers() -> None:
    history = ThroughputHistory(throughput=(1, 2), period=WEEK)
    timeline = Timeline(start=date(2026, 1, 5), period=WEEK)
    for sampler in SAMPLERS:
        pace = sampler().pace(history, timeline, 2)
        counts = np.zeros(4, dtype=np.int64)
        pace.finish(0, 2)(0, 1, counts)
        pace.produce(0, 1)(0, 1, counts)


def _run_convolutions() -> None:
    values, shares = np.array([1, 2]), np.array([0.5, 0.5])
    finish_law(values, shares, scope=(2, np.ones(1)), horizon=2, watch=unwatched)
    produce_law(values, shares, periods=1, watch=unwatched)


def _run_models() -> None:
    history = ThroughputHistory(throughput=(1, 2), period=WEEK)
    timeline = Timeline(start=date(2026, 1, 5), period=WEEK)
    uncertain = Range(low=1.0, high=2.0)
    risk = Risk(name="", probability=0.5, impact=uncertain)
    scope = Scope(items=uncertain, split=Split.of(uncertain), risks=(risk,))
    tables = Model(scope=scope).tables(Adaptive().tables(history, timeline, 2), timeline)
    seed, counts = np.uint64(0), np.zeros(4, dtype=np.int64)
    trials.finish(tables, seed, 2, 0, 1, counts)
    trials.produce(tables, seed, 2, 0, 1, counts)
    trials.outcomes(tables, seed, 2, 0, counts[:1], np.zeros(1))
    trials.paths(tables, seed, 0, np.zeros((1, 2)))
    tariff = pricing.Tariff(rate=1.0, delay=0.0, after=0, effort=1.0, effort_cells=4, budget=1, deadline=1)
    pricing.price(tables, seed, 2, tariff, 0, 1, np.zeros(30, dtype=np.int64))


def _run_plans() -> None:
    timeline = Timeline(start=date(2026, 1, 5), period=WEEK)
    history = ThroughputHistory(throughput=(1, 2), period=WEEK)
    basis = Basis(history=history, timeline=timeline, sampler=Adaptive(), method="monte_carlo", trials=1, seed=0)
    scope = Scope(items=Range(low=1.0, high=2.0), split=Split.of(Range.exactly(1.0)))
    team = Team(name="", features=(Feature(name="", scope=scope),), timeline=timeline, basis=basis)
    whole = Plan(teams=(team,))
    Delivery(plan=whole, method_asked="monte_carlo", trials=1, seed=0, horizon=2, paths=1).answer(Machine())


def _run_variations() -> None:
    timeline = Timeline(start=date(2026, 1, 5), period=WEEK)
    history = ThroughputHistory(throughput=(1, 2), period=WEEK)
    basis = Basis(history=history, timeline=timeline, sampler=Adaptive(), method="monte_carlo", trials=1, seed=0)
    late = LeadTime(cycle_times=(1,), applies="tail")
    base = Case(basis=basis, model=replace(Model.of_items(1), lead_time=late), prices=Prices(rate=1.0))
    same = (Variation(name="", case=base),)
    hopes: dict[str, Any] = {"deadline": date(2026, 1, 18), "budget": 1.0}
    WhatIf(base=base, variations=same, confidences=(0.5,), horizon=2, **hopes).answer(Machine())
