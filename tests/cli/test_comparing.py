"""What if on the command line: a table and a tornado for a person, the API's result for a program."""

import json
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


def test_a_person_gets_the_base_the_variations_and_a_tornado(line: Line, tmp_path: Path) -> None:
    told = line.here("forecast", asked(tmp_path)).answer()
    rows = told.splitlines()
    (less,) = [row for row in rows if row.startswith("ten items less")]
    assert less.count(" days") == 3
    assert "±" in less
    assert less.rstrip().endswith("%")
    assert "% sure" in told
    bars = [row for row in rows if "┃" in row]
    assert len(bars) == 6
    assert bars[0].startswith("pace ")
    assert bars[0].count("█") > bars[-1].count("█")
    assert any("late supplier" in bar and "no … yes" in bar for bar in bars)
    assert "12 periods of history, adaptive sampler, 2,000 trials, seed 42" in told


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
    assert "beyond the horizon" in told
    assert "unpaired_trials" in told
    assert "∞" in told
    assert "beyond" in next(row for row in told.splitlines() if row.startswith("ten items less"))


@pytest.mark.parametrize("name", ["[red]a[/red]", "ß — ∞"])
def test_a_name_is_printed_as_it_is(line: Line, tmp_path: Path, name: str) -> None:
    fields = {"variations": [{"name": name, "change": {}}], "sensitivity": None}
    told = line.here("forecast", asked(tmp_path, **fields)).answer()
    assert name in told


def test_a_wrong_variation_is_told_in_one_line_with_its_pointer(line: Line, tmp_path: Path) -> None:
    wrong = [{"name": "x", "change": {"scope": {"items": 0}}}]
    assert "/variations/0/change/scope/items" in line.here("forecast", asked(tmp_path, variations=wrong)).refusal()
    twice = [{"name": "x", "change": {}}] * 2
    assert "/variations/1/name" in line.here("forecast", asked(tmp_path, variations=twice)).refusal()
