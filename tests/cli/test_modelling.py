"""Ranges, splits, risks and focus on the command line: read as HTTP reads them, refused by the option's name."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.running import Line
from flow_forecaster.cli.complaints import Refused
from flow_forecaster.cli.modelling import number_or_range, risk

WEEKLY = str(Path(__file__).parents[2] / "examples" / "team-weekly.csv")
COMMON = ["--start", "2026-11-23", "--seed", "1", "--trials", "2000"]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("40", 40),
        ("1.5", 1.5),
        ("40-60", {"low": 40.0, "high": 60.0}),
        ("1-1.25-2.5", {"low": 1.0, "likely": 1.25, "high": 2.5}),
    ],
)
def test_a_range_is_written_with_a_dash(text: str, meaning: object) -> None:
    assert number_or_range(text, "--items", whole=True) == meaning


@pytest.mark.parametrize("text", ["", "many", "40-", "-40", "1-2-3-4", "40 to 60", "1e3", "٣"])
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
    ],
)
def test_what_cannot_be_modelled_is_refused_by_the_name_of_its_option(
    line: Line, options: list[str], option: str
) -> None:
    assert line.here("when", WEEKLY, *options, *COMMON).refusal().startswith(option)
