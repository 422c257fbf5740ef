"""The benchmarks run, and measure what they say; how fast anything is, no test says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks import models, projects, rivals
from benchmarks.__main__ import TOPICS
from benchmarks.calibration import CUT, ENDINGS, WEEKS, crps, cumulative_paces, weekly
from benchmarks.measuring import Figure, Target, in_turn
from benchmarks.planning import HISTORY, ROOT, TIMELINE, question

from flow_forecaster.engine.kernels import adaptive
from flow_forecaster.engine.samplers import Adaptive, Bootstrap
from flow_forecaster.engine.simulation import Machine

ROWS = {
    "engine": (
        "exact when, 100 items: the law",
        "exact when, 1,000 items: the law, read and warned of",
        "bootstrap, 1,000 items, one thread",
        "adaptive, 100 items, two threads",
    ),
    "model": ("whole model, bootstrap, one thread", "whole model, adaptive, one thread"),
    "backtests": ("backtest of 80 weeks, 3 horizons, 8 samplers, both targets",),
    "what-if": ("what if, 20 scopes", "what if, 20 team sizes", "what if, 20 histories"),
    "alarms": ("a verdict of unfit in 36 histories of chance", "a trend in 36 histories of chance"),
    "memory": ("peak memory of 10,000,000 trials",),
    "workers": ("20,000,000 trials of when by ranges, two workers",),
    "imports": ("import of 2,000 rows into SQLite", "import of 2,000 rows into PostgreSQL: peak memory"),
    "exports": ("export of 1,000 items from SQLite", "restoration of 1,000 items into PostgreSQL: longest wait"),
    "metrics": ("flow metrics of 1,000 items on SQLite", "flow metrics of 1,000 items on PostgreSQL"),
    "deliveries": (
        "choice of 64 among 2,000 deliveries that are due in 50 lanes, on SQLite",
        "choice of 64 among 200 deliveries that are due in 200 lanes, on PostgreSQL",
    ),
    "http": ("stored on SQLite, 16 connections", "stored on PostgreSQL, 16 connections"),
    "start": ("ready to serve",),
}


def run(*arguments: str | Path, cache: Path) -> str:
    environment = {**os.environ, "FLOW_FORECASTER_KERNEL_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def everything(kernel_cache: Path) -> str:
    """What a quick run of all topics prints: one process for all of them, as each takes seconds to start."""
    return run("--quick", cache=kernel_cache)


def test_every_topic_has_its_rows_here() -> None:
    assert ROWS.keys() == TOPICS.keys()


@pytest.mark.parametrize("topic", ROWS)
def test_a_quick_run_prints_the_rows_of_each_topic(topic: str, everything: str) -> None:
    for row in ROWS[topic]:
        assert row in everything


def test_a_quick_run_of_calibration_prints_each_variant(tmp_path: Path, kernel_cache: Path) -> None:
    days = np.arange("2020-01-01", "2023-04-01", dtype="datetime64[D]")
    rows = [f"{day},{number % 5 % 2}" for number, day in enumerate(days)]
    (tmp_path / "team.csv").write_text("\n".join(["date,completed", *rows]), encoding="utf-8")
    printed = run("calibration-drift", f"DATA={tmp_path}", "--quick", cache=kernel_cache)
    for variant in (*ENDINGS, CUT):
        assert f"| {WEEKS[-1]} | 1 | {variant} |" in printed


def test_calibration_without_its_data_is_refused_in_one_line(kernel_cache: Path) -> None:
    with pytest.raises(AssertionError, match=r"calibration-drift needs DATA=DIR"):
        run("calibration-drift", cache=kernel_cache)


def test_an_unknown_topic_is_refused(kernel_cache: Path) -> None:
    with pytest.raises(AssertionError, match=r"there is no topic nonsense"):
        run("nonsense", cache=kernel_cache)


def test_a_run_writes_its_measurements_and_fills_the_page(tmp_path: Path, kernel_cache: Path) -> None:
    page, document = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n", encoding="utf-8")
    printed = run("backtests", "--quick", "--markdown", "--page", page, "--json", document, cache=kernel_cache)
    table = next(line for line in printed.splitlines() if line.startswith("| backtest"))
    written = page.read_text(encoding="utf-8")
    assert written.startswith("before\n<!-- figures -->\n")
    assert written.endswith("\n<!-- end of figures -->\nafter\n")
    assert table in written
    assert "old" not in written
    (figure,) = json.loads(document.read_text(encoding="utf-8"))["figures"]
    assert figure["name"] == ROWS["backtests"][0]


def test_every_rival_gives_the_engines_answer(kernel_cache: Path) -> None:
    for items in (1, 7, 100):
        law = question(Bootstrap(), items, method="exact").answer(Machine()).when
        for rival in (rivals.exact_by_numpy, rivals.exact_by_dictionary):
            done = rival(HISTORY.throughput, items)
            assert done == pytest.approx([law.at_most(period) for period in range(done.size)], abs=1e-12)


def test_numpys_trials_finish_when_the_engine_says(kernel_cache: Path) -> None:
    trials, law = 40_000, question(Bootstrap(), 100, method="exact").answer(Machine()).when
    counts = rivals.simulated_by_numpy(HISTORY.counts, 100, trials, chunk=7_000, periods=40)
    assert counts.sum() == trials
    assert counts.cumsum() / trials == pytest.approx([law.at_most(period) for period in range(counts.size)], abs=0.01)


def test_the_bare_loop_draws_the_mean() -> None:
    assert rivals.bare_draws(HISTORY.counts, 750_000) == pytest.approx(100_000, rel=0.01)


def test_calibration_does_the_engines_own_trials() -> None:
    horizons, trials, seed = np.array([4, 13, 26]), 500, np.uint64(7)
    pace = Adaptive().pace(HISTORY, TIMELINE, 26)
    paces = np.empty((trials, horizons.size))
    cumulative_paces(pace.tables, seed, horizons, paces)
    for index, weeks in enumerate(horizons.tolist()):
        counts = np.zeros(2_000, dtype=np.int64)
        adaptive.produce(pace.tables, seed, weeks, 0, trials, counts)
        rounded = np.floor(paces[:, index] + 0.5).astype(np.int64)
        assert np.bincount(rounded, minlength=counts.size).tolist() == counts.tolist()


def test_a_week_of_calibration_runs_from_monday_to_sunday(tmp_path: Path) -> None:
    file = tmp_path / "team.csv"
    days = [f"2026-01-{day:02},{day}" for day in range(1, 27)]  # Thursday the 1st to Monday the 26th
    file.write_text("\n".join(["date,completed", *days]), encoding="utf-8")
    assert weekly(file).tolist() == [sum(range(first, first + 7)) for first in (5, 12, 19)]


def test_the_score_of_a_sure_forecast_is_its_error() -> None:
    assert crps(np.array([5.0, 5.0, 5.0]), 8.0) == 3.0
    assert crps(np.array([0.0, 2.0]), 1.0) == 0.5


def test_a_target_holds_at_its_bound_and_not_beyond() -> None:
    pairs = ((1.0, 2.0, 3.0), (1.0, 1.0, 1.0))
    assert Figure.of("x", "s", "y", pairs, Target(of="ratio", at_most=2.0)).kept is True
    assert Figure.of("x", "s", "y", pairs, Target(of="figure", at_least=2.1)).kept is False
    assert Figure.of("x", "s", "y", pairs).kept is None


def test_a_figure_and_its_rival_are_measured_in_turn_after_a_round_that_is_thrown_away() -> None:
    asked: list[str] = []

    def first() -> float:
        asked.append("first")
        return float(len(asked))

    def second() -> float:
        asked.append("second")
        return float(len(asked))

    assert in_turn(first, second, 2) == ((3.0, 5.0), (4.0, 6.0))
    assert asked == ["first", "second"] * 3


def test_the_rivals_of_the_whole_model_answer_the_same_question() -> None:
    """Within five standard errors of a mean of the finish."""
    periods = np.arange(models.HORIZON + 2)
    ours = models.finish(models.tables(Bootstrap()), 200_000)
    for theirs in (
        projects.by_numpy(models.SAMPLE, models.HORIZON, 200_000),
        projects.by_python(models.SAMPLE, models.HORIZON, 20_000),
    ):
        means = [float(counts @ periods / counts.sum()) for counts in (ours, theirs)]
        spread = float(ours @ (periods - means[0]) ** 2 / ours.sum())
        assert abs(means[0] - means[1]) < 5 * (spread / theirs.sum() + spread / ours.sum()) ** 0.5
