"""What if? One forecast, and how it would be if something were different.

A variation is a merge patch (RFC 7396) on the fields of the base that say what is to be finished, by whom and from
what history. What comes of it is checked like any request, and refused where it stands in the patch.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from flow_forecaster.engine import what_if as engine
from flow_forecaster.engine.cases import Case
from flow_forecaster.engine.finishing import check_model
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.schemas.base import Request
from flow_forecaster.schemas.calendars import Calendar
from flow_forecaster.schemas.capacities import Capacity, LeadTime
from flow_forecaster.schemas.costs import Budget, Costs
from flow_forecaster.schemas.fields import Horizon, ModelFields
from flow_forecaster.schemas.histories import AdaptiveSampler, Day, History, Sampler
from flow_forecaster.schemas.scopes import Risks, Scope

MOST_VARIATIONS = 20
_KEPT = ("scope", "start", "deadline", "costs", "budget")
"""What a variation may change but not take away, if the base has it: it is what both are compared by."""
_DEEPEST = 8
"""No request has objects within objects as deep as this."""

InputName: TypeAlias = Literal["pace", "items", "split_rate", "risks", "growth", "focus", "lead_time", "costs"]


def _all_or_some(value: object) -> str:
    """Tell which of both forms is meant, so that only this one complains."""
    return "some" if isinstance(value, list) else "all"


Sensitivity = Annotated[
    Annotated[list[InputName], Field(min_length=1, max_length=8), Tag("some")]
    | Annotated[bool, Field(strict=True), Tag("all")],
    Discriminator(_all_or_some),
]
_PATCH = "Merge patch of the base's field; null takes it away."


class Change(Request):
    """What is different: a merge patch (RFC 7396) on these fields of the base."""

    history: Any = Field(default=None, description=_PATCH)
    calendar: Any = Field(default=None, description=_PATCH)
    sampler: Any = Field(default=None, description=_PATCH)
    scope: Any = Field(default=None, description=_PATCH, examples=[{"items": 40}])
    risks: Any = Field(default=None, description="Takes the place of the base's list; null takes it away.")
    capacity: Any = Field(default=None, description=_PATCH)
    lead_time: Any = Field(default=None, description=_PATCH)
    costs: Any = Field(default=None, description="Merge patch of the base's costs.")
    budget: Any = Field(default=None, description="Another budget, if the base has one.")
    start: Any = Field(default=None, description="Another first day of the forecast.", examples=["2026-12-07"])
    deadline: Any = Field(default=None, description="Another last day, if the base has a deadline.")

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        """Keep nulls, which take something away here."""
        return data

    @model_serializer(mode="wrap")
    def _as_given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name in self.model_fields_set}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe what is given and what is stored by one schema: only which fields are there differs."""
        return handler({key: part for key, part in schema.items() if key != "serialization"})


class Variation(Request):
    """Something that could be different."""

    name: Annotated[str, Field(min_length=1, max_length=100, description="What the answer calls it.")]
    change: Change


class Varied(Request):
    """The fields that a variation may change, as they are after it."""

    history: History | None = None
    calendar: Calendar | None = None
    sampler: Sampler = AdaptiveSampler(kind="adaptive")
    scope: Scope | None = None
    risks: Risks = Field(default=[])
    capacity: Capacity | None = None
    lead_time: LeadTime | None = None
    costs: Costs | None = None
    budget: Budget | None = None
    start: Day | None = None
    deadline: Day | None = None


