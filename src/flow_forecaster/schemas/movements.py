"""What moved between a forecast and the one before it: the answers of both, their inputs, and which moved how far."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias, get_args
from uuid import UUID

from pydantic import BaseModel, Field

from flow_forecaster.schemas.actuals import Asked, Stored
from flow_forecaster.schemas.base import Request, Response
from flow_forecaster.schemas.fields import ModelFields
from flow_forecaster.schemas.histories import History
from flow_forecaster.schemas.results import DeadlineResult, HowManyResult

MovedBy: TypeAlias = Literal["engine", "sampling", "start", "history", "scope", "target", "model"]
ORDER: tuple[MovedBy, ...] = get_args(MovedBy)
FIELDS: Mapping[MovedBy, tuple[str, ...]] = {
    "sampling": ("sampler", "method", "trials", "seed", "fan", "sample_paths"),
    "start": ("start",),
    "history": ("history",),
    "scope": ("scope",),
    "target": ("deadline", "until", "periods"),
    "model": ("risks", "capacity", "lead_time", "calendar"),
}
"""Which fields of a request are replaced in a step; the horizon goes with whatever needs one."""
MOVABLE = ("when", "how_many", "deadline")


class MovementQuery(Request):
    """With which forecast to compare."""

    with_id: UUID | None = Field(
        default=None,
        alias="with",
        description="If absent, the newest earlier one of the same project and kind that succeeded.",
    )


class ComparedForecast(Response):
    """One of the two."""

    id: UUID
    created_at: dt.datetime
    start: dt.date
    engine_version: str


class MovedPart(Response):
    """How far one input moved an answer, when it was replaced after those listed before it."""

    input: MovedBy
    movement: float = Field(description="Days, items, or probability; positive is later, or more.")


class QuantileMovement(Response):
    """How an answer moved. Dates and days, or items, as the kind has it; null where an answer lies beyond."""

    confidence: float
    date_before: dt.date | None = None
    date_after: dt.date | None = None
    items_before: int | None = None
    items_after: int | None = None
    movement: int | None = Field(description="Days, positive is later; or items, positive is more.")
    parts: list[MovedPart] = Field(description="They add up to the movement; empty without an attribution.")


class ProbabilityMovement(Response):
    """How the probability of a deadline moved."""

    before: float
    after: float
    movement: float
    parts: list[MovedPart]


class InputChange(Response):
    """An input that is another one."""

    input: MovedBy
    fields: list[str] = Field(description="Fields of the request that differ.")
    detail: str


class Unattributed(Response):
    """Why the movement is not divided among the inputs."""

    code: str = Field(description="Stable; the list of codes may grow.", examples=["too_large"])
    detail: str


class ForecastMovement(Response):
    """A forecast compared with one before it."""

    kind: str
    before: ComparedForecast
    after: ComparedForecast
    quantiles: list[QuantileMovement]
    probability: ProbabilityMovement | None = Field(description="Of a deadline.")
    changes: list[InputChange] = Field(description="What is different, in the order in which it was replaced.")
    order: list[MovedBy] = Field(
        description="Inputs were replaced in this order, on the same seed; in another the parts would be others."
    )
    unattributed: Unattributed | None = Field(description="Null if the parts are told.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a forecast answers: by confidence a day or items, counted; and the probability of a deadline."""

    quantiles: Mapping[float, int | None]
    probability: float | None

    @classmethod
    def of(cls, stored: Stored) -> "Answers":
        """Read the answers of a forecast."""
        result = stored.result
        if isinstance(result, HowManyResult):
            return cls(quantiles={one.confidence: one.items for one in result.answers}, probability=None)
        days = {one.confidence: None if one.date is None else one.date.toordinal() for one in stored.reading.answers}
        return cls(quantiles=days, probability=result.probability if isinstance(result, DeadlineResult) else None)


Step: TypeAlias = tuple[MovedBy, Answers]
"""What was answered once an input was replaced."""


def replaced(request: Asked, later: Asked, name: MovedBy) -> Asked:
    """Give a request an input of a later one; the same request if it is the same."""
    fields = [field for field in FIELDS[name] if field in type(request).model_fields]
    update = {field: getattr(later, field) for field in fields if getattr(later, field) != getattr(request, field)}
    return request.model_copy(update=update) if update else request


def changes(before: Asked, after: Asked) -> list[InputChange]:
    """Say which inputs differ."""
    found = []
    for name in ORDER[1:]:
        fields = [
            field
            for field in FIELDS[name]
            if field in type(before).model_fields and getattr(before, field) != getattr(after, field)
        ]
        if fields:
            found.append(InputChange(input=name, fields=fields, detail=_detail(name, fields, before, after)))
    return found


def engine_change(before: str, after: str, now: str) -> InputChange:
    """Say that engines differ: of the two, or of one of them and today's, which replays both."""
    detail = f"Computed by engine {before} before and {after} after; replayed by {now}."
    return InputChange(input="engine", fields=["engine_version"], detail=detail)


def parts_of(names: Sequence[MovedBy], values: Sequence[float], own: float) -> list[MovedPart]:
    """Divide a movement among steps: the first value is before them, `own` is what the engine moved besides."""
    moved = [MovedPart(input="engine", movement=own)] if own else []
    steps = zip(names, pairwise(values), strict=True)
    return moved + [MovedPart(input=name, movement=after - before) for name, (before, after) in steps]


def _detail(name: MovedBy, fields: Sequence[str], before: Asked, after: Asked) -> str:
    match name:
        case "start" if before.start is not None and after.start is not None:
            days = (after.start - before.start).days
            return (
                f"It starts {abs(days)} days {'later' if days > 0 else 'earlier'}: {after.start}, not {before.start}."
            )
        case "history" if before.history is not None and after.history is not None:
            return f"{_history(after.history)}, before {_history(before.history)}."
        case "scope" if "scope" in type(after).model_fields:
            return _scope(getattr(before, "scope", None), getattr(after, "scope", None))
        case _:
            return f"{', '.join(fields).capitalize().replace('_', ' ')}: {_told(fields, before, after)}"


def _history(history: History) -> str:
    count, total = len(history.throughput), sum(history.throughput)
    period = history.period if isinstance(history.period, str) else f"period of {history.period.days} days"
    return f"{count} periods with {total / count:.3g} items a {period}"


def _scope(before: Any, after: Any) -> str:
    if isinstance(before.items, int) and isinstance(after.items, int) and before.items != after.items:
        return f"{after.items} items, before {before.items}."
    return "The items, the split rate or the growth is another one."


def _told(fields: Sequence[str], before: Asked, after: Asked) -> str:
    pairs = [(getattr(before, field), getattr(after, field)) for field in fields]
    if all(isinstance(value, int | str | dt.date | None) for pair in pairs for value in pair):
        return "; ".join(f"{new}, before {old}" for old, new in pairs) + "."
    names = {str(getattr(value, "kind", "")) for pair in pairs for value in pair if isinstance(value, BaseModel)} - {""}
    return f"{' and '.join(sorted(names))}." if len(names) > 1 else "another one."


def is_movable(request: Any) -> bool:
    """Tell whether a request is of a kind that is compared."""
    return isinstance(request, ModelFields) and getattr(request, "kind", None) in MOVABLE
