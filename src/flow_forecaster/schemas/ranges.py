"""Numbers that are known only roughly."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from flow_forecaster.engine import ranges as engine
from flow_forecaster.schemas.base import Request

MOST = 1_000_000.0
Number = Annotated[float, Field(strict=True, ge=0, le=MOST, allow_inf_nan=False)]


class Range(Request):
    """Anything from low to high, with a likeliest value if there is one: a triangular law, uniform without it."""

    low: Number
    likely: Number | None = None
    high: Number

    def value(self) -> engine.Range:
        """Map to the engine's range."""
        return engine.Range(low=self.low, high=self.high, likely=self.likely)


def shape(value: Any) -> str:
    """Tell a number from a range, so that what is wrong is told of what was given, and not of the other as well."""
    return "range" if isinstance(value, Mapping | Range) else "number"


NumberOrRange = Annotated[Annotated[Number, Tag("number")] | Annotated[Range, Tag("range")], Discriminator(shape)]


def range_value(known: float | Range) -> engine.Range:
    """Map a number or a range to the engine's range."""
    return known.value() if isinstance(known, Range) else engine.Range.exactly(known)
