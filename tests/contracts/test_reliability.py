"""The calibration of all forecasters: what it reads, what it counts, and the page that it writes."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from benchmarks import rivals
from benchmarks.backtests import HORIZONS, PAST, TRIALS, question
from benchmarks.planning import ROOT, Plan
from benchmarks.reliability import WEEKS, YARDSTICK, NoHistories, Pool, Rolling, _of, _pools, read, stable_teams
from benchmarks.reliability_page import names

from flow_forecaster.engine.backtest import Backtest
from flow_forecaster.engine.forecasters import FORECASTERS, Sampled
from flow_forecaster.engine.history import ThroughputHistory
from flow_forecaster.engine.rolling import Target
from flow_forecaster.engine.samplers import Bootstrap
from flow_forecaster.engine.scoring import PROMISES
from flow_forecaster.engine.simulation import Machine

ROLLING = Rolling(window=12, horizons=(4,), minimum=12, step=4)
ITEMS = Target(side="items", horizon=4)


def run(*arguments: str | Path, cache: Path) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "FLOW_FORECASTER_KERNEL_CACHE_DIR": str(cache)}
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def write(file: Path, days: int) -> None:
    dates = np.arange(np.datetime64("2021-01-04"), np.datetime64("2021-01-04") + np.timedelta64(days, "D"))
    rows = [f"{day},{number * number % 7 % 3}" for number, day in enumerate(dates)]
    file.write_text("\n".join(["date,completed", *rows]) + "\n", encoding="utf-8")


def test_a_run_prints_its_tables_and_writes_them_with_the_drawing_into_the_page(
    tmp_path: Path, kernel_cache: Path
) -> None:
    write(tmp_path / "team.csv", 7 * 70)
    write(tmp_path / "young.csv", 7 * 20)
    (tmp_path / "other.csv").write_text("name,size\na,1\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nof another run\n<!-- end of figures -->\nafter\n", encoding="utf-8")
    done = run("calibration", f"DATA={tmp_path}", "--quick", "--page", page, cache=kernel_cache)
    assert done.returncode == 0, done.stderr
    written = page.read_text(encoding="utf-8")
    assert "Histories: 1, with 70 weeks together." in written
    assert "Left out, because they are no such files or too short: other.csv, young." in written
    assert "of another run" not in written
    for forecaster in FORECASTERS:
        assert f"| 4 | {forecaster.name} |" in written
    for weeks in (6, 8, 12, 26, 52, 104):
        assert f"| {weeks} weeks | adaptive |" in written
    for title in ("Items finished in 14 and 30 days", "With short histories", "By volatility", "Simulated teams"):
        assert title in written
        assert title in done.stdout
    drawing = ET.fromstring(page.with_suffix(".svg").read_text(encoding="utf-8"))  # noqa: S314 - our own
    labels = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {f"{weeks} weeks" for weeks in WEEKS} <= set(labels)
    assert {forecaster.name for forecaster in FORECASTERS if isinstance(forecaster, Sampled)} <= set(labels)


@pytest.mark.parametrize(
    ("folder", "reason"),
    [("nowhere", "calibration needs DATA=DIR"), ("", "calibration needs DATA=DIR"), (".", "holds no CSV file")],
)
def test_a_folder_without_histories_is_told_in_one_line(
    folder: str, reason: str, tmp_path: Path, kernel_cache: Path
) -> None:
    (tmp_path / "other.csv").write_text("name,size\na,1\n", encoding="utf-8")
    done = run("calibration", f"DATA={folder and tmp_path / folder}", cache=kernel_cache)
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_file_is_read_by_whole_weeks_and_by_days(tmp_path: Path) -> None:
    rows = [f"2026-01-{day:02},{day}" for day in range(1, 27)]  # Thursday the 1st to Monday the 26th
    (tmp_path / "team.csv").write_text("\n".join(["date,completed", *rows]), encoding="utf-8")
    (series,), left_out = read(tmp_path)
    assert left_out == ()
    assert series.weeks.throughput == tuple(sum(range(first, first + 7)) for first in (5, 12, 19))
    assert str(series.weeks.start) == "2026-01-05"
    assert series.days is not None
    assert series.days.throughput == tuple(range(1, 27))
    assert str(series.days.start) == "2026-01-01"


def test_nothing_but_other_files_is_no_folder_of_histories(tmp_path: Path) -> None:
    with pytest.raises(NoHistories, match="is not a folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(NoHistories, match="holds no CSV file"):
        read(tmp_path)


def test_the_counts_are_those_of_the_backtests(kernel_cache: Path) -> None:
    teams = stable_teams(60)[:2]
    pools = _pools(teams, ROLLING, Plan(quick=True))
    pool = pools[ITEMS, "bootstrap"]
    rows = [_rated(team.weeks) for team in teams]
    assert len(pool.scores) == sum(forecasts for forecasts, _ in rows)
    for index in range(len(PROMISES)):
        expected = sum(forecasts * kept[index] for forecasts, kept in rows) / len(pool.scores)
        assert pool.kept(index) == pytest.approx(expected)
    assert pools[ITEMS, YARDSTICK].ratio == 1
    assert pools[ITEMS, YARDSTICK].mean_ratio == pytest.approx(1)
    assert pool.ratio_to_same_history == 1
    assert pool.stated(0) == pytest.approx(pool.scores.stated[:, 0].mean())
    assert 0.5 <= pool.stated(0) < 0.7
    assert pool.ratio == pytest.approx(pool.scores.crps.sum() / pools[ITEMS, YARDSTICK].scores.crps.sum())


def _rated(history: ThroughputHistory) -> tuple[int, list[float]]:
    backtest = Backtest(
        history=history,
        forecasters=(Sampled.of(Bootstrap()),),
        horizons=(4,),
        window=12,
        minimum=12,
        step=1,
        trials=100,
        seed=1,
    )
    scores = backtest.journal(Machine()).scores[ITEMS]["bootstrap"]
    every_fourth = [each for origin, each in scores.items() if (origin - 12) % 4 == 0]
    kept = [sum(bool(each.kept[index]) for each in every_fourth) / len(every_fourth) for index in range(len(PROMISES))]
    return len(every_fourth), kept


def test_a_part_of_the_histories_is_counted_alone(kernel_cache: Path) -> None:
    teams = stable_teams(60)[:3]
    pools = _pools(teams, ROLLING, Plan(quick=True))
    part = _of(teams[:1], pools)[ITEMS, "bootstrap"]
    assert [case.series for case in part.cases] == [teams[0]]
    assert names(pools) == [each.name for each in FORECASTERS if isinstance(each, Sampled)]


def test_the_interval_of_many_histories_comes_from_drawing_them_anew(kernel_cache: Path) -> None:
    pool = _pools(stable_teams(60)[:6], ROLLING, Plan(quick=True))[ITEMS, "bootstrap"]
    low, high = pool.kept_between(2)
    assert low <= pool.kept(2) <= high
    alone = Pool(cases=pool.cases[:1]).kept_between(2)
    assert alone[1] - alone[0] > high - low


def test_simulated_teams_are_stable_and_of_many_kinds() -> None:
    teams = stable_teams(2_000)
    means = sorted({round(team.weeks.mean) for team in teams})
    assert (means[0], means[-1]) == (1, pytest.approx(60, abs=3))
    spreads = [team.weeks.counts.var() / team.weeks.mean for team in teams]
    assert min(spreads) == pytest.approx(1, abs=0.15)
    assert max(spreads) > 30
    assert all(abs(np.corrcoef(team.weeks.counts[:-1], team.weeks.counts[1:])[0, 1]) < 0.1 for team in teams)


def test_numpy_scores_the_bootstrap_as_the_backtest_does(kernel_cache: Path) -> None:
    asked = question(80)
    found = rivals.backtest_by_numpy(asked.history.counts, HORIZONS, PAST, PAST, TRIALS)
    scores = asked.journal(Machine()).scores
    for horizon, crps in zip(HORIZONS, found, strict=True):
        own = scores[Target(side="items", horizon=horizon)]["bootstrap"].values()
        assert crps == pytest.approx(sum(each.crps for each in own) / len(own), rel=0.02)


def test_the_claim_of_the_readme_is_what_the_page_of_the_calibration_says() -> None:
    page = (ROOT / "docs" / "explanation" / "calibration.md").read_text(encoding="utf-8")
    claim = (ROOT / "README.md").read_text(encoding="utf-8")
    table = page.partition("### Items finished in 4, 8 and 13 weeks")[2].partition("###")[0]
    for name in ("adaptive", YARDSTICK):
        rows = [line.split(" | ") for line in table.splitlines() if f"| {name} |" in line]
        kept = [row[8].partition(" ")[0].rstrip("%") for row in rows]
        assert len(kept) == len(WEEKS)
        assert f"{kept[0]}, {kept[1]} and {kept[2]} %" in claim
    assert f"Histories: {claim.partition(' real histories')[0].rpartition(' ')[2]}," in page
