"""Calibration of the drift: for how long it runs, and how cumulative pace becomes whole items, on real histories.

Each forecast is made from 52 weeks and held against what was then finished, again four weeks later, and so on
(rolling origin). A folder of CSV files with date,completed, one row a day, gives the histories.
"""

import csv
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numba import njit

from benchmarks.planning import HISTORY, TIMELINE, Plan, question
from flow_forecaster.engine.arrays import Counts, Floats
from flow_forecaster.engine.history import WEEK, ThroughputHistory
from flow_forecaster.engine.kernels.adaptive import draw, pool_of
from flow_forecaster.engine.kernels.randomness import STEP, trial_counter
from flow_forecaster.engine.samplers import Adaptive
from flow_forecaster.engine.simulation import Machine

WEEKS = (4, 8, 13, 26, 52, 104)
CONFIDENCES = (0.5, 0.7, 0.85, 0.95)
BACKLOGS = (13, 26, 52, 134, 260)
PAST, RECENT = 52, 12
FOREVER = 100_000.0
_DRIFTS: Mapping[str, float] = MappingProxyType(
    {"after 13 weeks": 13.0, "after 26 weeks": 26.0, "after 52 weeks": 52.0, "never": FOREVER}
)
BOOTSTRAP = "the bootstrap of 12 weeks"
ENDINGS = tuple(f"drift ends {name}" for name in _DRIFTS)
NEAREST = ENDINGS[0]
CUT = f"{NEAREST}, cut instead of rounded"
SLOW = 5.0  # items a week
_TWO = np.uint64(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One forecast held against what came: its CRPS in items, and whether each confidence's promise was kept.

    `pace` is the mean of its history, in items a week.
    """

    weeks: int
    variant: str
    pace: float
    crps: float
    kept: tuple[bool, ...]


def report(plan: Plan) -> str:
    """Score every variant on every history of the folder, and count the trials that never finish."""
    if plan.data is None:
        raise ValueError("A folder of histories is needed.")
    series = [weekly(file) for file in sorted(plan.data.glob("*.csv"))]
    scores = list(chain.from_iterable(_scores(weeks, plan) for weeks in series))
    slow = [score for score in scores if score.pace < SLOW]
    return "\n\n".join(
        (
            f"{len(series)} histories; of the promises made at each confidence, so many were kept:",
            _scores_table(scores, (BOOTSTRAP, *ENDINGS, CUT)),
            f"Rounded to the nearest item or cut, in forecasts from histories below {SLOW:g} items a week:",
            _scores_table(slow, (NEAREST, CUT)),
            "Trials that do not finish a backlog within thirty times its weeks, never fewer than 104:",
            _unfinished_table(plan),
        )
    )


def daily(file: Path) -> tuple[date, Counts]:
    """Read a file with date,completed: its first day, and the items of each day from then on; no row is no item."""
    with file.open(encoding="utf-8", newline="") as rows:
        days = {date.fromisoformat(row["date"]): int(row["completed"]) for row in csv.DictReader(rows)}
    first = min(days)
    counts = np.zeros((max(days) - first).days + 1, dtype=np.int64)
    for day, completed in days.items():
        counts[(day - first).days] = completed
    return first, counts


def weekly(file: Path) -> Counts:
    """Sum a daily file over whole weeks from Monday to Sunday."""
    first, counts = daily(file)
    offset = -first.weekday() % 7
    whole = (counts.size - offset) // 7
    sums: Counts = counts[offset : offset + 7 * whole].reshape(-1, 7).sum(axis=1)
    return sums


def crps(sample: Floats, actual: float) -> float:
    """Score a sorted sample: E|X - y| - E|X - X'| / 2, in items; Gneiting and Raftery (2007)."""
    size = sample.size
    spread = ((2 * np.arange(1, size + 1) - size - 1) * sample).sum() / size**2
    return float(np.abs(sample - actual).mean() - spread)


def _scores(weeks: Counts, plan: Plan) -> Iterator[Score]:
    trials, step = plan.either(2_000, 100), plan.either(4, 26)
    for origin in range(PAST, weeks.size - WEEKS[0] + 1, step):
        past = weeks[origin - PAST : origin]
        if past.any():
            yield from _scores_at(past, weeks[origin:].cumsum(), trials)


def _scores_at(past: Counts, done: Counts, trials: int) -> Iterator[Score]:
    horizons = np.array([weeks for weeks in WEEKS if weeks <= done.size])
    seed = zlib.crc32(past.tobytes())
    draws = np.random.default_rng(seed).choice(past[-RECENT:], (trials, horizons[-1])).cumsum(axis=1)
    paces = [_paces(past, ends, horizons, trials, seed) for ends in _DRIFTS.values()]
    for index, horizon in enumerate(horizons.tolist()):
        samples = {
            BOOTSTRAP: draws[:, horizon - 1].astype(np.float64),
            CUT: np.floor(paces[0][:, index]),
            **{ending: np.floor(pace[:, index] + 0.5) for ending, pace in zip(ENDINGS, paces, strict=True)},
        }
        for variant, sample in samples.items():
            ordered = np.sort(sample)
            actual = float(done[horizon - 1])
            kept = tuple(bool(actual >= promised) for promised in _promises(ordered))
            yield Score(weeks=horizon, variant=variant, pace=float(past.mean()), crps=crps(ordered, actual), kept=kept)


def _paces(past: Counts, ends: float, horizons: Counts, trials: int, seed: int) -> Floats:
    """Simulate cumulative pace at several horizons, shape (trials, horizons), by the engine's own tables."""
    history = ThroughputHistory(throughput=tuple(past.tolist()), period=WEEK)
    tables = Adaptive(drift_weeks=ends).pace(history, TIMELINE, int(horizons[-1])).tables
    paces = np.empty((trials, horizons.size))
    cumulative_paces(tables, np.uint64(seed), horizons, paces)
    return paces


def _promises(ordered: Floats) -> list[float]:
    """Find, for each confidence, the most items that so large a share of the trials reached."""
    return [float(ordered[int((1 - confidence) * ordered.size)]) for confidence in CONFIDENCES]


def _cumulative_paces(tables: Any, seed: Any, horizons: Any, paces: Any) -> None:
    """Do the trials of the engine's adaptive sampler, and note the pace before it is rounded."""
    pool = pool_of(tables)
    for trial in range(paces.shape[0]):
        counter, slot = trial_counter(seed, trial), np.uint64(tables.accept.size)
        done, level, noted = 0.0, 1.0, 0
        for period in range(horizons[-1]):
            throughput, level, slot = draw(tables, pool, counter, period, level, slot)
            done += throughput
            counter += _TWO * STEP
            if period + 1 == horizons[noted]:
                paces[trial, noted] = done
                noted += 1


cumulative_paces = njit(nogil=True)(_cumulative_paces)


def _scores_table(scores: Sequence[Score], variants: Sequence[str]) -> str:
    heads = [f"{confidence:.0%}" for confidence in CONFIDENCES]
    rows = [["weeks", "forecasts", "variant", "CRPS / bootstrap's", *heads], ["---"] * (4 + len(heads))]
    for weeks in sorted({score.weeks for score in scores}):
        there = [score for score in scores if score.weeks == weeks]
        reference = _mean_crps(there, BOOTSTRAP)
        for variant in variants:
            of_variant = [score for score in there if score.variant == variant]
            kept = np.mean([score.kept for score in of_variant], axis=0)
            ratio = _mean_crps(there, variant) / reference
            rows.append([str(weeks), str(len(of_variant)), variant, f"{ratio:.3f}", *(f"{one:.1%}" for one in kept)])
    return _table(rows)


def _mean_crps(scores: Sequence[Score], variant: str) -> float:
    return float(np.mean([score.crps for score in scores if score.variant == variant]))


def _unfinished_table(plan: Plan) -> str:
    rows = [["backlog", *ENDINGS], ["---"] * (1 + len(_DRIFTS))]
    for weeks in BACKLOGS:
        shares = [_unfinished(round(weeks * HISTORY.mean), ends, plan) for ends in _DRIFTS.values()]
        rows.append([f"{weeks} weeks of the mean pace", *(f"{share:.2%}" for share in shares)])
    return _table(rows)


def _unfinished(items: int, ends: float, plan: Plan) -> float:
    sampler = Adaptive(drift_weeks=ends)
    asked = question(sampler, items, method="monte_carlo", trials=plan.either(20_000, 200))
    return asked.answer(Machine()).when.beyond


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
