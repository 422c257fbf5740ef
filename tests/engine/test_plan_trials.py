"""Trials of plans: a slow twin, what is counted, and what must hold whatever is drawn."""

from dataclasses import replace
from datetime import date
from itertools import product
from math import floor

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine import naive_plan
from engine.modelling import DIE, MONDAY, PRINTED, RISKS, UNSPLIT, asked, delayed
from engine.naive import PATIENT
from engine.planning import delivery, ends_of, feature, plan, team
from flow_forecaster.engine.calendar import Timeline, WorkingCalendar
from flow_forecaster.engine.capacity import Capacity, Ramp, TeamChange
from flow_forecaster.engine.history import DAY, ThroughputHistory
from flow_forecaster.engine.lead_time import LeadTime
from flow_forecaster.engine.plan import Plan
from flow_forecaster.engine.ranges import Range
from flow_forecaster.engine.samplers import Adaptive, BlockBootstrap, Bootstrap
from flow_forecaster.engine.scope import Scope
from flow_forecaster.engine.simulation import Machine

BURSTY = [3, 0, 4, 1, 5, 9, 2, 6]
SAMPLERS = [Bootstrap(), Adaptive(), BlockBootstrap()]
UNCERTAIN = [Scope(items=Range(low=3, likely=5, high=9), split=UNSPLIT), replace(PRINTED, risks=RISKS[:1])]


# The slow twin

SCOPES = st.one_of(
    st.integers(1, 12).map(Scope.exactly),
    st.tuples(st.integers(1, 5), st.integers(0, 9)).map(
        lambda ends: Scope(items=Range(low=ends[0], high=sum(ends)), split=UNSPLIT, risks=RISKS[2:])
    ),
)
NO_JANUARY = (0.0, *[1.0] * 11)
CAPACITIES = st.sampled_from(
    [
        Capacity(),
        delayed(1, 3, probability=0.5),
        Capacity(focus=Range.exactly(0.75)),
        delayed(2, probability=1.0),
        Capacity(ramp=Ramp(size=0.25, low=0.5, high=2.0, periods=7), delays=delayed(1.5).delays),
        Capacity(months=NO_JANUARY, delays=delayed(1, 3).delays),
        Capacity(changes=(TeamChange(day=date(2026, 1, 19), size=0.0), TeamChange(day=date(2026, 2, 4), size=2.0))),
    ]
)
LEAD_TIMES = st.sampled_from(
    [
        None,
        None,
        LeadTime(cycle_times=(1, 9, 23), applies="cold_start"),
        LeadTime(cycle_times=(2, 7, 16), applies="tail"),
    ]
)
DAYS = Timeline(start=MONDAY, period=DAY, calendar=WorkingCalendar(weekdays=frozenset(range(5))))


