"""The path of the work on the terminal: worked out by hand, and what a person reads."""

import io
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from cli.running import Line
from flow_forecaster.cli.fans import print_fan
from flow_forecaster.schemas.explanations import Fan, FanRow

LEVELS = [0.05, 0.15, 0.5, 0.85, 0.95]
WEEKLY = str(Path(__file__).parents[2] / "examples" / "team-weekly.csv")
COMMON = ["--start", "2026-11-23", "--seed", "42", "--trials", "5000", "--fan"]


def shown(rows: Sequence[Sequence[int]]) -> list[str]:
    """The lines of a fan whose rows have these items at each level."""
    first = date(2026, 11, 29)
    known = [
        FanRow(periods=number, date=first + timedelta(weeks=number - 1), items=list(items))
        for number, items in enumerate(rows, start=1)
    ]
    told = io.StringIO()
    console = Console(file=told, width=80)
    print_fan(Fan(levels=LEVELS, rows=known, trials=1_000, paths=[]), console)
    return [line.rstrip() for line in told.getvalue().splitlines()]


def test_a_row_says_what_is_done_at_least_and_draws_from_the_lowest_level_to_the_highest() -> None:
    """Thirty places for 0 to 29 items: 2 to 26 done in nine cases of ten, 5 to 20 in seven, 10 in half of them."""
    lines = shown([[2, 5, 10, 20, 26], [29] * 5])
    assert lines[2].split() == ["periods", "50%", "85%", "95%"]
    row, last = lines[3:5]
    assert row.split()[:6] == ["Sun", "2026-11-29", "1", "10", "5", "2"]
    assert row.endswith("  " + " " * 2 + "░" * 3 + "█" * 5 + "┃" + "█" * 10 + "░" * 6)
    assert last.endswith("  " + " " * 29 + "┃")
    assert lines[6] == "░ 5% to 95% of the cases, █ 15% to 85%, ┃ half, up to 29 items"


@pytest.mark.parametrize("count", [1, 20, 21, 200])
def test_of_many_periods_some_are_shown_and_always_the_last(count: int) -> None:
    periods = [int(line.split()[2]) for line in shown([[number] * 5 for number in range(count)]) if line[:3] == "Sun"]
    assert periods[-1] == count
    assert len(periods) <= 20
    assert len({after - before for before, after in pairwise(periods)}) <= 1


def test_where_nothing_is_done_a_fan_lies_on_its_left() -> None:
    assert shown([[0] * 5])[3].endswith("  ┃")


@pytest.mark.parametrize(
    "question",
    [
        ["when", WEEKLY, "--items", "50"],
        ["how-many", WEEKLY, "--until", "2027-01-31"],
        ["deadline", WEEKLY, "--items", "50", "--by", "2027-01-31"],
        ["cost", WEEKLY, "--items", "50", "--rate", "4000"],
    ],
)
def test_a_fan_is_shown_where_it_is_asked_for_and_nowhere_else(line: Line, question: list[str]) -> None:
    told = line.here(*question, *COMMON).answer()
    assert "Done by the end of, at least:" in told
    assert "Sun 2026-11-29" in told
    assert "┃" in told
    assert "at least:" not in line.here(*question, *COMMON[:-1]).answer()
