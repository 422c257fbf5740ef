"""What the user can mend, in one line."""

from pydantic import ValidationError

from flow_forecaster.cli.inputs import InputError
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.errors import ServiceError
from flow_forecaster.routers.pointers import field_detail
from flow_forecaster.settings import PREFIX, Settings

_OPTIONS = {
    "scope": "--items",
    "deadline": "--by",
    "until": "--until",
    "periods": "--periods",
    "confidence": "--confidence",
    "trials": "--trials",
    "seed": "--seed",
    "start": "--start",
    "sampler": "--sampler",
    "method": "--method",
}


class Refused(Exception):
    """A command that cannot do what was asked; its text is the line to print."""


def complaint(error: Exception) -> str | None:
    """Write the line for an error that the user can mend, or None for a defect of ours."""
    if isinstance(error, InputError | Refused | ServiceError | OSError):
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
    return _at(first["loc"], field_detail(first))


def _at(path: tuple[str | int, ...], detail: str) -> str:
    names = [str(part) for part in path]
    known = [_OPTIONS[name] for name in names if name in _OPTIONS]
    return f"{known[0] if known else '.'.join(names)}: {detail}" if names else detail
