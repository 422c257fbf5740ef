"""Plans as they come over the wire: what is refused, with pointer and code, and what is made of the rest."""

from datetime import date
from typing import Any

import pytest

from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Bootstrap
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.deliveries import MilestonesResult, TeamsResult, milestones_result, teams_result
from schemas.test_model_requests import question, told

WEEKS: dict[str, Any] = {"throughput": [5, 6, 7, 4, 8, 6, 5]}
DAYS: dict[str, Any] = {"throughput": [1, 0, 2, 1, 1, 0, 0] * 3, "period": "day", "start": "2025-12-15"}


def item(name: str, items: Any = 5, **more: Any) -> dict[str, Any]:
    return {"name": name, "scope": {"items": items}, **more}


def milestones(*features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "milestones", "history": WEEKS, "features": list(features or [item("a")]), "trials": 1_000, **more}


def team(name: str, *features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "history": WEEKS, "features": list(features or [item(f"{name}1")]), **more}


def teams(*members: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "teams", "teams": list(members or [team("p"), team("t")]), "trials": 1_000, **more}


RISK = {"name": "it", "probability": 0.5}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (milestones() | {"features": []}, "/features", "too_short"),
    (milestones({"name": "a"}), "/features/0/scope", "missing"),
    (milestones(item("a", 0)), "/features/0/scope/items", "out_of_range"),
    (milestones(item("", 1)), "/features/0/name", "too_short"),
    (milestones(item("a", {"low": 3, "high": 1})), "/features/0/scope/items/low", "low_above_high"),
    (milestones(item("a"), item("a")), "/features/1/name", "duplicate_name"),
    (milestones(item("a", waits_for=["b"])), "/features/0/waits_for/0", "unknown_name"),
    (
        milestones(item("a", waits_for=["b"]), item("b", waits_for=["a"])),
        "/features/0/waits_for/0",
        "cyclic_wait",
    ),
    (milestones(item("a", waits_for=["a"])), "/features/0/waits_for/0", "cyclic_wait"),
    (milestones(wip_limit=0), "/wip_limit", "out_of_range"),
    (milestones(item("a", risks=[RISK | {"delay": 2}])), "/features/0/risks", "delay_of_team"),
    (milestones(item("a", risks=[RISK])), "/features/0/risks/0", "items_or_delay"),
    (milestones(risks=[RISK | {"items": 2}]), "/risks", "risk_without_scope"),
    (
        milestones(capacity={"team_size": 1, "ramp": {"size": 0.2, "min_contributors": 1, "max_contributors": 2}}),
        "/capacity/ramp/periods",
        "ramp_needs_periods",
    ),
    (milestones(lead_time={"cycle_times": [3, 0]}), "/lead_time/cycle_times/1", "out_of_range"),
    (milestones(lead_time={"cycle_times": [3]}, method="exact"), "/method", "no_exact_answer"),
    (teams(lead_time={"cycle_times": [3]}), "/lead_time", "unknown_field"),
    (milestones(deadline="2026-01-04"), "/deadline", "before_start"),
    (milestones(deadline="2199-01-04"), "/deadline", "beyond_horizon"),
    (milestones(wip_limit=2, method="exact", sampler={"kind": "bootstrap"}), "/method", "no_exact_answer"),
    (milestones(method="exact"), "/method", "no_exact_answer"),
    (milestones() | {"history": {"throughput": [0, 0]}}, "/history/throughput", "all_zero_history"),
    (milestones() | {"history": None}, "/history", "history_missing"),
    (teams() | {"teams": []}, "/teams", "too_short"),
    (teams(team("p") | {"features": []}), "/teams/0/features", "too_short"),
    (teams(team("p"), team("p", item("x"))), "/teams/1/name", "duplicate_name"),
    (teams(team("p", item("x")), team("t", item("x"))), "/teams/1/features/0/name", "duplicate_name"),
    (teams(team("p", waits_for=["z"])), "/teams/0/waits_for/0", "unknown_name"),
    (teams(team("p", waits_for=["t"]), team("t", waits_for=["p"])), "/teams/0/waits_for/0", "cyclic_wait"),
    (teams(team("p"), team("t", wip_limit=0)), "/teams/1/wip_limit", "out_of_range"),
    (teams(team("p"), team("t", item("x", 0))), "/teams/1/features/0/scope/items", "out_of_range"),
    (
        teams(team("p"), team("t", history=None, selection={"source": "work_items"})),
        "/teams/1/selection",
        "selection_without_project",
    ),
    (milestones(horizon=7, deadline="2026-03-01"), "/horizon", "horizon_too_near"),
    (
        teams(team("p", history=None, project_id="0193e3f2-0000-7000-8000-000000000000")),
        "/teams/0/project_id",
        "project_not_found",
    ),
    (teams(team("p", history=WEEKS | {"throughput": [-1]})), "/teams/0/history/throughput/0", "out_of_range"),
    (
        teams(
            team("p", calendar={"days_off": ["2026-01-05"]}, history=DAYS | {"throughput": [1], "start": "2026-01-05"})
        ),
        "/teams/0/calendar",
        "no_working_day",
    ),
    (teams(team("p", history=DAYS, calendar={"country": "XX"})), "/teams/0/calendar/country", "unknown_value"),
    (teams(team("p", sampler={"kind": "weekday"})), "/teams/0/sampler/kind", "weekday_needs_days"),
    (teams(team("p", risks=[RISK | {"items": 2}])), "/teams/0/risks", "risk_without_scope"),
    (teams(team("p", capacity={"focus": {"low": 1, "high": 0.5}})), "/teams/0/capacity/focus/low", "low_above_high"),
    (teams(method="exact"), "/method", "no_exact_answer"),
    (teams(history=WEEKS), "/history", "unknown_field"),
    (teams(draws="alike"), "/draws", "unknown_value"),
    (
        teams(team("p"), team("t", history={"throughput": [1]}), draws="same_periods"),
        "/teams/1/history/throughput",
        "same_periods_differ",
    ),
]


