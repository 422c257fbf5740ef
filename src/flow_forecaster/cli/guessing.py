"""--pace: a guess at the items of a period, for a team without a history."""

from typing import Any

from flow_forecaster.cli.inputs import parse_period
from flow_forecaster.cli.texts import Refused
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.engine.parametric import Triangular

_KIND = Triangular.kind


def sampler(name: str | None, pace: str | None, period: str | None) -> dict[str, Any]:
    """Write the sampler of a request: the one named, the default, or the guess that --pace makes.

    Raises:
        Refused: --pace together with another sampler, that sampler without --pace, or no three numbers in order.
        InputError: no such period.
    """
    if pace is None:
        if name == _KIND:
            raise Refused(f"--sampler {_KIND} needs --pace LOW,LIKELY,HIGH")
        return {"kind": name or "adaptive"}
    if name not in {None, _KIND}:
        raise Refused(f"--pace draws from a guess, and {name} from a history: give one or the other")
    chosen = parse_period(period or "week")
    return {"kind": _KIND, **_paces(pace), "period": {"days": chosen} if isinstance(chosen, int) else chosen}


def _paces(text: str) -> dict[str, float]:
    try:
        low, likely, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise Refused(f"--pace: '{text}' is not three numbers such as 0.5,2,6") from error
    try:
        Triangular(low=low, likely=likely, high=high)
    except InvalidInput as error:
        raise Refused(f"--pace: {error.detail}") from error
    return {"low": low, "likely": likely, "high": high}
