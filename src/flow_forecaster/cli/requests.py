"""A request of the API from a file: every kind of forecast, however nested, without a service."""

import sys

from pydantic import ValidationError

from flow_forecaster.cli.forecasting import answer
from flow_forecaster.cli.texts import Refused, read_json
from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.routers.pointers import field_errors, pointer


def forecast(source: str, *, json: bool, csv: bool = False) -> None:
    """Answer the request in the file `source`, or in standard input when it is "-".

    Raises:
        InputError: it cannot be read, or is not JSON.
        Refused: the request cannot be answered; the line names the field by its JSON Pointer, as the API does.
    """
    body = read_json(source, stdin=sys.stdin.buffer)
    name = "standard input" if source == "-" else source
    try:
        answer(body, notes=(), json=json, csv=csv)
    except InvalidInput as error:
        raise Refused(_line(name, pointer(error.path), error.detail)) from error
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False, include_input=False)]
        (first, *_) = field_errors(found, body)
        raise Refused(_line(name, first.pointer, first.detail)) from error


def _line(name: str, where: str, detail: str) -> str:
    return f"{name}: {where}: {detail}" if where else f"{name}: {detail}"