@pytest.mark.parametrize(("fields", "pointer", "code"), REFUSED)
def test_what_is_no_plan_is_refused_with_pointer_and_code(fields: dict[str, Any], pointer: str, code: str) -> None:
    assert told(fields | {"start": "2026-01-05"}) == [(pointer, code)]


def test_a_feature_has_a_scope_of_its_own_with_its_risks_and_growth() -> None:
    risks = [RISK | {"items": {"low": 2, "high": 4}}]
    scope = {"items": {"low": 3, "high": 5}, "split_rate": 2, "growth": 0.5}
    asked = question(milestones({"name": "a", "scope": scope, "risks": risks}, item("b", waits_for=["a"])))
    first, second = asked.plan.features
    assert first.scope.items == Range(low=3, high=5)
    assert first.scope.mean == pytest.approx(8 + 1.5 + 0.5, abs=0.2)
    assert first.growth == Range.exactly(0.5)
    assert second.waits_for == ("a",)


def test_a_team_takes_the_sampler_of_the_request_unless_it_has_its_own() -> None:
    asked = question(teams(team("p"), team("t", sampler={"kind": "bootstrap"})))
    assert [each.basis.sampler.kind for each in asked.plan.teams] == ["adaptive", "bootstrap"]


def test_a_team_without_a_history_may_have_a_guess() -> None:
    guess = {"kind": "triangular", "low": 1, "likely": 3, "high": 6}
    asked = question(teams(team("p"), team("t", history=None, sampler=guess)))
    assert asked.plan.teams[1].basis.history is None


@pytest.mark.parametrize("throughput", [[], [0], [0] * 9])
def test_a_team_that_has_finished_nothing_is_no_error(throughput: list[int]) -> None:
    asked = question(teams(team("p"), team("t", history={"throughput": throughput})))
    assert [each.basis is None for each in asked.plan.teams] == [False, True]


