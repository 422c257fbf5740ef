"""What the user can mend, in one line."""

from pydantic import ValidationError

from flow_forecaster.cli.texts import Refused
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.errors import DatabaseUnavailable, ServiceError
from flow_forecaster.persistence.migrations import CannotMigrate
from flow_forecaster.routers.pointers import field_detail
from flow_forecaster.settings import PREFIX, Settings

_OPTIONS = {
    "scope": "--items",
    "split_rate": "--split",
    "growth": "--growth",
    "risks": "--risk",
    "focus": "--focus",
    "deadline": "--by",
    "until": "--until",
    "periods": "--periods",
    "confidence": "--confidence",
    "trials": "--trials",
    "seed": "--seed",
    "start": "--start",
    "sampler": "--sampler",
    "samplers": "--samplers",
    "horizon": "--horizon",
    "horizons": "--horizons",
    "window": "--window",
    "minimum": "--minimum",
    "step": "--step",
    "method": "--method",
    "budget": "--budget",
    "fixed": "--fixed",
    "per_contributor_period": "--rate",
    "team_size": "--team",
    "delay": "--delay",
    "phases": "--phase",
    "baseline": "--baseline",
    "form": "--median",
    "period_start": "--period-start",
    "weekdays": "--weekdays",
    "days_off": "--day-off",
    "shutdowns": "--shutdown",
    "country": "--country",
    "subdivision": "--country",
    "ramp": "--ramp",
    "changes": "--change",
    "months": "--month",
    "lead_time": "--cold-start or --tail",
}


def complaint(error: Exception) -> str | None:
    """Write the line for an error that the user can mend, or None for a defect of ours."""
    if isinstance(error, DatabaseUnavailable) and error.__cause__ is not None:
        return f"{error} ({getattr(error.__cause__, 'orig', error.__cause__)})"
    if isinstance(error, Refused | ServiceError | CannotMigrate | OSError):
        return str(error)
    if isinstance(error, InvalidInput):
        return _at(error.path, error.detail)
    if isinstance(error, ValidationError):
        return _first(error)
    return None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    if error.title == Settings.__name__:
        reason = str(first["msg"]).removeprefix("Value error, ")
        name = "_".join(str(part) for part in first["loc"]).upper()
        return f"{PREFIX}{name}: {reason}" if name else f"{PREFIX}{reason}"
    is_of_a_kind = error.title.startswith("tagged-union")  # then the first part is the kind of forecast
    return _at(first["loc"][1:] if is_of_a_kind else first["loc"], field_detail(first))


def _at(path: tuple[str | int, ...], detail: str) -> str:
    names = [str(part) for part in path]
    known = [_OPTIONS[name] for name in names if name in _OPTIONS]
    outer = names[:1] == ["risks"] or "changes" in names  # what lies deeper has options of other names
    option = known[0] if outer and known else known[-1] if known else ".".join(names)
    return f"{option}: {detail}" if names else detail
