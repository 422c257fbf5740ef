"""Requests for a backtest: what is taken, and what is refused where."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from flow_forecaster.schemas.backtest import LONGEST_HORIZON, MOST_TRIALS, BacktestRequest
from flow_forecaster.schemas.kinds import ForecastRequest

ADAPTER: TypeAdapter[Any] = TypeAdapter(ForecastRequest)
HISTORY = {"throughput": [5, 6, 7, 4, 8, 6, 5], "period": "week"}


def asked(**fields: Any) -> Any:
    return ADAPTER.validate_python({"kind": "backtest", "history": HISTORY} | fields)


def test_a_history_is_all_that_is_needed() -> None:
    request = asked()
    assert isinstance(request, BacktestRequest)
    assert (request.samplers, request.horizons, request.window, request.trials) == (None, None, None, 2_000)


def test_null_is_absent() -> None:
    assert asked(samplers=None, horizons=None, window=None, minimum=None, step=None, seed=None) == asked()


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"horizons": []}, "horizons"),
        ({"horizons": [0]}, "horizons"),
        ({"horizons": [4, 4]}, "horizons"),
        ({"horizons": [LONGEST_HORIZON + 1]}, "horizons"),
        ({"horizons": list(range(1, 12))}, "horizons"),
        ({"horizons": [1.5]}, "horizons"),
        ({"horizons": [True]}, "horizons"),
        ({"samplers": []}, "samplers"),
        ({"samplers": [{"kind": "dice"}]}, "samplers"),
        ({"samplers": [{"kind": "bootstrap"}] * 11}, "samplers"),
        ({"window": 0}, "window"),
        ({"minimum": -1}, "minimum"),
        ({"minimum": 10_001}, "minimum"),
        ({"step": 0}, "step"),
        ({"trials": 99}, "trials"),
        ({"trials": MOST_TRIALS + 1}, "trials"),
        ({"seed": -1}, "seed"),
        ({"scope": {"items": 5}}, "scope"),
        ({"confidence": [0.5]}, "confidence"),
        ({"start": "2026-01-01"}, "start"),
        ({"method": "exact"}, "method"),
        ({"sampler": {"kind": "adaptive"}}, "sampler"),
    ],
)
def test_what_is_not_allowed_is_refused_where_it_stands(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError) as caught:
        asked(**fields)
    assert {error["loc"][1] for error in caught.value.errors()} == {place}


def test_a_request_is_resolved_before_it_is_asked() -> None:
    with pytest.raises(ValueError, match="resolved"):
        asked().question()
