"""--sampler and --pace: every sampler by its name, and a guess for a team without a history."""

import json
from pathlib import Path
from typing import get_args

import httpx2
import pytest

from cli.running import Line
from flow_forecaster.cli.commands import SAMPLERS
from flow_forecaster.schemas.histories import Sampler, TriangularSampler
from routers.asking import FORECASTS, JSON, result_bytes

EXAMPLES = Path(__file__).parents[2] / "examples"
TEAM, DAILY = str(EXAMPLES / "team.txt"), str(EXAMPLES / "team-daily.csv")
COMMON = ["--start", "2026-11-23", "--seed", "42", "--trials", "5000"]
PACE = ["--pace", "0.5,2,6"]


@pytest.mark.parametrize("kind", ["bootstrap", "adaptive", "block_bootstrap", "weibull", "negative_binomial"])
def test_every_sampler_is_called_by_its_name(line: Line, kind: str) -> None:
    told = json.loads(line.here("when", TEAM, "--items", "50", "--sampler", kind, *COMMON, "--json").answer())
    assert told["sampler"] == kind


def test_days_of_the_week_are_drawn_from_a_daily_file(line: Line) -> None:
    options = ["--period", "day", "--items", "20", "--sampler", "weekday", *COMMON, "--json"]
    assert json.loads(line.here("when", DAILY, *options).answer())["sampler"] == "weekday"


@pytest.mark.parametrize("period", ["week", "day", "10"])
async def test_http_answers_a_guess_with_the_same_bytes(line: Line, client: httpx2.AsyncClient, period: str) -> None:
    told = line.here("when", "--items", "50", *PACE, "--period", period, *COMMON, "--json").answer()
    counted = {"days": 10} if period == "10" else period
    guess = {"kind": "triangular", "low": 0.5, "likely": 2.0, "high": 6.0, "period": counted}
    fields = {"kind": "when", "scope": {"items": 50}, "start": "2026-11-23", "seed": 42, "trials": 5_000}
    response = await client.post(FORECASTS, content=json.dumps(fields | {"sampler": guess}), headers=JSON)
    assert response.status_code == 201, response.text
    assert told.strip().encode() == result_bytes(response)


def test_a_person_is_told_that_there_is_no_history(line: Line) -> None:
    told = line.here("deadline", "--items", "50", "--by", "2027-03-28", *PACE, "--start", "2026-11-23").answer()
    assert "warning no_history: There is no history: the pace is a guess from 0.5 to 6" in told
    assert "no history, triangular sampler, exact" in told


def test_a_guess_of_the_triangular_sampler_may_name_it(line: Line) -> None:
    named = line.here("how-many", "--periods", "4", *PACE, "--sampler", "triangular", *COMMON, "--json").answer()
    assert named == line.here("how-many", "--periods", "4", *PACE, *COMMON, "--json").answer()


@pytest.mark.parametrize(
    ("options", "line_told"),
    [
        (
            [TEAM, "--items", "5", *PACE],
            "--pace is for a team without a history: leave it out, or FILE, --git and",
        ),
        (["--git", ".", "--items", "5", *PACE], "--pace is for a team without a history"),
        (["--items", "5", "--sampler", "triangular"], "--sampler triangular needs --pace LOW,LIKELY,HIGH"),
        (["--items", "5", *PACE, "--sampler", "weibull"], "--pace draws from a guess, and weibull from a history"),
        (["--items", "5", "--pace", "1,2"], "--pace: '1,2' is not three numbers such as 0.5,2,6"),
        (["--items", "5", "--pace", "1,2,3,4"], "is not three numbers"),
        (["--items", "5", "--pace", "few,more,most"], "is not three numbers"),
        (["--items", "5", "--pace", "1,,3"], "is not three numbers"),
        (["--items", "5", "--pace", "7,2,6"], "--pace: The low pace lies above the high one."),
        (["--items", "5", "--pace", "1,9,6"], "--pace: The likely pace lies outside low to high."),
        (["--items", "5", "--pace", "0,0,0"], "--pace: The high pace is from 0.001 to 1000000 items a period."),
        (["--items", "5", "--pace", "0,1,inf"], "--pace: The high pace is from 0.001"),
        (["--items", "5", "--pace", "nan,1,2"], "--pace: A pace is 0 or more."),
        (["--items", "5", *PACE, "--period", "year"], "--period: 'year' is not a period"),
        ([TEAM, "--items", "5", "--sampler", "weekday"], "--sampler: The sampler 'weekday' draws days"),
        (
            [TEAM, "--items", "5", "--sampler", "dice"],
            (
                "--sampler: There is no such kind here; known are 'bootstrap', 'adaptive', 'block_bootstrap', "
                "'weekday', 'weibull', 'negative_binomial', 'triangular'."
            ),
        ),
        (["--items", "5"], "give either a FILE, --git PATH or --project NAME"),
    ],
)
def test_what_cannot_be_drawn_from_is_told_in_one_line(line: Line, options: list[str], line_told: str) -> None:
    assert line_told in line.here("when", *options).refusal()


def test_the_help_names_every_sampler() -> None:
    """Without the schemas, which are not imported for it."""
    of_a_past = set(get_args(get_args(Sampler)[0])) - {TriangularSampler}
    kinds = {get_args(each.model_fields["kind"].annotation)[0] for each in of_a_past}
    assert set(SAMPLERS.split(", ")) == kinds


@pytest.mark.parametrize("command", ["when", "how-many", "deadline", "cost", "backtest"])
def test_each_question_shows_the_samplers_in_its_help(line: Line, command: str) -> None:
    shown = " ".join(line.here(command, "--help", COLUMNS="200").answer().replace("│", " ").split())
    assert SAMPLERS in shown


def test_what_is_wrong_is_told_of_its_own_option_and_not_of_the_command_that_is_named_like_one(line: Line) -> None:
    told = line.here("deadline", TEAM, "--items", "5", "--by", "2030-01-01", "--sampler", "dice").refusal()
    assert told.startswith("--sampler: ")