class WhatIfRequest(ModelFields):
    """What would be different, and which input moves the forecast most?"""

    kind: Literal["what_if"]
    scope: Scope
    deadline: Day | None = Field(default=None, description="The last day, inclusive: how would its chance change?")
    costs: Costs | None = Field(default=None, description="What is paid: how would the cost change?")
    budget: Budget | None = Field(default=None, description="How would the chance of keeping it change? Needs costs.")
    horizon: Horizon | None = Field(default=None, description="Most periods to simulate; chosen if absent.")
    variations: Annotated[list[Variation], Field(max_length=MOST_VARIATIONS)] = Field(
        default=[], description="Each is compared with the base on the same trials."
    )
    sensitivity: Sensitivity = Field(
        default=False, description="Vary one input at a time: all that the request gives, or these."
    )

    @field_validator("sensitivity")
    @classmethod
    def _each_once(cls, sensitivity: bool | list[InputName]) -> bool | list[InputName]:
        if isinstance(sensitivity, list) and len(set(sensitivity)) < len(sensitivity):
            raise ValueError("Each input is named once.")
        return sensitivity

    @model_validator(mode="after")
    def _changes_fit(self) -> Self:
        refused = [error for place in range(len(self.variations)) for error in self._refusals(place)]
        if refused:
            raise ValidationError.from_exception_data("WhatIfRequest", refused)
        return self

    def asked(self, *, today: date, seed: int) -> tuple[Self, engine.WhatIf]:
        """Resolve the request; what is refused is led as far as it was written."""
        with _as_far_as_written(self.variations):
            return super().asked(today=today, seed=seed)

    def settled(self, *, today: date, seed: int) -> Self:
        """Fill in what was left open, the holidays of each variation's calendar too."""
        chosen = super().settled(today=today, seed=seed)
        start = today if self.start is None else self.start
        variations = [self._with_holidays_of(place, start, chosen.calendar) for place in range(len(self.variations))]
        return chosen.model_copy(update={"variations": variations})

    def completed(self, question: engine.WhatIf) -> Self:
        """Fill in the horizon."""
        return self.model_copy(update={"horizon": question.periods})

    def question(self) -> engine.WhatIf:
        """Map a resolved request to the engine."""
        fields = self.sensitivity if isinstance(self.sensitivity, list) else None if self.sensitivity else ()
        with _as_far_as_written(self.variations):
            return engine.WhatIf(
                base=self.case(),
                variations=tuple(self._variation(place) for place in range(len(self.variations))),
                confidences=tuple(self.confidence),
                sensitivity=fields,
                deadline=self.deadline,
                budget=self.budget,
                horizon=self.horizon,
                paths=self.paths,
            )

    def case(self, since: date | None = None) -> Case:
        """Map the base to the engine; delay costs from `since` on, or else from the start."""
        basis, model = self.basis(), self.model(self.scope)
        check_model(basis, model)
        prices = None if self.costs is None else self.costs.value(basis.timeline, since)
        return Case(basis=basis, model=model, prices=prices)

    def varied(self, place: int) -> Self:
        """Make the request that a variation stands for."""
        changed = Varied.model_validate(self._patched(place))
        names = self.variations[place].change.model_fields_set
        return self.model_copy(update={name: getattr(changed, name) for name in names})

    def _variation(self, place: int) -> engine.Variation:
        with inside("variations", place, "change"):
            if _says_nothing(self.variations[place].change.model_dump(mode="json")):
                raise InvalidInput(code="nothing_to_vary", detail="Nothing is changed: name what is different.")
            varied = self.varied(place)
            return engine.Variation(
                name=self.variations[place].name,
                case=varied.case(self.start),
                deadline=varied.deadline,
                budget=varied.budget,
            )

    def _patched(self, place: int) -> dict[str, Any]:
        """Merge what a variation changes with the base less its defaults, which no caller has to take away."""
        change = self.variations[place].change
        given = self.model_dump(mode="json", include=change.model_fields_set, exclude_defaults=True)
        return {name: _merged(given.get(name), getattr(change, name), _DEEPEST) for name in change.model_fields_set}

    def _refusals(self, place: int) -> Iterator[InitErrorDetails]:
        patched, whole = self._patched(place), ("variations", place, "change")
        for name in _KEPT:
            if name in patched and patched[name] is None and (name == "start" or getattr(self, name) is not None):
                detail = "A variation may change it, but not take it away: both are compared by it"
                yield _error("not_removable", detail, (*whole, name))
        try:
            Varied.model_validate(patched)
        except ValidationError as error:
            for found in error.errors(include_url=False, include_input=False):
                yield _error(found["type"], found["msg"], (*whole, *found["loc"]), found.get("ctx"))

    def _with_holidays_of(self, place: int, start: date, base: Calendar | None) -> Variation:
        """Write out a calendar that a variation changes, each field of it, so that it stays the same.

        So is the base's where a variation goes back or ahead further, to holidays that the base itself has no use for.
        """
        variation = self.variations[place]
        is_changed = variation.change.calendar is not None
        if base is None and not is_changed:
            return variation
        with _as_far_as_written(self.variations), inside("variations", place, "change"):
            varied = self.varied(place)
            calendar = varied.with_holidays(varied.start or start).calendar
        if calendar is None or not (is_changed or base is None or set(calendar.days_off) - set(base.days_off)):
            return variation
        written = calendar.model_dump(mode="json")
        return variation.model_copy(update={"change": variation.change.model_copy(update={"calendar": written})})


def _merged(target: Any, patch: Any, depth: int) -> Any:
    """Apply a merge patch (RFC 7396); below `depth` it is left as it is, for the checks to refuse."""
    if not isinstance(patch, dict) or not depth:
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value, depth - 1)
    return merged


def _says_nothing(patch: Any) -> bool:
    """Tell a patch that leaves everything as it is, whatever that is."""
    return isinstance(patch, dict) and all(map(_says_nothing, patch.values()))


@contextmanager
def _as_far_as_written(variations: Sequence[Variation]) -> Iterator[None]:
    """Lead what is refused no deeper than its patch goes: what lies below is the base's, and fine without the patch."""
    try:
        yield
    except InvalidInput as error:
        match error.path:
            case ("variations", int(place), "change", *rest):
                change = variations[place].change
                given = {name: getattr(change, name) for name in change.model_fields_set}
                path = ("variations", place, "change", *_known(rest, given))
            case path:
                pass
        raise InvalidInput(*path, code=error.code, detail=error.detail) from error


def _known(path: Sequence[str | int], given: Any) -> Iterator[str | int]:
    """List the segments of a path as far as it exists."""
    for segment in path:
        if isinstance(given, list) and isinstance(segment, int):
            given = dict(enumerate(given))
        if not isinstance(given, dict) or segment not in given:
            return
        yield segment
        given = given[segment]


def _error(
    kind: str, message: str, location: tuple[str | int, ...], context: dict[str, Any] | None = None
) -> InitErrorDetails:
    told = PydanticCustomError(kind, "{message}", {**(context or {}), "message": message})
    return InitErrorDetails(type=told, loc=location, input=None)