@st.composite
def plans(draw: st.DrawFn, most: int = 3) -> Plan:
    """Up to three teams of up to three features that wait for each other in some order."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=most))
    order = draw(st.permutations(range(sum(sizes))))
    sampler = draw(st.sampled_from(SAMPLERS))
    common = draw(st.booleans()) and len(sizes) > 1
    length = draw(st.integers(1, 6))
    teams, first = [], 0
    for index, size in enumerate(sizes):
        features = [
            feature(
                str(first + place),
                draw(SCOPES),
                *(str(other) for other in order[: order.index(first + place)] if draw(st.integers(0, 4)) == 0),
                growth=Range.exactly(draw(st.sampled_from([0.0, 0.0, 0.0, 0.25]))),
            )
            for place in range(size)
        ]
        history = draw(st.lists(st.integers(0, 8), min_size=length, max_size=length).filter(any))
        basis = asked(history, sampler=sampler) if common or draw(st.integers(0, 9)) else None
        if basis is not None and not common and draw(st.integers(0, 3)) == 0:
            past = ThroughputHistory(throughput=tuple(history), period=DAY)
            basis = replace(basis, history=past, timeline=DAYS, sampler=Bootstrap())
        more = {"wip_limit": draw(st.integers(1, 3)), "capacity": draw(CAPACITIES), "lead_time": draw(LEAD_TIMES)}
        teams.append(team(f"t{index}", basis, *features, **more))
        first += size
    return Plan(teams=tuple(teams), draws="same_periods" if common else "independent")


@PATIENT
@given(plans(), st.integers(0, 2**53 - 1), st.integers(0, 10**6))
def test_every_trial_ends_where_its_twin_does(of: Plan, seed: int, trial: int) -> None:
    question = delivery(of, trials=1, seed=seed, horizon=40)
    simulation = question.simulation()
    found = simulation.ends(np.arange(trial, trial + 3))
    for row, number in zip(found.tolist(), range(trial, trial + 3), strict=True):
        expected = naive_plan.ends(of, simulation.teams, seed, number, 40)
        assume(expected is not None)
        assert row == expected


@PATIENT
@given(plans(), st.integers(0, 2**53 - 1), st.integers(0, 10**6), st.integers(1, 4))
def test_every_trial_goes_the_way_of_its_twin(of: Plan, seed: int, trial: int, stride: int) -> None:
    """In whole items; where a share is whole but for the rounding of fractions, either side of it is right."""
    simulation = delivery(of, trials=1, seed=seed, horizon=12).simulation()
    rows = np.arange(stride, 13, stride)
    way = simulation.ways(np.array([trial]), 12, rows)
    twin = naive_plan.ways(of, simulation.teams, seed, trial, 12)
    found = np.concatenate([way.features[0], way.teams[0]]).T.tolist()
    for place, row in zip(rows.tolist(), found, strict=True):
        for items, exact in zip(row, twin[place - 1], strict=True) if place <= len(twin) else ():
            assert floor(exact - naive_plan.NEAR) <= items <= floor(exact + naive_plan.NEAR)
    assert way.whole[0, rows - 1].tolist() == way.teams[0].sum(axis=0).tolist()


@PATIENT
@given(plans(), st.integers(1, 40))
def test_the_window_moves_no_answer(of: Plan, window: int) -> None:
    simulation = delivery(of, trials=1, horizon=40).simulation()
    trials = np.arange(20)
    assert replace(simulation, window=window).ends(trials).tolist() == simulation.ends(trials).tolist()


def test_what_is_counted_is_what_the_trials_say() -> None:
    of = plan(team("p", BURSTY, feature("x", 9)), team("t", DIE, feature("a", 9, "x"), feature("b", 6), wip_limit=2))
    question = delivery(of, trials=3_000, deadline=6, horizon=50)
    ends = question.simulation().ends(np.arange(3_000))
    found = question.answer(Machine())
    last = ends.max(axis=1)
    teams = np.stack([ends[:, 0], ends[:, 1:].max(axis=1)])
    for each, values in zip((*found.features, *found.teams, found.whole), [*ends.T, *teams, last], strict=True):
        assert each is not None
        assert [each.at_most(periods) for periods in range(50)] == [(values <= k).mean() for k in range(50)]
    assert found.by == tuple(np.mean(ends[:, : count + 1].max(axis=1) <= 6) for count in range(3))
    assert found.last == tuple((teams == last).mean(axis=1))


def test_threads_and_chunks_move_no_byte() -> None:
    of = plan(
        team("p", BURSTY, feature("x", UNCERTAIN[0]), sampler=Adaptive()),
        team("t", DIE, feature("a", 9, "x"), feature("b", UNCERTAIN[1]), wip_limit=2, sampler=Adaptive()),
    )
    question = delivery(of, trials=1_000, deadline=6)
    expected = question.answer(Machine())
    for threads, chunk in product((1, 2, 3), (1, 37, 999, None)):
        found = question.answer(Machine(threads=threads, chunk_trials=chunk))
        assert (found.by, found.last) == (expected.by, expected.last)
        for one, other in zip((*found.features, found.whole), (*expected.features, expected.whole), strict=True):
            assert one is not None
            assert other is not None
            assert one.mass.tobytes() == other.mass.tobytes()


# Laws


@PATIENT
@given(plans(most=1), st.integers(0, 2**53 - 1))
def test_neither_waits_nor_more_at_once_move_the_last_feature_of_a_team(of: Plan, seed: int) -> None:
    """A team that waits for itself alone is never idle, so all it has ends with the sum."""
    (one,) = of.teams
    still = tuple(replace(each, growth=Range.exactly(0.0)) for each in one.features)
    free = tuple(replace(each, waits_for=()) for each in still)
    ends = [
        delivery(replace(one, features=features, wip_limit=limit, lead_time=None), trials=1, seed=seed, horizon=60)
        .simulation()
        .ends(np.arange(20))
        .max(axis=1)
        .tolist()
        for features, limit in product((still, free), (1, 2, 3))
    ]
    assert all(each == ends[0] for each in ends)


@PATIENT
@given(st.lists(st.integers(1, 20), min_size=2, max_size=5), st.data())
def test_without_a_wait_nothing_is_later_where_each_team_has_one_feature(items: list[int], data: st.DataObject) -> None:
    waits = {place: data.draw(st.sets(st.integers(0, place - 1))) if place else set() for place in range(len(items))}
    edges = [(place, other) for place, others in waits.items() for other in others]

    def ends(gone: tuple[int, int] | None) -> np.ndarray:
        teams = [
            team(
                str(place),
                BURSTY,
                feature(f"f{place}", count, *(f"f{other}" for other in waits[place] if (place, other) != gone)),
                sampler=Adaptive(),
            )
            for place, count in enumerate(items)
        ]
        return delivery(plan(*teams), trials=1, horizon=200).simulation().ends(np.arange(20))

    for edge in edges[:3]:
        assert (ends(edge) <= ends(None)).all()


def test_order_goes_first_so_a_wait_less_may_delay_the_whole() -> None:
    """Known of schedules by priority (Graham, 1969): once a need not wait, it goes before b, which c waits for."""

    def both(*waits: str) -> list[int]:
        return ends_of(
            plan(
                team("o", [5], feature("w", 5)),
                team("t", [5], feature("a", 10, *waits), feature("b", 5)),
                team("u", [5], feature("c", 10, "b")),
            )
        )

    assert both("w") == [1, 3, 1, 3]
    assert both() == [1, 2, 3, 5]


def test_more_items_are_never_done_sooner() -> None:
    def ends(items: int) -> np.ndarray:
        one = team("t", BURSTY, feature("a", items), feature("b", 9), wip_limit=2, sampler=Adaptive())
        return delivery(one, trials=1, horizon=200).simulation().ends(np.arange(500))

    assert (ends(7) <= ends(8)).all()


def test_each_source_keeps_its_draws_when_a_team_is_added() -> None:
    one, other = team("p", BURSTY, feature("x", UNCERTAIN[0])), team("t", DIE, feature("a", 9))
    alone, together = delivery(one, trials=1, horizon=90), delivery(plan(one, other), trials=1, horizon=90)
    first = together.simulation().ends(np.arange(200))[:, :1]
    assert alone.simulation().ends(np.arange(200)).tolist() == first.tolist()


def test_teams_and_their_features_are_independent_of_each_other() -> None:
    both = plan(
        team("p", BURSTY, feature("x", UNCERTAIN[1]), sampler=Adaptive()),
        team("t", BURSTY, feature("a", UNCERTAIN[1]), sampler=Adaptive()),
    )
    ends = delivery(both, trials=1, horizon=200).simulation().ends(np.arange(40_000))
    assert abs(np.corrcoef(ends.T)[0, 1]) < 4.5 / 40_000**0.5


def test_the_cost_is_known_before_and_grows_with_trials_teams_and_features() -> None:
    one = team("t", DIE, *(feature(str(place), 9) for place in range(3)), sampler=Adaptive())
    more = replace(one, features=(*one.features, feature("d", 9)))
    other = replace(one, name="u", features=tuple(replace(each, name=f"u{each.name}") for each in one.features))
    small, wide, both = (delivery(of, trials=1_000).cost for of in (one, more, plan(one, other)))
    assert 0 < small < min(wide, both)
    assert delivery(one, trials=100_000).cost == pytest.approx(100 * small)
    assert delivery(replace(one, basis=asked(DIE)), "exact").cost < small