def test_each_team_has_its_calendar_and_holidays_are_written_out() -> None:
    asked = question(teams(team("p", history=DAYS, calendar={"country": "DE"}), team("t")))
    assert date(2026, 4, 3) in asked.plan.teams[0].timeline.calendar.days_off
    assert asked.plan.teams[1].timeline.calendar is None
    assert str(asked.plan.timeline.period) == "day"


def test_delays_and_capacity_are_those_of_their_team() -> None:
    asked = question(teams(team("p", risks=[RISK | {"delay": 2}], capacity={"focus": 0.5}), team("t")))
    first, second = (each.capacity for each in asked.plan.teams)
    assert (len(first.delays), first.focus) == (1, Range.exactly(0.5))
    assert second.is_usual


def test_the_horizon_reaches_the_deadline() -> None:
    assert question(milestones(horizon=8, deadline="2026-03-01")).horizon == 8
    assert question(milestones(horizon=9, deadline="2026-03-01")).deadline == 8


# What is answered


def milestones_answer(*features: dict[str, Any], **more: Any) -> MilestonesResult:
    fields = milestones(*features, **more)
    asked, request = question(fields), resolved(fields)
    return milestones_result(request, asked, asked.answer(Machine()))


def teams_answer(*members: dict[str, Any], **more: Any) -> TeamsResult:
    fields = teams(*members, **more)
    asked, request = question(fields), resolved(fields)
    return teams_result(request, asked, asked.answer(Machine()))


def resolved(fields: dict[str, Any]) -> Any:
    from schemas.test_model_requests import REQUESTS, TODAY

    return REQUESTS.validate_python(fields).asked(today=TODAY, seed=1)[0]


STEADY = {"history": {"throughput": [4]}, "sampler": {"kind": "bootstrap"}}


def test_each_feature_has_its_dates_and_the_delivery_those_of_the_last() -> None:
    """4 a week: 6 items by the second Sunday, 10 by the third."""
    result = milestones_answer(item("a", 6), item("b", 4), confidence=[0.85], **STEADY)
    assert [each.name for each in result.features] == ["a", "b"]
    dates = [each.when.answers[0].date for each in result.features if each.when]
    assert dates == [date(2026, 1, 18), date(2026, 1, 25)]
    assert result.delivery is not None
    assert result.delivery.answers[0].date == date(2026, 1, 25)
    assert (result.method, result.unit, result.periods, result.cut_lines) == ("exact", "week", None, [])
    assert [each.probability for each in result.features] == [None, None]


def test_the_cut_line_names_the_last_feature_that_is_in_time() -> None:
    features = [item("a", 4), item("b", {"low": 2, "high": 9}), item("c", 9)]
    result = milestones_answer(*features, deadline="2026-01-18", confidence=[0.2, 0.9], **STEADY)
    assert [(line.confidence, line.features, line.last) for line in result.cut_lines] == [(0.2, 2, "b"), (0.9, 1, "a")]
    assert result.features[0].probability_with_earlier == 1.0
    assert result.features[1].probability == pytest.approx(2 / 7, abs=0.01)
    assert (result.periods, result.probability) == (2, 0.0)


def test_with_nothing_in_time_the_cut_line_is_above_the_first_feature() -> None:
    (line,) = milestones_answer(item("a", 40), deadline="2026-01-11", confidence=[0.5], **STEADY).cut_lines
    assert (line.features, line.last) == (0, None)


def test_teams_have_their_features_their_sampler_and_how_often_they_are_last() -> None:
    slow, fast = team("slow", item("a", 12), **STEADY), team("fast", item("b", 4), item("c", 4), **STEADY)
    result = teams_answer(slow, fast, deadline="2026-01-18")
    assert [(each.name, each.last, each.probability, each.sampler) for each in result.teams] == [
        ("slow", 1.0, 0.0, "bootstrap"),
        ("fast", 0.0, 1.0, "bootstrap"),
    ]
    assert [each.name for each in result.teams[1].features] == ["b", "c"]
    assert (result.method, result.probability, result.periods) == ("monte_carlo", 0.0, 2)
    assert Bootstrap.kind in {each.sampler for each in result.teams}


