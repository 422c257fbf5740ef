"""A cost on the command line: the bytes of HTTP, a table for a person, and how it is refused."""

import json
import shlex
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.running import Line
from flow_forecaster.cli.complaints import Refused
from flow_forecaster.cli.inputs import read_history
from flow_forecaster.cli.modelling import costs
from flow_forecaster.schemas.costs import CostResult
from routers.asking import FORECASTS, JSON, result_bytes

EXAMPLES = Path(__file__).parents[2] / "examples"
TEAM = str(EXAMPLES / "team.txt")
COMMON = ["--start", "2026-11-23", "--seed", "42", "--trials", "5000"]
OPTIONS = [
    *("--items", "50", "--rate", "6x4000", "--fixed", "20000", "--delay", "5000@2027-01-10"),
    *("--budget", "250000", "--by", "2027-01-31"),
]
QUESTION: dict[str, Any] = {
    "kind": "cost",
    "scope": {"items": 50},
    "capacity": {"team_size": 6.0},
    "costs": {
        "per_contributor_period": 4000.0,
        "fixed": 20000.0,
        "delay": {"per_period": 5000.0, "after": "2027-01-10"},
    },
    "budget": 250000.0,
    "deadline": "2027-01-31",
}


@pytest.mark.parametrize("sampler", ["bootstrap", "adaptive"])
async def test_http_and_the_command_line_answer_with_the_same_bytes(
    line: Line, client: httpx2.AsyncClient, sampler: str
) -> None:
    history = {"throughput": list(read_history(TEAM, period=None, stdin=None).throughput)}
    common = {"start": "2026-11-23", "seed": 42, "trials": 5_000, "sampler": {"kind": sampler}, "history": history}
    response = await client.post(FORECASTS, content=json.dumps(QUESTION | common), headers=JSON)
    assert response.status_code == 201, response.text
    told = line.here("cost", TEAM, *OPTIONS, *COMMON, "--sampler", sampler, "--json").answer()
    assert told.strip().encode() == result_bytes(response)
    assert CostResult.model_validate_json(told).model_dump(mode="json") == json.loads(told)


def test_a_person_gets_a_table_and_what_becomes_of_budget_and_date(line: Line) -> None:
    told = line.here("cost", TEAM, *OPTIONS, *COMMON).answer()
    assert "What does it cost to finish 50 items, from Mon 2026-11-23 on?" in told
    assert "costs at most   mean if worse   effort   done by" in told
    assert "█" in told
    for beginning in ("within 250,000: ", "by Sun 2027-01-31: ", "both: ", "assumes prices: Paid are 4,000 for"):
        assert f"\n{beginning}" in told


def test_without_budget_and_date_nothing_is_said_of_them(line: Line) -> None:
    told = line.here("cost", TEAM, "--items", "50", "--fixed", "9.5", *COMMON).answer()
    assert "within" not in told
    assert "both" not in told
    assert " 9.50 " in told


def test_a_cost_beyond_the_horizon_is_a_dash(line: Line) -> None:
    """One week in twelve has an item, and all of them are to be done in no more than the horizon."""
    told = line.here("cost", "-", "--items", "1000000", "--rate", "1", *COMMON, stdin=b"0\n0\n1\n").answer()
    assert "not finished within the horizon: 100%" in told
    assert "50%               -" in told


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("4000", {"costs": {"fixed": 0.0, "per_contributor_period": 4000.0}}),
        ("6x4000.5", {"costs": {"fixed": 0.0, "per_contributor_period": 4000.5}, "capacity": {"team_size": 6.0}}),
        ("2.5x1", {"costs": {"fixed": 0.0, "per_contributor_period": 1.0}, "capacity": {"team_size": 2.5}}),
    ],
)
def test_a_rate_may_name_the_contributors(text: str, fields: dict[str, Any]) -> None:
    assert costs(text, 0.0, None) == fields


@pytest.mark.parametrize("text", ["", "-4", "x4", "4x", "4x5x6", "much", "4,000", "1e3"])
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=r"--rate: .* such as 4000"):
        costs(text, 0.0, None)


@pytest.mark.parametrize("text", ["", "-4", "4@", "@2027-01-01", "much"])
def test_what_is_no_cost_of_delay_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Refused, match=r"--delay: .* such as 5000"):
        costs(None, 0.0, text)


REFUSED: dict[str, tuple[str, str]] = {
    "nothing to pay": ("--items 50", "at least one price above 0"),
    "no items": ("--items 0 --rate 5", "--items: "),
    "a negative rate": ("--items 50 --rate=-4", "--rate: "),
    "a rate beyond reason": ("--items 50 --rate 9999999999999", "--rate: "),
    "a team of nobody": ("--items 50 --rate 0x4000", "--rate: "),
    "a negative fixed cost": ("--items 50 --fixed=-1", "--fixed: "),
    "a budget of nothing": ("--items 50 --rate 5 --budget 0", "--budget: "),
    "a deadline before the start": ("--items 50 --rate 5 --start 2026-11-23 --by 2026-11-01", "--by: It lies before"),
    "delay after no day": ("--items 50 --delay 5@tomorrow", "--delay: "),
    "exact where there is none": ("--items 50 --rate 5 --sampler adaptive --method exact", "--method: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_priced_is_refused_in_one_line(line: Line, case: str) -> None:
    options, reason = REFUSED[case]
    assert reason in line.here("cost", TEAM, *shlex.split(options)).refusal()
