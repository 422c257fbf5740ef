"""What is to be finished, and what may come on top."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from flow_forecaster.engine import capacity as engine_capacity
from flow_forecaster.engine import ranges as engine_ranges
from flow_forecaster.engine import scope as engine
from flow_forecaster.engine.invalid import InvalidInput, inside
from flow_forecaster.schemas.base import Count, Request
from flow_forecaster.schemas.ranges import Number, NumberOrRange, Range, range_value, shape

MOST_ITEMS = 1_000_000
MOST_RISKS = 50

Items = Annotated[Count, Field(ge=1, le=MOST_ITEMS)]
Probability = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]


class ObservedSplits(Request):
    """Split rates of the past: items that came out of an item, each as likely as any other."""

    observed: Annotated[list[Number], Field(min_length=1, max_length=engine.MOST_OBSERVED)]


def _split_shape(value: Any) -> str:
    is_observed = isinstance(value, ObservedSplits) or (isinstance(value, Mapping) and "observed" in value)
    return "observed" if is_observed else shape(value)


ItemsOrRange = Annotated[Annotated[Items, Tag("number")] | Annotated[Range, Tag("range")], Discriminator(shape)]
SplitRate = Annotated[
    Annotated[Number, Tag("number")] | Annotated[Range, Tag("range")] | Annotated[ObservedSplits, Tag("observed")],
    Discriminator(_split_shape),
]


class Scope(Request):
    """What is to be finished: items x split rate, and what is added period by period."""

    items: Annotated[ItemsOrRange, Field(description="Items to finish, or a range of them.", examples=[50])]
    split_rate: SplitRate = Field(
        default=1.0, description="How many items an item turns out to be: a number, a range, or rates of the past."
    )
    growth: NumberOrRange = Field(default=0.0, description="Items added each period.")

    def value(self, risks: tuple[engine.Risk, ...]) -> engine.Scope:
        """Map to the engine's scope."""
        with inside("scope"):
            return engine.Scope(items=self._items(), split=self._split(), risks=risks)

    def growth_value(self) -> engine_ranges.Range:
        """Map the growth to the engine's range."""
        with inside("scope", "growth"):
            return range_value(self.growth)

    def _items(self) -> engine_ranges.Range:
        with inside("items"):
            return range_value(self.items)

    def _split(self) -> engine.Split:
        if isinstance(self.split_rate, ObservedSplits):
            return engine.Split.observed(self.split_rate.observed)
        with inside("split_rate"):
            known = range_value(self.split_rate)
        return engine.Split.of(known)


class Risk(Request):
    """Something that adds items, or loses periods, if it happens: items after the split, periods at the beginning."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    probability: Probability
    items: NumberOrRange | None = Field(default=None, description="Items that it adds.")
    delay: NumberOrRange | None = Field(default=None, description="Periods that it loses at the beginning of the work.")

    def value(self) -> engine.Risk | engine_capacity.Delay:
        """Map to the engine's risk or delay."""
        if self.items is not None and self.delay is None:
            with inside("items"):
                impact = range_value(self.items)
            return engine.Risk(name=self.name, probability=self.probability, impact=impact)
        if self.delay is not None and self.items is None:
            with inside("delay"):
                periods = range_value(self.delay)
            return engine_capacity.Delay(name=self.name, probability=self.probability, periods=periods)
        detail = "A risk either adds items or loses periods (delay); give one of them."
        raise InvalidInput(code="items_or_delay", detail=detail)


Risks = Annotated[list[Risk], Field(max_length=MOST_RISKS)]


def risk_values(risks: list[Risk]) -> tuple[tuple[engine.Risk, ...], tuple[engine_capacity.Delay, ...]]:
    """Map a register to what adds items and what loses periods."""
    found = []
    for index, risk in enumerate(risks):
        with inside("risks", index):
            found.append(risk.value())
    items = tuple(risk for risk in found if isinstance(risk, engine.Risk))
    return items, tuple(risk for risk in found if isinstance(risk, engine_capacity.Delay))