@pytest.mark.parametrize("history", [{"throughput": [0, 0]}, {"throughput": []}, None])
def test_what_cannot_be_forecast_is_null_with_a_warning_and_never_sure(history: dict[str, Any] | None) -> None:
    new = team("new", item("a"), history=history)
    result = teams_answer(new, team("t", item("b"), item("c", waits_for=["a"])), deadline="2026-06-28")
    assert (result.delivery, result.probability) == (None, None)
    assert [(each.when is None, each.probability is None, each.last) for each in result.teams] == [
        (True, True, None)
    ] * 2
    assert [each.when is None for each in result.teams[1].features] == [False, True]
    assert "cannot_be_forecast" in [warning.code for warning in result.warnings]
    assert all(warning.detail for warning in result.warnings)


def test_warnings_and_assumptions_name_their_team_where_there_are_several() -> None:
    result = teams_answer(team("p"), team("t", history={"throughput": [3, 9]}))
    assert {warning.detail.split(":")[0] for warning in result.warnings} == {"p", "t"}
    assert {each.detail.split(":")[0] for each in result.explanation.assumptions} == {"p", "t"}
    alone = milestones_answer(item("a"))
    assert alone.explanation.assumptions[0].detail.startswith("The 7 weeks")
    assert alone.explanation.sampler_parameters


def test_long_answers_of_many_features_are_joined_and_say_so() -> None:
    history = {"throughput": [0, 0, 0, 0, 0, 0, 1], "period": "day"}
    features = [item(str(number), 40) for number in range(30)]
    result = milestones_answer(*features, history=history, sampler={"kind": "bootstrap"}, method="monte_carlo")
    assert max(len(each.when.distribution) for each in result.features if each.when) <= 62
    assert "distribution_joined" in [warning.code for warning in result.warnings]


def test_the_spread_and_the_fan_of_each_part_stand_beside_it_and_those_of_the_whole_in_the_explanation() -> None:
    """4 a week: 6 items by the second Sunday, 4 to 12 more one to three weeks later."""
    a, b = item("a", 6), item("b", {"low": 4, "high": 12})
    result = milestones_answer(a, b, sample_paths=2, **STEADY)
    shares = [{each.source: each.share for each in feature.spread} for feature in result.features]
    assert shares == [{}, {"pace": 0.0, "items": 1.0}]
    assert {each.source: each.share for each in result.explanation.spread} == shares[1]
    first, last = (feature.fan for feature in result.features)
    assert first is not None
    assert last is not None
    assert [(row.periods, row.date, row.items[0]) for row in first.rows[:2]] == [
        (1, date(2026, 1, 11), 4),
        (2, date(2026, 1, 18), 6),
    ]
    assert len(first.paths) == 2
    whole = result.explanation.fan
    assert whole is not None
    assert whole.paths == [
        [x + y for x, y in zip(*pair, strict=True)] for pair in zip(first.paths, last.paths, strict=True)
    ]
    plan = teams_answer(team("p", a, **STEADY), team("t", b, **STEADY), fan=True)
    assert [each.fan is not None and not each.fan.paths for each in plan.teams] == [True, True]
    assert [each.source for each in plan.teams[1].spread] == ["pace", "items"]
    assert (milestones_answer(a).explanation.fan, milestones_answer(a).features[0].fan) == (None, None)


def test_a_lead_time_of_a_team_moves_its_features_and_is_an_assumption() -> None:
    lead = {"cycle_times": [14], "applies": "tail"}
    result = milestones_answer(item("a", 4), confidence=[0.85], lead_time=lead, **STEADY)
    assert result.delivery is not None
    assert result.delivery.answers[0].date == date(2026, 1, 25)
    assert "lead_time" in {each.code for each in result.explanation.assumptions}
    late = teams_answer(team("p", item("a", 4), lead_time=lead, **STEADY), team("t", item("b", 4), **STEADY))
    assert [each.when.answers[0].periods for each in late.teams if each.when] == [3, 1]
