"""What if on the command line: a table and a tornado for a person, the API's result for a program."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.running import Line
from flow_forecaster.schemas.comparisons import WhatIfResult

EXAMPLE = Path(__file__).parents[2] / "examples" / "what-if.json"


def asked(tmp_path: Path, **fields: Any) -> str:
    """Write the example with other fields; None takes one away."""
    document = json.loads(EXAMPLE.read_text(encoding="utf-8")) | {"trials": 2_000} | fields
    file = tmp_path / "what-if.json"
    file.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))
    return str(file)


def steady(tmp_path: Path, **fields: Any) -> str:
    """Five items a week: 50 of them take ten weeks, 40 eight, 51 eleven."""
    variations = [{"name": str(items), "change": {"scope": {"items": items}}} for items in (40, 50, 51)]
    fixed = {"history": {"throughput": [5]}, "scope": {"items": 50}, "sampler": {"kind": "bootstrap"}}
    fixed |= {"risks": None, "capacity": None}
    return asked(tmp_path, **fixed | {"variations": variations, "deadline": "2027-01-24"} | fields)


def rows_of(told: str, start: str) -> list[list[str]]:
    """Cells of the rows that start so."""
    return [row.split() for row in told.splitlines() if row.startswith(start)]


def test_a_person_gets_the_base_the_variations_and_a_tornado(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", asked(tmp_path)).answer()
    rows = told.splitlines()
    (less,) = [row for row in rows if row.startswith("ten items less")]
    assert less.count("±") == 2
    assert less.count("%") == 1
    assert "% sure" in told
    bars = [row for row in rows if "┃" in row]
    assert len(bars) == 6
    assert bars[0].startswith("pace ")
    assert bars[0].count("█") > bars[-1].count("█")
    assert any("late supplier" in bar and "no … yes" in bar for bar in bars)
    assert "12 periods of history, adaptive sampler, 2,000 trials, seed 42" in told


def test_what_is_certain_has_no_error_and_what_is_the_same_is_a_zero(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", steady(tmp_path)).answer()
    assert rows_of(told, "40 ") == [["40", *["-2"] * 3, "-2.00", "100%", "0"]]
    assert rows_of(told, "50 ") == [["50", *["0"] * 3, "0", "100%", "0"]]
    assert rows_of(told, "51 ") == [["51", *["+1"] * 3, "+1.00", "0%", "-100.0"]]
    assert "in weeks (- is earlier)" in told


def test_a_variation_that_starts_on_another_day_is_told_in_days_too(line: Line, tmp_path: Path) -> None:
    """From Wednesday on instead of Monday, the tenth week ends two days later, in the eleventh of the base."""
    moved = [{"name": "wednesday", "change": {"start": "2026-11-18"}}]
    moved += [{"name": "patience", "change": {"deadline": "2027-01-31"}}]
    told = line.here("forecast", steady(tmp_path, variations=moved)).answer()
    assert "mean  in days  in time" in told
    assert rows_of(told, "wednesday ") == [["wednesday", *["+1"] * 3, "+1.00", "+2.0", "0%", "-100.0"]]
    assert rows_of(told, "patience ") == [["patience", *["0"] * 3, "0", "0", "100%", "0"]]
    assert "in days" not in line.here("forecast", steady(tmp_path)).answer()


def test_a_bar_goes_from_the_earlier_end_to_the_later_whichever_number_is_behind_it(line: Line, tmp_path: Path) -> None:
    """With 0.95 of five a week, 11 weeks; with 0.55, 18, by whose end 49.5 items are done."""
    told = line.here("forecast", steady(tmp_path, capacity={"focus": {"low": 0.5, "high": 1.0}})).answer()
    (focus,) = [row for row in told.splitlines() if row.startswith("focus")]
    assert focus.split()[1:5] == ["0.95", "…", "0.55", "11"]
    assert focus.rstrip().endswith("18")
    (items,) = [row for row in told.splitlines() if row.startswith("items")]
    assert items.split()[1:4] == ["45", "…", "55"]
    (pace,) = [row for row in told.splitlines() if row.startswith("pace")]
    assert "█" not in pace


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({}, "weeks"),
        ({"history": {"throughput": [5], "period": "day"}}, "days"),
        ({"history": {"throughput": [5], "period": "day"}, "calendar": {}}, "working days"),
        ({"history": {"throughput": [5], "period": {"days": 14}}}, "periods"),
        ({"history": None, "sampler": {"kind": "triangular", "low": 4, "likely": 5, "high": 6}}, "weeks"),
    ],
)
def test_differences_are_told_in_what_the_history_counts(
    line: Line, tmp_path: Path, fields: dict[str, Any], unit: str
) -> None:
    told = line.here("forecast", steady(tmp_path, **fields)).answer()
    assert f"in {unit} (- is earlier)" in told


def test_an_answer_that_few_trials_leave_open_is_told_with_both_its_ends(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", asked(tmp_path, trials=100, sensitivity=None)).answer()
    (less,) = [row for row in told.splitlines() if row.startswith("ten items less")]
    assert re.search(r"-\d+…[-+]?\d+ ", less)


def test_an_end_outside_of_so_few_trials_is_a_question_mark(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", asked(tmp_path, trials=100, sensitivity=None, confidence=[0.01, 0.5, 0.99])).answer()
    (less,) = [row for row in told.splitlines() if row.startswith("ten items less")]
    low, middle, high = less.split()[3:6]
    assert (low[:2], high[-2:]) == ("?…", "…?")
    assert "?" not in middle


def test_more_confidences_than_the_terminal_is_wide_are_told_all_the_same(line: Line, tmp_path: Path) -> None:
    told = line.here(
        "forecast", asked(tmp_path, trials=100, confidence=[place / 21 for place in range(1, 21)])
    ).answer()
    (less,) = [row for row in told.splitlines() if row.startswith("ten items less")]
    assert len(less.split()) == 3 + 20 + 2 + 3


COSTS = {"costs": {"per_contributor_period": 1_000, "fixed": 500}, "budget": 10_500}


def test_what_is_paid_is_told_in_money_too(line: Line, tmp_path: Path) -> None:
    """Ten weeks at 1,000 and 500 once; the prices swing by a tenth, the items by a week either way."""
    told = line.here("forecast", steady(tmp_path, **COSTS)).answer()
    assert "costs at most" in told
    assert "within 10,500: 100% sure\nboth: 100% sure" in told
    _, money = told.split("And in money (- is cheaper):")
    assert rows_of(money, "40 ") == [["40", *["-2,000"] * 3, "-2,000", "100%", "0", "100%", "0"]]
    assert rows_of(money, "50 ") == [["50", *["0"] * 3, "0", "100%", "0", "100%", "0"]]
    assert rows_of(money, "51 ") == [["51", *["+1,000"] * 3, "+1,000", "0%", "-100.0", "0%", "-100.0"]]
    _, chart = money.split("The same for the cost, 85% sure of at most 10,500:")
    assert rows_of(chart, "items")[0][:5] == ["items", "45", "…", "55", "9,500"]
    assert rows_of(chart, "rate")[0][1:5] == ["900", "…", "1100", "9,500"]
    assert rows_of(chart, "fixed")[0][1:5] == ["450", "…", "550", "10,450"]


def test_money_in_millions_is_told_as_finely_as_its_error(line: Line, tmp_path: Path) -> None:
    """The same at 0.001 a week and 0.0005 once; what differs from trial to trial has two digits of its error."""
    small = {"costs": {"per_contributor_period": 0.001, "fixed": 0.0005}, "budget": 0.0105}
    _, money = line.here("forecast", steady(tmp_path, **small)).answer().split("And in money (- is cheaper):")
    assert rows_of(money, "40 ") == [["40", *["-0.002"] * 4, "100%", "0", "100%", "0"]]
    assert rows_of(money, "51 ")[0][1:5] == ["+0.001"] * 4
    assert rows_of(money.split("The same for the cost")[1], "items")[0][4] == "0.0095"
    told = line.here("forecast", asked(tmp_path, **small)).answer()
    _, money = told.split("And in money (- is cheaper):")
    (less,) = [row for row in money.splitlines() if row.startswith("ten items less")]
    assert re.search(r" -0\.00\d{4} ±0\.0000\d\d ", less)


def test_money_without_a_budget_has_no_chances_and_prices_alone_no_chart_of_weeks(line: Line, tmp_path: Path) -> None:
    fields = COSTS | {"budget": None, "sensitivity": ["costs"]}
    told = line.here("forecast", steady(tmp_path, **fields)).answer()
    assert "in budget" not in told
    assert "within" not in told
    assert "One input at a time" not in told
    assert "The same for the cost" in told


def test_what_is_never_finished_costs_beyond_what_is_known(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", steady(tmp_path, **COSTS, horizon=9, deadline=None)).answer()
    _, money = told.split("And in money (- is cheaper):")
    assert rows_of(money, "40 ") == [["40", *["8,500"] * 3, "-", "100%", "+100.0"]]
    assert rows_of(money, "51 ") == [["51", *["beyond"] * 3, "-", "0%", "0"]]
    assert "unfinished_not_priced" in told
    assert "85% sure beyond the horizon" in money


def test_a_program_gets_the_result_of_the_api(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", asked(tmp_path), "--json").answer()
    result = WhatIfResult.model_validate_json(told)
    assert result.model_dump(mode="json") == json.loads(told)
    assert len(result.variations) == 5


def test_without_a_deadline_variations_or_a_sensitivity_their_parts_are_left_out(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", asked(tmp_path, deadline=None, sensitivity=None)).answer()
    assert "in time" not in told
    assert "One input" not in told
    told = line.here("forecast", asked(tmp_path, variations=None, deadline=None)).answer()
    assert "ten items less" not in told
    assert "One input at a time" in told


def test_what_is_never_finished_is_beyond(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", asked(tmp_path, horizon=5, deadline=None)).answer()
    assert "85% sure by beyond" not in told
    assert "beyond the horizon" in told
    assert "unpaired_trials" in told
    assert rows_of(told, "pace")[0][-1] == "beyond"
    assert "beyond" in next(row for row in told.splitlines() if row.startswith("ten items less"))


def test_what_only_a_variation_finishes_is_told_by_its_date(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", steady(tmp_path, horizon=9, deadline=None, sensitivity=None)).answer()
    assert rows_of(told, "40 ") == [["40", *["2027-01-10"] * 3, "-"]]
    assert rows_of(told, "51 ") == [["51", *["beyond"] * 3, "-"]]


@pytest.mark.parametrize("name", ["[red]a[/red]", "ß — ∞"])
def test_a_name_is_printed_as_it_is(line: Line, tmp_path: Path, name: str) -> None:
    fields = {"variations": [{"name": name, "change": {"scope": {"items": 50}}}], "sensitivity": None}
    told = line.here("forecast", asked(tmp_path, **fields)).answer()
    assert name in told


def test_a_wrong_variation_is_told_in_one_line_with_its_pointer(line: Line, tmp_path: Path) -> None:
    wrong = [{"name": "x", "change": {"scope": {"items": 0}}}]
    assert "/variations/0/change/scope/items" in line.here("forecast", asked(tmp_path, variations=wrong)).refusal()
    twice = [{"name": "x", "change": {"scope": {"items": 50}}}] * 2
    assert "/variations/1/name" in line.here("forecast", asked(tmp_path, variations=twice)).refusal()
