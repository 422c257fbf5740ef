"""The whole model on one thread: ranges of scope and split, three risks, a team that grows and shrinks, a lead time."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks import projects
from benchmarks.measuring import Figure, Target, in_turn, seconds
from benchmarks.planning import TIMELINE, Plan
from benchmarks.projects import Project
from flow_forecaster.engine.capacity import Capacity, Ramp
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.kernels import trials as kernels
from flow_forecaster.engine.kernels.trials import TrialTables
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, Bootstrap, Sampler
from flow_forecaster.engine.scope import Risk, Scope, Split

HORIZON = 104
SAMPLE = Project(
    throughput=(1, 3, 5, 3, 7, 8),
    items=(20.0, 25.0),
    split=(1.0, 1.5),
    risks=((0.3, 10.0, 15.0), (0.15, 5.0, 10.0), (0.2, 5.0, 15.0)),
    team=4.0,
    ramp=(0.2, 2.0, 5.0),
    cycle_times=(3, 5, 8, 2, 13),
)
_MILLION = 1e6


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure trials of the sample project with both usual samplers, beside NumPy and plain Python."""
    trials = plan.either(500_000, 500)
    numpy = partial(projects.by_numpy, SAMPLE, HORIZON, plan.either(20_000, 500))
    python = partial(projects.by_python, SAMPLE, HORIZON, plan.either(2_000, 50))
    for sampler, target in ((Bootstrap(), Target(of="figure", at_least=3.0)), (Adaptive(), None)):
        name = f"whole model, {sampler.kind}, one thread"
        ours = partial(finish, tables(sampler), trials)
        for rival, theirs, count, bound in (
            ("NumPy, period by period", numpy, plan.either(20_000, 500), target),
            ("plain Python, trial by trial", python, plan.either(2_000, 50), None),
        ):
            pairs = in_turn(
                lambda work=ours: trials / _MILLION / seconds(work),
                lambda work=theirs, count=count: count / _MILLION / seconds(work),
                plan.either(9, 1),
            )
            yield Figure.of(name, "million trials/s", rival, pairs, bound)


def tables(sampler: Sampler) -> TrialTables:
    """What the kernel reads for the sample project."""
    history = ThroughputHistory(throughput=SAMPLE.throughput, period=WEEK)
    return model().tables(sampler.tables(history, TIMELINE, HORIZON), TIMELINE)


def finish(known: TrialTables, trials: int) -> np.ndarray:
    """Histogram of T."""
    counts = np.zeros(HORIZON + 2, dtype=np.int64)
    kernels.finish(known, np.uint64(1), HORIZON, 0, trials, counts)
    return counts


def model() -> Model:
    """The sample project in the engine's words."""
    risks = tuple(
        Risk(name=f"risk {number}", probability=chance, impact=Range(low=low, high=high))
        for number, (chance, low, high) in enumerate(SAMPLE.risks, start=1)
    )
    items, split = (Range(low=low, high=high) for low, high in (SAMPLE.items, SAMPLE.split))
    size, low, high = SAMPLE.ramp
    return Model(
        scope=Scope(items=items, split=Split.of(split), risks=risks),
        capacity=Capacity(ramp=Ramp(size=size, low=low, high=high), team_size=SAMPLE.team),
        lead_time=LeadTime(cycle_times=SAMPLE.cycle_times, applies="tail"),
    )
