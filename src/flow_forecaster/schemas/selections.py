"""What of a project's past a forecast takes, and what came of it."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.history import MOST_PERIODS
from flow_forecaster.schemas.base import Count, Filter, Request
from flow_forecaster.schemas.histories import Day, Iteration, PeriodName

Source: TypeAlias = Literal["work_items", "history"]
MOST_NAMES = 50
_LONG = 14
"""Days without data that may pass without a word: whoever imports every other week is not asked to mend anything."""

Names = Annotated[list[Filter], Field(min_length=1, max_length=MOST_NAMES)]


class Selection(Request):
    """What of a project's past to take; everything if nothing is said."""

    first: Day | None = Field(default=None, description="Only whole periods from this day on.")
    last: Day | None = Field(
        default=None, description="Only whole periods up to the end of this day; as far as the data goes if absent."
    )
    periods: Annotated[Count, Field(ge=1, le=MOST_PERIODS)] | None = Field(
        default=None, description="Only so many of them, the newest."
    )
    period: PeriodName | Iteration | None = Field(default=None, description="Counted so; as the project if absent.")
    types: Names | None = Field(default=None, description="Only items of any of these types.")
    tags: Names | None = Field(
        default=None, description="Only items with any of these tags, which trackers call labels."
    )
    source: Source | None = Field(
        default=None, description="From work items or from the plain history; needed where a project has both."
    )


class TakenFrom(Request):
    """Where a history was taken from. The service writes it; a request that is repeated may carry it."""

    project_id: UUID
    source: Source
    selection: Selection | None = None
    first: Day = Field(description="The first day of the history.")
    last: Day = Field(description="Its last day.")
    items: Annotated[Count, Field(ge=0)] = Field(description="So many items were finished in it.")
    earlier: Annotated[Count, Field(ge=0)] = Field(
        description="So many were finished before it, in a period that is not whole."
    )
    later: Annotated[Count, Field(ge=0)] = Field(
        description="So many were finished after it, in a period that is not over, or not known to its end."
    )
    known_until: Day = Field(description="The last day that the data tells of.")
    taken_on: Day = Field(description="The day it was, in the project's time zone.")

    def caveats(self) -> Iterator[Caveat]:
        """Say what was left out of the history."""
        if self.later:
            detail = f"{_items(self.later)} not counted, finished after {self.last}: that period is not over."
            yield Caveat(code="running_period", detail=detail)
        if self.earlier:
            detail = f"{_items(self.earlier)} not counted, finished before {self.first}: that period is not whole."
            yield Caveat(code="partial_first_period", detail=detail)
        silent = (self.taken_on - self.known_until).days - 1
        if silent > _LONG and (self.selection is None or self.selection.last is None):
            detail = (
                f"The data ends with {self.known_until}, {silent} days ago; what was finished since is not known. "
                "Import newer data, or name the last day."
            )
            yield Caveat(code="data_ends_early", detail=detail)


def _items(count: int) -> str:
    return "1 item is" if count == 1 else f"{count:,} items are"
