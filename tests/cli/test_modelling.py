"""Ranges, splits, risks and focus on the command line: read as HTTP reads them, refused by the option's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.running import Line
from flow_forecaster.cli.complaints import Refused
from flow_forecaster.cli.modelling import number_or_range, risk, scope
from flow_forecaster.cli.surroundings import capacity, lead_time, working_days

WEEKLY = str(Path(__file__).parents[2] / "examples" / "team-weekly.csv")
COMMON = ["--start", "2026-11-23", "--seed", "1", "--trials", "2000"]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("40", 40),
        ("1.5", 1.5),
        ("-3", -3),
        ("40-60", {"low": 40.0, "high": 60.0}),
        ("1-1.25-2.5", {"low": 1.0, "likely": 1.25, "high": 2.5}),
    ],
)
def test_a_range_is_written_with_a_dash(text: str, meaning: object) -> None:
    assert number_or_range(text, "--items", whole=True) == meaning


@pytest.mark.parametrize("text", ["", "many", "40-", "--40", "1-2-3-4", "40 to 60", "1e3", "٣"])
def test_what_is_no_range_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=r"--items: .* such as 40-60"):
        number_or_range(text, "--items")


def test_a_risk_has_a_name_a_chance_and_items_or_periods() -> None:
    assert risk("new vendor:30:10-15") == {
        "name": "new vendor",
        "probability": 0.3,
        "items": {"low": 10.0, "high": 15.0},
    }
    assert risk("audit:20%:2p") == {"name": "audit", "probability": 0.2, "delay": 2.0}


@pytest.mark.parametrize("text", ["vendor", "vendor:30", ":30:2", "vendor:a:2", "vendor:30:few"])
def test_what_is_no_risk_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="--risk"):
        risk(text)


def test_the_whole_model_is_asked_for_in_one_line(line: Line) -> None:
    options = ["--items", "40-60", "--split", "1-1.3", "--risk", "a:30:10-15", "--risk", "b:20:1-2p", "--focus", "0.8"]
    told: dict[str, Any] = json.loads(line.here("when", WEEKLY, *options, *COMMON, "--json").answer())
    codes = [assumed["code"] for assumed in told["explanation"]["assumptions"]]
    assert {"scope", "risks", "delay", "focus"} <= set(codes)
    plain = json.loads(line.here("when", WEEKLY, "--items", "40", *COMMON, "--json").answer())
    assert told["answers"][0]["periods"] > plain["answers"][0]["periods"]


def test_a_deadline_takes_the_same_options_and_says_what_it_assumes(line: Line) -> None:
    told = line.here("deadline", WEEKLY, "--items", "40-60", "--growth", "0.5", "--by", "2027-03-28", *COMMON).answer()
    assert "Are 40 to 60 items done" in told
    assert "assumes growth: Each period adds 0.5 items." in told


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (["--items", "60-40"], "--items"),
        (["--items", "40", "--split", "0"], "--split"),
        (["--items", "40", "--risk", "a:130:5"], "--risk"),
        (["--items", "40", "--focus", "0"], "--focus"),
        (["--items", "40", "--split", "1,x"], "--split"),
        (["--items", "40", "--risk", "a:30:4-2p"], "--risk"),
        (["--items", "40", "--team", "0"], "--team"),
        (["--items", "40", "--change", "tomorrow:5"], "--change"),
        (["--items", "40", "--change", "2027-02-31:5"], "--change"),
        (["--items", "40", "--ramp", "2-5"], "--ramp"),
        (["--items", "40", "--ramp", "60:2-5"], "--ramp"),
        (["--items", "40", "--team", "2", "--ramp", "20:5-2"], "--ramp"),
        (["--items", "40", "--team", "2", "--ramp", "20:2-5", "--change", "2027-01-15:8"], "--change"),
        (["--items", "40", "--ramp", "20:2-5"], "--team"),
        (["--items", "40", "--change", "2027-01-15:8"], "--team"),
        (["--items", "40", "--team", "2", "--change", "2027-01-15:8", "--change", "2027-01-15:9"], "--change"),
        (["--items", "9999", "--team", "2", "--change", "2027-01-15:0"], "--change"),
        (["--items", "40", "--month", "brumaire:50"], "--month"),
        (["--items", "40", "--month", "de:50"], "--month"),
        (["--items", "40", "--month", "december:5000"], "--month"),
        (["--items", "40", "--month", "dec:50", "--month", "december:60"], "--month"),
        (["--items", "40", "--cold-start", "soon"], "--cold-start"),
        (["--items", "40", "--cold-start", "0"], "--cold-start"),
        (["--items", "40", "--cold-start", "3", "--tail", "3"], "--tail"),
        (["--items", "40", "--weekdays", "fri-mon"], "--weekdays"),
        (["--items", "40", "--weekdays", "mon-wed-fri"], "--weekdays"),
        (["--items", "40", "--weekdays", "mon,mo"], "--weekdays"),
        (["--items", "40", "--weekdays", "mon,mon"], "--weekdays"),
        (["--items", "40", "--day-off", "soon"], "--day-off"),
        (["--items", "40", "--shutdown", "2026-12-24"], "--shutdown"),
        (["--items", "40", "--shutdown", "2026-12-24..2026-12-01"], "--shutdown"),
        (["--items", "40", "--country", "Germany"], "--country"),
        (["--items", "40", "--country", "DE-ZZ"], "--country"),
        (["--items", "40", "--country", "DE", "--period", "14"], "--period"),
    ],
)
def test_what_cannot_be_modelled_is_refused_by_the_name_of_its_option(
    line: Line, options: list[str], option: str
) -> None:
    assert line.here("when", WEEKLY, *options, *COMMON).refusal().startswith(option)


def test_all_that_surrounds_a_scope_is_written_as_a_request_has_it() -> None:
    assert capacity(
        focus="0.8",
        team=4,
        changes=["2027-01-15:8", "2027-02-01:5.5"],
        ramp="20%:2-5:26",
        months=["Dec:60", "may:110%"],
    ) == {
        "focus": 0.8,
        "team_size": 4,
        "changes": [{"date": "2027-01-15", "team_size": 8.0}, {"date": "2027-02-01", "team_size": 5.5}],
        "ramp": {"size": 0.2, "min_contributors": 2.0, "max_contributors": 5.0, "periods": 26},
        "months": {"december": 0.6, "may": 1.1},
    }
    assert lead_time("3, 5,8", None) == {"cycle_times": [3, 5, 8], "applies": "cold_start"}
    assert lead_time(None, "3") == {"cycle_times": [3], "applies": "tail"}
    assert scope("40", "1,1.2", None)["split_rate"] == {"observed": [1.0, 1.2]}


def test_a_calendar_is_written_as_a_request_has_it() -> None:
    assert working_days(None, [], [], None) == {}
    assert working_days("mon-wed,Friday", ["2026-12-24"], ["2026-12-28 .. 2027-01-03"], "de-BY")["calendar"] == {
        "weekdays": ["monday", "tuesday", "wednesday", "friday"],
        "days_off": ["2026-12-24"],
        "shutdowns": [{"first": "2026-12-28", "last": "2027-01-03"}],
        "country": "DE",
        "subdivision": "BY",
    }


def test_a_calendar_on_the_command_line_is_that_of_a_request(line: Line) -> None:
    written = ["--country", "DE", "--shutdown", "2026-12-24..2027-01-03"]
    told = json.loads(line.here("when", WEEKLY, "--items", "40", *written, *COMMON, "--json").answer())
    plain = json.loads(line.here("when", WEEKLY, "--items", "40", *COMMON, "--json").answer())
    assert told["answers"][2]["periods"] > plain["answers"][2]["periods"]
    assert "calendar" in {assumed["code"] for assumed in told["explanation"]["assumptions"]}


@pytest.mark.parametrize(
    "question", [["how-many", "--periods", "8"], ["deadline", "--items", "40", "--by", "2027-03-28"]]
)
def test_every_question_takes_a_team_that_changes(line: Line, question: list[str]) -> None:
    command, *options = question
    told = line.here(command, WEEKLY, *options, "--team", "4", "--change", "2026-12-14:6", *COMMON).answer()
    assert "assumes team_change: From 2026-12-14 on 6 contribute; the history was made by 4." in told


def test_a_cost_takes_the_whole_model(line: Line) -> None:
    model = ["--split", "1,1.2", "--growth", "0.1", "--risk", "a:30:5", "--focus", "0.8", "--change", "2026-12-14:8"]
    told = json.loads(line.here("cost", WEEKLY, "--items", "40", "--rate", "6x100", *model, *COMMON, "--json").answer())
    codes = {assumed["code"] for assumed in told["explanation"]["assumptions"]}
    assert {"scope", "risks", "growth", "focus", "team_change", "prices"} <= codes


def test_a_team_has_one_size(line: Line) -> None:
    refused = line.here("cost", WEEKLY, "--items", "40", "--rate", "6x100", "--team", "5", *COMMON).refusal()
    assert refused.startswith("--team: --rate")
    line.here("cost", WEEKLY, "--items", "40", "--rate", "6x100", "--team", "6", *COMMON).answer()


def test_a_backtest_takes_a_calendar(line: Line) -> None:
    told = line.here("backtest", WEEKLY, "--country", "DE", "--samplers", "bootstrap", "--seed", "1").answer()
    assert "Would the forecasts have come true?" in told
