"""Backtests: the request, which leaves nothing to default once it is resolved, and what is answered."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, TypeAdapter, field_validator

from flow_forecaster.engine import backtest as engine
from flow_forecaster.engine.calendar import Timeline, working_history
from flow_forecaster.engine.caveats import Caveat
from flow_forecaster.engine.forecasters import BASELINES, Forecaster, named
from flow_forecaster.engine.history import MOST_PERIODS, WEEK, ThroughputHistory
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.laws import MOST_HORIZON
from flow_forecaster.engine.rolling import REACH, layout, timeline_of
from flow_forecaster.engine.samplers import Sampler as EngineSampler
from flow_forecaster.engine.samplers import samplers_for
from flow_forecaster.engine.scoring import PROMISES, Coverage, Rating
from flow_forecaster.engine.version import ENGINE_VERSION
from flow_forecaster.schemas.base import Asking, Count, Response
from flow_forecaster.schemas.fields import HistoryFields, Seed
from flow_forecaster.schemas.histories import Sampler
from flow_forecaster.schemas.results import Warning  # noqa: A004 - the field's own name
from flow_forecaster.schemas.webhooks import CallbackUrl

MOST_TRIALS = 20_000
FEWEST_TRIALS = 100
MOST_SAMPLERS = MOST_HORIZONS = 10
LONGEST_HORIZON = MOST_HORIZON // REACH
TargetName: TypeAlias = Literal["items", "periods"]

_Horizons = Annotated[
    list[Annotated[Count, Field(ge=1, le=LONGEST_HORIZON)]], Field(min_length=1, max_length=MOST_HORIZONS)
]
_Samplers = Annotated[list[Sampler], Field(min_length=1, max_length=MOST_SAMPLERS)]
_Periods = Annotated[Count, Field(ge=1, le=MOST_PERIODS)]
_SAMPLER: TypeAdapter[Sampler] = TypeAdapter(Sampler)


class BacktestRequest(HistoryFields, Asking):
    """Would forecasts have come true on this history?"""

    kind: Literal["backtest"]
    samplers: _Samplers | None = Field(
        default=None, description="What to try, beside the baselines; every sampler that the history allows if absent."
    )
    horizons: _Horizons | None = Field(
        default=None, description="Periods to look ahead; 4, 8 and 13 weeks if absent, 14 and 30 days for shorter ones."
    )
    window: _Periods | None = Field(
        default=None, description="Newest periods that each forecast may use; all that are known if absent."
    )
    minimum: _Periods | None = Field(
        default=None, description="Periods known at the first origin; the window, or 12 weeks' worth, if absent."
    )
    step: _Periods | None = Field(
        default=None, description="Periods from one origin to the next; a week's worth, at least one, if absent."
    )
    trials: Annotated[Count, Field(ge=FEWEST_TRIALS, le=MOST_TRIALS)] = Field(
        default=2_000, description="Simulated futures of each forecast that has no exact answer."
    )
    seed: Seed | None = Field(default=None, description="Same seed, same answer; a fresh one if absent.")
    callback_url: CallbackUrl | None = None

    @field_validator("horizons")
    @classmethod
    def _distinct(cls, horizons: list[int] | None) -> list[int] | None:
        if horizons is not None and len(set(horizons)) < len(horizons):
            raise ValueError("Each horizon is asked for once.")
        return horizons

    def settled(self, *, today: date, seed: int) -> Self:
        """Fill in what was left open: samplers, horizons, minimum, step and seed.

        Raises:
            InvalidInput: neither or both of history and project, an all-zero history, a sampler that cannot use it.
        """
        dated = self.with_holidays(today)
        history, timeline, _ = dated.past()
        samplers = self.samplers or _samplers_for(history, timeline)
        chosen = layout(
            history,
            timeline.weeks_per_period,
            horizons=self.horizons or (),
            minimum=self.minimum or self.window,
            step=self.step,
            forecasters=len(samplers) + len(BASELINES),
        )
        return dated.model_copy(
            update={
                "samplers": samplers,
                "horizons": list(chosen.horizons),
                "minimum": chosen.minimum,
                "step": chosen.step,
                "seed": seed if self.seed is None else self.seed,
            }
        )

    def question(self) -> engine.Backtest:
        """Map a resolved request to the engine."""
        if not (self.samplers and self.horizons and self.minimum and self.step) or self.seed is None:
            raise ValueError("A request is resolved before it is asked.")
        history, timeline, caveats = self.past()
        return engine.Backtest(
            history=history,
            forecasters=_forecasters(self.samplers, history, timeline),
            horizons=tuple(self.horizons),
            window=self.window,
            minimum=self.minimum,
            step=self.step,
            trials=self.trials,
            seed=self.seed,
            calendar=self._working(),
            caveats=caveats,
        )

    def past(self) -> tuple[ThroughputHistory, Timeline, tuple[Caveat, ...]]:
        """Find the history, of days the working ones, and the timeline that it lies on.

        Weeks stay as they are: what is known of them at an origin is found there.
        """
        history, calendar = self._history(), self._working()
        if calendar is None:
            return history, timeline_of(history, None), self._left_out
        working, caveats = working_history(history, calendar)
        past = history if history.period == WEEK else working
        return past, timeline_of(past, calendar), caveats + self._left_out


def _samplers_for(history: ThroughputHistory, timeline: Timeline) -> list[Sampler]:
    return [_SAMPLER.validate_python({"kind": each.kind}) for each in samplers_for(history, timeline)]


def _forecasters(samplers: Sequence[Sampler], history: ThroughputHistory, timeline: Timeline) -> tuple[Forecaster, ...]:
    values: list[EngineSampler] = []
    for index, sampler in enumerate(samplers):
        try:
            value = sampler.value()
            value.check(history, timeline)
        except InvalidInput as refusal:
            path = refusal.path[1:] if refusal.path[:1] == ("sampler",) else ()
            raise InvalidInput("samplers", index, *path, code=refusal.code, detail=refusal.detail) from refusal
        values.append(value)
    return named(values)


class BacktestCoverage(Response):
    """How often what was said with this confidence came true."""

    confidence: float
    count: int = Field(description="How often it was said.")
    stated: float = Field(description="Mean probability that the forecasts themselves gave it: whole numbers round up.")
    kept: float = Field(description="Share that came true.")
    low: float = Field(description="From here ...")
    high: float = Field(description="... to here the share is uncertain, at 95 %, for overlapping origins.")


class BacktestLoss(Response):
    """Mean pinball loss of the value promised with this confidence."""

    confidence: float
    loss: float


class BacktestSkill(Response):
    """1 - CRPS / CRPS of a baseline, on the same origins; null if the baseline was never wrong."""

    baseline: str
    skill: float | None


class BacktestRating(Response):
    """What the scores of one forecaster say."""

    crps: float = Field(description="Mean continuous ranked probability score, in items or periods; 0 is perfect.")
    scaled_crps: float | None = Field(description="CRPS / mean of what came; null if nothing ever came.")
    bias: float = Field(description="Mean of median - actual, in items or periods.")
    skill: list[BacktestSkill]
    pinball: list[BacktestLoss]
    promises: list[BacktestCoverage] = Field(description="Items: at least so many. Periods: at most so many.")
    intervals: list[BacktestCoverage] = Field(description="Central intervals.")
    pit: list[float] = Field(description="Histogram of the probability integral transform, ten equal bins.")


class BacktestForecaster(Response):
    """One forecaster at one target."""

    forecaster: str = Field(description="A sampler's kind, or a baseline's name.", examples=["adaptive"])
    forecasts: int
    rating: BacktestRating | None = Field(description="Null where there are too few forecasts to rate.")


class BacktestTarget(Response):
    """What was forecast at each origin, and how well."""

    target: TargetName = Field(description="Items finished in `horizon` periods, or periods to finish a backlog.")
    horizon: int
    origins: int = Field(description="Origins at which it was seen what came.")
    independent_origins: float = Field(description="As many independent ones are they worth, because they overlap.")
    censored: int = Field(description="Backlogs left out, because the history ends before they are finished.")
    forecasters: list[BacktestForecaster]


class BacktestResult(Response):
    """Answer to a backtest."""

    kind: Literal["backtest"]
    origins: int
    idle_origins: int = Field(description="Origins before which nothing was finished, so that nothing was forecast.")
    targets: list[BacktestTarget]
    trials: int
    seed: int
    engine_version: str
    warnings: list[Warning]


def backtest_result(
    request: BacktestRequest, _question: engine.Backtest, answer: engine.BacktestAnswer
) -> BacktestResult:
    """Present the answer to a backtest."""
    if request.seed is None:
        raise ValueError("A request is resolved before it is answered.")
    return BacktestResult(
        kind="backtest",
        origins=answer.origins,
        idle_origins=answer.idle,
        targets=[_target(row) for row in answer.rows],
        trials=request.trials,
        seed=request.seed,
        engine_version=ENGINE_VERSION,
        warnings=[Warning(code=caveat.code, detail=caveat.detail) for caveat in answer.caveats],
    )


def _target(row: engine.Row) -> BacktestTarget:
    return BacktestTarget(
        target=row.target.side,
        horizon=row.target.horizon,
        origins=row.origins,
        independent_origins=row.independent,
        censored=row.censored,
        forecasters=[_forecaster(rated) for rated in row.rated],
    )


def _forecaster(rated: engine.Rated) -> BacktestForecaster:
    rating = None if rated.rating is None else _rating(rated.rating, rated)
    return BacktestForecaster(forecaster=rated.forecaster, forecasts=rated.forecasts, rating=rating)


def _rating(rating: Rating, rated: engine.Rated) -> BacktestRating:
    losses = zip(PROMISES, rating.pinball, strict=True)
    return BacktestRating(
        crps=rating.crps,
        scaled_crps=rating.scaled_crps,
        bias=rating.bias,
        skill=[BacktestSkill(baseline=name, skill=value) for name, value in rated.skill.items()],
        pinball=[BacktestLoss(confidence=confidence, loss=loss) for confidence, loss in losses],
        promises=[_coverage(each) for each in rating.promises],
        intervals=[_coverage(each) for each in rating.intervals],
        pit=list(rating.pit),
    )


def _coverage(coverage: Coverage) -> BacktestCoverage:
    return BacktestCoverage(
        confidence=coverage.confidence,
        count=coverage.count,
        stated=coverage.stated,
        kept=coverage.kept,
        low=coverage.low,
        high=coverage.high,
    )
