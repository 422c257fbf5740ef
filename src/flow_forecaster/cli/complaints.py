"""What the user can mend, in one line."""

from pydantic import ValidationError

from flow_forecaster.cli.inputs import InputError
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.errors import ServiceError
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
    if isinstance(error, InputError | Refused | ServiceError):
        return str(error)
    if isinstance(error, InvalidInput):
        return f"{_option(error.path)}: {error.detail}"
    if isinstance(error, ValidationError):
        return _first(error)
    return None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    reason = str(first["msg"]).removeprefix("Value error, ")
    if error.title == Settings.__name__:
        name = "_".join(str(part) for part in first["loc"]).upper()
        return f"{PREFIX}{name}: {reason}" if name else f"{PREFIX}{reason}"
    return f"{_option(first['loc'])}: {reason}"


def _option(path: tuple[str | int, ...]) -> str:
    names = [str(part) for part in path]
    known = [_OPTIONS[name] for name in names if name in _OPTIONS]
    return known[0] if known else ".".join(names)
