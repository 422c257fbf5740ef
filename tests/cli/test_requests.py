"""A request in a file: answered as the API answers it, printed for people, refused in one line with its pointer."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.running import Line

EXAMPLES = Path(__file__).parents[2] / "examples"
TEAMS: dict[str, Any] = json.loads((EXAMPLES / "teams.json").read_text(encoding="utf-8")) | {"trials": 2_000}
MILESTONES: dict[str, Any] = json.loads((EXAMPLES / "milestones.json").read_text(encoding="utf-8")) | {"trials": 2_000}


def asked(line: Line, fields: dict[str, Any], *options: str) -> str:
    """Ask on standard input."""
    return line.here("forecast", "-", *options, stdin=json.dumps(fields).encode()).answer()


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.json")))
def test_every_request_of_the_examples_is_answered(line: Line, name: str) -> None:
    kind = json.loads((EXAMPLES / name).read_text(encoding="utf-8"))["kind"]
    assert json.loads(line.here("forecast", str(EXAMPLES / name), "--json").answer())["kind"] == kind


def test_a_plan_has_a_row_for_each_feature_and_the_cut_line(line: Line) -> None:
    printed = asked(line, MILESTONES)
    assert "When is each feature finished, from Mon 2026-11-16 on, and how sure by Sun 2027-01-17?" in printed
    rows = [words for words in map(str.split, printed.splitlines()) if words]
    assert [words[0] for words in rows if words[0] in {"Sign-in", "Search", "Payments", "Reports", "all"}] == [
        "Sign-in",
        "Search",
        "Payments",
        "Reports",
        "all",
    ]
    assert "All done by Sun 2027-01-17:" in printed
    assert "of 4, up to" in printed


def test_teams_have_rows_with_their_features_below(line: Line) -> None:
    printed = asked(line, TEAMS)
    places = [printed.index(name) for name in ("Platform", "  Accounts", "  Audit log", "App", "  Sign-in", "\nall")]
    assert places == sorted(places)
    assert "last" in printed
    assert "adaptive sampler, 2,000 trials, seed 42" in printed


def test_without_a_deadline_there_is_no_column_for_it(line: Line) -> None:
    printed = asked(line, MILESTONES | {"deadline": None})
    assert "in time" not in printed
    assert "All done" not in printed


def test_what_cannot_be_forecast_is_said_so(line: Line) -> None:
    fields = json.loads(json.dumps(TEAMS))
    fields["teams"][0]["history"]["throughput"] = [0, 0]
    printed = asked(line, fields)
    assert "cannot be forecast" in next(row for row in printed.splitlines() if row.startswith("Platform"))
    assert "warning cannot_be_forecast: Platform: There is no history, or nothing was finished" in printed


def test_names_of_users_are_no_markup(line: Line) -> None:
    features = [{"name": "[red]a[/red]", "scope": {"items": 3}}, {"name": "[/b]", "scope": {"items": 3}}]
    assert "[red]a[/red]" in asked(line, MILESTONES | {"features": features, "confidence": [0.5]})


KINDS = "'when', 'how_many', 'deadline', 'milestones', 'teams', 'cost', 'what_if', 'item', 'backtest'"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("", "standard input: is empty"),
        ("{", "standard input, line 1: is not well-formed JSON: expecting property name enclosed in double quotes"),
        ("[]", "standard input: An object is needed here."),
        ("[" * 100_000, "standard input: is JSON nested too deeply"),
        ('{"a": 1' + "0" * 5_000 + "}", "standard input: holds a number of too many digits"),
        ('{"kind": "horoscope"}', f"standard input: /kind: There is no such kind here; known are {KINDS}."),
        ('{"kind": "when"}', "standard input: /scope: This field is needed."),
        ('{"kind": "teams", "teams": [{"name": "a"}]}', "standard input: /teams/0/features: This field is needed."),
    ],
)
def test_what_is_no_request_is_refused_in_one_line(line: Line, body: str, refusal: str) -> None:
    assert line.here("forecast", "-", stdin=body.encode()).refusal() == refusal


def test_what_cannot_be_answered_is_refused_with_its_pointer(line: Line) -> None:
    fields = MILESTONES | {"features": [{"name": "a", "scope": {"items": 3}, "waits_for": ["a"]}]}
    refused = line.here("forecast", "-", stdin=json.dumps(fields).encode()).refusal()
    assert refused.startswith("standard input: /features/0/waits_for/0: It waits")


def test_a_callback_is_refused_because_a_command_tells_nobody(line: Line) -> None:
    fields = MILESTONES | {"callback_url": "https://receiver.example/"}
    refused = line.here("forecast", "-", stdin=json.dumps(fields).encode()).refusal()
    assert refused == "standard input: /callback_url: A command tells nobody; ask a service."


def test_a_file_that_is_not_there_is_named(line: Line) -> None:
    assert line.here("forecast", "nowhere.json").refusal() == (
        "nowhere.json: cannot be read: no such file or directory"
    )
