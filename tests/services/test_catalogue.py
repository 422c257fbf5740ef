"""Each kind of forecast once: its request, its question and its answer belong together, and can be repeated."""

import json
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import uuid4

import pytest
from pydantic import BaseModel

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.fields import ForecastFields
from flow_forecaster.schemas.kinds import ForecastRequest, ForecastResult
from flow_forecaster.services.catalogue import KINDS, prepare, restore
from services import asking
from services.asking import DICE, HISTORY, TODAY, a_job, a_request, answer_of

pytestmark = pytest.mark.usefixtures("kernel_cache")

METHODS = [
    {"sampler": {"kind": "bootstrap"}, "method": "exact"},
    {"sampler": {"kind": "bootstrap"}, "method": "monte_carlo", "trials": 2_000},
    {"sampler": {"kind": "adaptive"}, "trials": 2_000},
]


def test_the_catalogue_holds_exactly_the_requests_that_the_api_takes() -> None:
    assert {kind.request for kind in KINDS} == set(_members(ForecastRequest))


def test_each_kind_is_named_as_its_request_names_it() -> None:
    assert [kind.name for kind in KINDS] == [_kind_of(kind.request) for kind in KINDS]
    assert len({kind.name for kind in KINDS}) == len(KINDS)


def test_the_results_of_the_catalogue_are_exactly_those_that_the_api_gives() -> None:
    presented = [a_job(kind.name).compute(Machine()) for kind in KINDS]
    assert {type(result) for result in presented} == set(_members(ForecastResult))
    assert [_kind_of(type(result)) for result in presented] == [kind.name for kind in KINDS]


def test_these_tests_ask_every_kind() -> None:
    asked = (*asking.KINDS, *asking.OF_TEAMS, *asking.SIMULATED, *asking.SINGLE, *asking.LOOKING_BACK)
    assert {kind.name for kind in KINDS} == set(asked)


@pytest.mark.parametrize("kind", [*asking.KINDS, *asking.OF_TEAMS, *asking.SIMULATED])
def test_a_prepared_request_leaves_nothing_to_default(kind: str) -> None:
    resolved = a_job(kind).request
    assert (resolved.start, resolved.seed) == (TODAY, DICE)
    assert getattr(resolved, "horizon", 1) is not None


@pytest.mark.parametrize("kind", [*asking.KINDS, *asking.OF_TEAMS, *asking.SIMULATED])
def test_what_the_caller_chose_is_kept(kind: str) -> None:
    chosen: dict[str, Any] = {"start": "2026-04-01", "seed": 3, "trials": 77, "confidence": [0.9]}
    if kind != "how_many":
        chosen["horizon"] = 30
    asked = a_request(kind, **chosen)
    resolved = prepare(asked, today=TODAY, seed=DICE).request
    for name in chosen:
        assert getattr(resolved, name) == getattr(asked, name)


@pytest.mark.parametrize("kind", asking.KINDS)
@pytest.mark.parametrize("how", METHODS)
def test_a_stored_request_gives_the_same_answer_to_the_byte(kind: str, how: dict[str, Any]) -> None:
    job = a_job(kind, **how)
    stored = job.request.model_dump_json()
    again = restore(kind, stored)
    assert again.request == job.request
    assert again.request.model_dump_json() == stored
    assert again.cost == job.cost
    assert answer_of(again) == answer_of(job)


@pytest.mark.parametrize("kind", [*asking.KINDS, *asking.OF_TEAMS, *asking.SIMULATED])
def test_a_resolved_request_asks_the_same_on_another_day_with_other_dice(kind: str) -> None:
    job = a_job(kind)
    later = prepare(job.request, today=TODAY.replace(year=2031), seed=DICE + 1)
    assert later.request == job.request


@pytest.mark.parametrize("kind", [*asking.OF_TEAMS, *asking.SIMULATED])
@pytest.mark.parametrize("how", METHODS[1:])
def test_a_stored_request_of_trials_gives_the_same_answer_to_the_byte(kind: str, how: dict[str, Any]) -> None:
    job = a_job(kind, **how)
    stored = job.request.model_dump_json()
    again = restore(kind, stored)
    assert again.request.model_dump_json() == stored
    assert answer_of(again) == answer_of(job)


def test_another_seed_is_another_answer() -> None:
    assert answer_of(a_job(trials=2_000, seed=1)) != answer_of(a_job(trials=2_000, seed=2))


def test_the_seed_zero_is_a_seed() -> None:
    assert a_job(seed=0).request.seed == 0


@pytest.mark.parametrize("kind", [*asking.KINDS, *asking.OF_TEAMS, *asking.SIMULATED])
def test_a_job_names_its_engine_and_knows_its_cost(kind: str) -> None:
    small, large = a_job(kind, trials=1_000), a_job(kind, trials=1_000_000)
    assert small.engine_version == ENGINE_VERSION
    assert large.cost > 500 * small.cost > 0


@pytest.mark.parametrize("kind", [*asking.KINDS, *asking.OF_TEAMS, *asking.SIMULATED])
def test_a_focus_above_one_is_warned_of_whatever_is_asked(kind: str) -> None:
    more: dict[str, Any] = {"capacity": {"focus": 1.25}, "sampler": {"kind": "bootstrap"}, "trials": 500}
    if kind in asking.OF_TEAMS:
        team = {"name": "p", "history": HISTORY, "features": [{"name": "a", "scope": {"items": 20}}]}
        more = {"teams": [team, team | {"name": "t", "capacity": more.pop("capacity")}], **more}
        more["teams"][1]["features"] = [{"name": "b", "scope": {"items": 20}}]
    warnings = json.loads(answer_of(a_job(kind, **more)))["warnings"]
    told = [warning for warning in warnings if warning["code"] == "focus_above_one"]
    assert len(told) == 1
    assert "125%" in told[0]["detail"]


@pytest.mark.parametrize("kind", asking.KINDS)
def test_a_project_that_does_not_exist_is_not_found(kind: str) -> None:
    with pytest.raises(InvalidInput, match="no project"):
        a_job(kind, history=None, project_id=str(uuid4()))


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"project_id": str(uuid4())}, ("project_id",), "history_or_project"),
        ({"history": None}, ("history",), "history_missing"),
        ({"history": HISTORY | {"throughput": [0, 0]}}, ("history",), None),
        ({"method": "exact", "sampler": {"kind": "adaptive"}}, ("method",), "no_exact_answer"),
    ],
)
@pytest.mark.parametrize("kind", asking.KINDS)
def test_a_request_that_cannot_be_answered_names_the_field_to_blame(
    kind: str, changes: dict[str, Any], path: tuple[str, ...], code: str | None
) -> None:
    with pytest.raises(InvalidInput) as caught:
        _ = a_job(kind, **changes).cost
    assert caught.value.path[:1] == path
    assert code in {None, caught.value.code}


def test_a_kind_that_nobody_knows_cannot_be_restored() -> None:
    with pytest.raises(KeyError):
        restore("horoscope", "{}")


def _members(union: Any) -> tuple[type[BaseModel], ...]:
    """List the classes of a union, whatever is annotated to it."""
    if get_origin(union) is Annotated:
        union = get_args(union)[0]
    assert get_origin(union) in {Union, UnionType}
    return get_args(union)


def _kind_of(model: type[BaseModel] | type[ForecastFields]) -> str:
    (name,) = get_args(model.model_fields["kind"].annotation)
    return str(name)
