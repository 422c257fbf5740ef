"""backtest and history on the command line."""

import json
import shlex
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.running import Line
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.backtest import BacktestResult
from routers.asking import FORECASTS, JSON, result_bytes

EXAMPLES = Path(__file__).parents[2] / "examples"
WEEKLY, DAILY = str(EXAMPLES / "team-weekly.csv"), str(EXAMPLES / "team-daily.csv")
TEAM = str(EXAMPLES / "team.txt")
ROWS = Path(WEEKLY).read_text(encoding="utf-8").split()[1:]
SMALL = ["--samplers", "bootstrap,adaptive", "--horizons", "1", "--minimum", "6", "--trials", "200", "--seed", "42"]


def test_a_person_gets_a_table_of_each_target(line: Line) -> None:
    told = line.here("backtest", WEEKLY, *SMALL).answer()
    assert "Items finished in 1 period (20 origins, worth 20 independent ones)" in told
    assert "Periods to finish what the mean pace takes 1 period for" in told
    for forecaster in ("bootstrap", "adaptive", "bootstrap_12", "last_value", "mean", "exponential_mean"):
        assert f"\n{forecaster} " in told
    assert "warning too_few_origins" in told
    assert told.endswith(f"26 periods of history, 200 trials, seed 42, engine {ENGINE_VERSION}\n")


def test_what_is_not_rated_is_a_dash(line: Line) -> None:
    told = line.here("backtest", TEAM, "--samplers", "bootstrap", "--seed", "1").answer()
    assert next(row.split() for row in told.splitlines() if row.startswith("bootstrap ")) == ["bootstrap", *"-" * 8]


async def test_http_and_the_command_line_answer_with_the_same_bytes(line: Line, client: httpx2.AsyncClient) -> None:
    counts = [int(row.split(",")[1]) for row in ROWS]
    asked: dict[str, Any] = {
        "kind": "backtest",
        "history": {"throughput": counts, "period": "week", "start": ROWS[0][:10]},
        "samplers": [{"kind": "bootstrap"}, {"kind": "adaptive"}],
        "horizons": [1],
        "minimum": 6,
        "trials": 200,
        "seed": 42,
    }
    response = await client.post(FORECASTS, content=json.dumps(asked), headers=JSON)
    assert response.status_code == 201, response.text
    told = line.here("backtest", WEEKLY, *SMALL, "--json").answer()
    assert told.strip().encode() == result_bytes(response)
    assert BacktestResult.model_validate_json(told).origins == 20


REFUSED = {
    "horizons that are no numbers": (f"backtest {WEEKLY} --horizons four", "--horizons: 'four' is not a list"),
    "no horizon": (f"backtest {WEEKLY} --horizons 0", "--horizons: "),
    "an unknown sampler": (f"backtest {WEEKLY} --samplers dice", "--samplers: "),
    "weekdays of weeks": (f"backtest {WEEKLY} --samplers weekday", "--samplers: "),
    "no window": (f"backtest {WEEKLY} --window 0", "--window: "),
    "nothing known": (f"backtest {WEEKLY} --minimum 0", "--minimum: "),
    "no step": (f"backtest {WEEKLY} --step 0", "--step: "),
    "too many trials": (f"backtest {WEEKLY} --trials 20001", "--trials: "),
    "no history": ("backtest", "give either a FILE, --git PATH or --project NAME"),
    "a start": (f"backtest {WEEKLY} --start 2026-01-01", "--start"),
    "no history to print": ("history", "give either a FILE or --git PATH"),
    "a history without dates": (f"history {TEAM}", "has no dates"),
    "a repository that is not there": ("history --git nowhere", "nowhere"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused_in_one_line(line: Line, case: str) -> None:
    command, reason = REFUSED[case]
    told = line.here(*shlex.split(command))
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines()[-1].startswith("error: ")
    assert reason in told.err.splitlines()[-1]


# history


def test_a_history_is_printed_as_it_is_read(line: Line) -> None:
    printed = line.here("history", WEEKLY).answer()
    assert printed.split() == Path(WEEKLY).read_text().split()
    again = line.here("history", "-", stdin=printed.encode()).answer()
    assert again == printed


def test_a_history_is_summed_on_the_way(line: Line) -> None:
    header, *rows = line.here("history", DAILY, "--period", "week").answer().split()
    assert header == "date,completed"
    assert len(rows) == 20
    assert {date.fromisoformat(row[:10]).weekday() for row in rows} == {0}


def test_a_history_without_dates_is_printed_as_json(line: Line) -> None:
    told = json.loads(line.here("history", TEAM, "--json").answer())
    assert told == {"throughput": [int(row) for row in Path(TEAM).read_text().split()], "period": "week", "start": None}


def test_a_repository_becomes_a_file_of_days_that_every_command_reads(line: Line, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    first = today - timedelta(days=30)
    stamps = [
        int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
        for day in (first, first, first + timedelta(days=29))
    ]
    feed = "\n".join(f"commit refs/heads/main\ncommitter a <a@b> {stamp} +0000\ndata 1\nx\n" for stamp in stamps)
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", repository], check=True)
    subprocess.run(["git", "-C", repository, "fast-import", "--quiet"], input=feed, text=True, check=True)
    told = line.here("history", "--git", str(repository))
    rows = told.answer().split()[1:]
    assert rows[0] == f"{first},2"
    assert rows[1] == f"{first + timedelta(days=1)},0"
    assert rows[-1] == f"{first + timedelta(days=29)},1"
    assert len(rows) == 30
    assert "note: " in told.err
    file = tmp_path / "history.csv"
    file.write_text(told.out)
    assert line.here("history", str(file), "--period", "day").answer() == told.out
