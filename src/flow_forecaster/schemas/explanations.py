"""How an answer explains itself: what it takes for granted, what its spread comes from, the paths behind it."""

import datetime as dt

from pydantic import Field

from flow_forecaster.engine import fan as engine_fan
from flow_forecaster.engine.assumptions import assumptions
from flow_forecaster.engine.calendar import Timeline
from flow_forecaster.engine.laws import Basis
from flow_forecaster.engine.model import Model
from flow_forecaster.engine.spread import Shares
from flow_forecaster.schemas.base import Response


class Assumption(Response):
    """One thing that the answer takes for granted."""

    code: str = Field(description="Stable; the list of codes may grow.", examples=["history_window"])
    detail: str


class SpreadShare(Response):
    """Share of the variance that goes when this source of uncertainty does."""

    source: str = Field(examples=["pace"])
    share: float


class FanRow(Response):
    """Items done by the end of a period, at each level: so large a share of trials has done no more."""

    periods: int
    date: dt.date | None
    items: list[int]


class Fan(Response):
    """The path of the work. Levels belong to `items` of each row, in this order."""

    levels: list[float]
    rows: list[FanRow]
    trials: int
    paths: list[list[int]] = Field(
        description="Items done by the end of the period of each row in single trials, the same in all parts of a plan."
    )


class Explanation(Response):
    """What stands behind an answer."""

    assumptions: list[Assumption]
    sampler_parameters: dict[str, float]
    spread: list[SpreadShare] = Field(
        description="What the variance comes from: that of T, of N for how_many; empty where nothing varies."
    )
    fan: Fan | None


def explanation(basis: Basis, model: Model, spread: Shares, fan: engine_fan.Fan | None) -> Explanation:
    """Explain an answer."""
    return Explanation.model_validate(
        {
            "assumptions": [{"code": one.code, "detail": one.detail} for one in assumptions(basis, model)],
            "sampler_parameters": basis.sampler.parameters(basis.history, basis.timeline),
            "spread": spread_shares(spread),
            "fan": fan_shown(fan, basis.timeline),
        }
    )


def spread_shares(spread: Shares) -> list[SpreadShare]:
    """Show what a variance comes from."""
    return [SpreadShare(source=source, share=share) for source, share in spread]


def fan_shown(found: engine_fan.Fan | None, timeline: Timeline) -> Fan | None:
    """Show a fan."""
    if found is None:
        return None
    periods: list[int] = found.periods.tolist()
    rows = [
        FanRow(periods=number, date=end, items=items)
        for number, end, items in zip(periods, timeline.ends_of(periods), found.levels.tolist(), strict=True)
    ]
    return Fan(levels=list(engine_fan.LEVELS), rows=rows, trials=engine_fan.TRIALS, paths=found.paths.tolist())
