"""Each kind of forecast, once: HTTP, the worker and the command line all go through here.

A kind is a request schema that maps itself to an engine question, and a function that presents the engine's answer.
docs/how-to/add-a-forecast.md shows the steps of adding one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Protocol, Self

from flow_forecaster.engine.simulation import Machine
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.backtest import BacktestRequest, backtest_result
from flow_forecaster.schemas.base import Response
from flow_forecaster.schemas.comparisons import what_if_result
from flow_forecaster.schemas.costs import CostRequest, cost_result
from flow_forecaster.schemas.deliveries import milestones_result, teams_result
from flow_forecaster.schemas.forecasts import DeadlineRequest, HowManyRequest, WhenRequest
from flow_forecaster.schemas.items import ItemRequest, item_result
from flow_forecaster.schemas.kinds import AnyRequest
from flow_forecaster.schemas.plans import MilestonesRequest, TeamsRequest
from flow_forecaster.schemas.results import deadline_result, how_many_result, when_result
from flow_forecaster.schemas.what_ifs import WhatIfRequest


class Question(Protocol):
    """What the engine answers: its cost in draws is known before it is computed."""

    @property
    def cost(self) -> float:
        """Estimated cost in draws of the bootstrap."""

    def answer(self, machine: Machine) -> Any:
        """Compute the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of forecast."""

    name: str
    request: type[AnyRequest]
    present: Callable[[Any, Any, Any], Response]
    """(resolved request, question, answer) -> result."""


KINDS: tuple[Kind, ...] = (
    Kind(name="when", request=WhenRequest, present=when_result),
    Kind(name="how_many", request=HowManyRequest, present=how_many_result),
    Kind(name="deadline", request=DeadlineRequest, present=deadline_result),
    Kind(name="milestones", request=MilestonesRequest, present=milestones_result),
    Kind(name="teams", request=TeamsRequest, present=teams_result),
    Kind(name="cost", request=CostRequest, present=cost_result),
    Kind(name="what_if", request=WhatIfRequest, present=what_if_result),
    Kind(name="item", request=ItemRequest, present=item_result),
    Kind(name="backtest", request=BacktestRequest, present=backtest_result),
)
_BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A resolved request and its question, ready to be computed."""

    kind: Kind
    request: AnyRequest
    question: Question

    @cached_property
    def cost(self) -> float:
        """Estimated cost in draws."""
        return self.question.cost

    def costed(self) -> Self:
        """Estimate the cost now: it can take as long as to put the question, as laws are fitted for it."""
        _ = self.cost
        return self

    @property
    def engine_version(self) -> str:
        """The engine that will answer."""
        return ENGINE_VERSION

    def compute(self, machine: Machine) -> Response:
        """Ask the engine and present its answer."""
        return self.kind.present(self.request, self.question, self.question.answer(machine))


def prepare(request: Any, *, today: date, seed: int) -> Job:
    """Resolve a request and put its question.

    Raises:
        InvalidInput: the request cannot be answered, with the field that is to blame.
    """
    kind = _BY_NAME[request.kind]
    resolved, question = request.asked(today=today, seed=seed)
    return Job(kind=kind, request=resolved, question=question)


def restore(kind: str, request: str) -> Job:
    """Put the question of a stored, resolved request again."""
    entry = _BY_NAME[kind]
    resolved: Any = entry.request.model_validate_json(request)
    return Job(kind=entry, request=resolved, question=resolved.question())
