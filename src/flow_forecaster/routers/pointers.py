"""Pydantic's errors in the API's words: a JSON Pointer, a stable code, a sentence that echoes no input."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any

from flow_forecaster.schemas.problems import FieldError

MOST_ERRORS = 20
_MOST_SEGMENTS, _MOST_SEGMENT = 16, 64

_CODES: Mapping[str, str] = {
    "missing": "missing",
    "not_removable": "not_removable",
    "extra_forbidden": "unknown_field",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
    "too_short": "too_short",
    "too_long": "too_long",
    "too_many_fields": "too_many_fields",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "literal_error": "unknown_value",
    "union_tag_invalid": "unknown_value",
    "union_tag_not_found": "missing",
    "uuid_parsing": "invalid_id",
    "value_error": "invalid_value",
    "control_characters": "control_characters",
    "invalid_date": "invalid_date",
    "date_from_datetime_parsing": "invalid_date",
    "date_parsing": "invalid_date",
}
_DETAILS: Mapping[str, str] = {
    "extra_forbidden": "There is no such field.",
    "union_tag_not_found": "A kind is needed.",
    "missing": "This field is needed.",
    "uuid_parsing": "This is not a UUID.",
    "model_type": "An object is needed here.",
    "model_attributes_type": "An object is needed here.",
    "dict_type": "An object is needed here.",
    "list_type": "A list is needed here.",
    "int_type": "A whole number is needed here.",
    "int_from_float": "A whole number is needed here.",
    "int_parsing": "A whole number is needed here.",
    "float_type": "A number is needed here.",
    "float_parsing": "A number is needed here.",
    "date_from_datetime_parsing": "There is no such date.",
    "date_parsing": "There is no such date.",
    "finite_number": "A finite number is needed here.",
}
_COUNTED: Mapping[str, str] = {
    "too_short": "At least {min_length} {things} needed here.",
    "too_long": "At most {max_length} {things} taken here.",
    "string_too_short": "At least {min_length} {things} needed here.",
    "string_too_long": "At most {max_length} {things} taken here.",
}
_DATE = re.compile(r"datetime\.date\((\d+), (\d+), (\d+)\)")


def field_errors(errors: Sequence[Mapping[str, Any]], body: Any) -> list[FieldError]:
    """Translate validation errors on a request whose parsed body is `body`, at most 20 of them, one a field."""
    translated = {error.pointer: error for error in (_field_error(item, body) for item in reversed(errors))}
    # A union of names and objects complains once for each; the complaint within the object is the one to tell.
    parents = {pointer.rpartition("/")[0] for pointer in translated}
    told = [error for error in translated.values() if error.code != "unknown_value" or error.pointer not in parents]
    return told[::-1][:MOST_ERRORS]


def field_detail(error: Mapping[str, Any]) -> str:
    """Say what is wrong, in words that echo no input."""
    kind = str(error["type"])
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "union_tag_invalid":
        return f"There is no such kind here; known are {error['ctx']['expected_tags']}."
    if kind in _COUNTED:
        return _counted(kind, error["ctx"])
    return _DETAILS.get(kind) or _DATE.sub(_iso, str(error["msg"])) + "."


def pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON Pointer (RFC 6901); one that is too long leads to what holds its end."""
    return "".join("/" + _escaped(segment) for segment in islice(path, _MOST_SEGMENTS))


def _counted(kind: str, bounds: Mapping[str, Any]) -> str:
    one, several = ("character is", "characters are") if kind.startswith("string") else ("entry is", "entries are")
    bound = bounds["max_length" if kind.endswith("long") else "min_length"]
    return _COUNTED[kind].format(**bounds, things=one if bound == 1 else several)


def _iso(found: re.Match[str]) -> str:
    """Write a date as the API does; pydantic tells its bounds as Python writes them."""
    return date(*map(int, found.groups())).isoformat()


def _field_error(error: Mapping[str, Any], body: Any) -> FieldError:
    kind = str(error["type"])
    path = _path(error["loc"], kind, body)
    if kind == "union_tag_invalid" and _value(body, path) is None:  # null is absent
        kind = "union_tag_not_found"
    return FieldError(
        pointer=pointer(path),
        code=_CODES.get(kind, "invalid_type" if kind.endswith(("_type", "_parsing")) else "invalid_value"),
        detail=field_detail({**error, "type": kind}),
    )


def _path(location: Sequence[str | int], kind: str, body: Any) -> list[str | int]:
    """Drop what pydantic adds to a location: where it looked, and which member of a union it tried."""
    if not location or location[0] != "body":
        return list(location[1:])
    path: list[str | int] = []
    here, inside = body, False
    for segment in location[1:-1] if kind == "missing" else location[1:]:
        if not inside and isinstance(here, Mapping) and here.get("kind") == segment:
            inside = True  # the member of the union; `deadline` is the name of a field, too
        elif _has(here, segment):
            path.append(segment)
            here, inside = here[segment], False
    if kind == "missing" and len(location) > 1:
        path.append(location[-1])
    return [*path, "kind"] if kind.startswith("union_tag") else path


def _value(body: Any, path: Sequence[str | int]) -> Any:
    for segment in path:
        body = body[segment]
    return body


def _has(value: Any, segment: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(segment, int) and segment < len(value)
    return isinstance(value, Mapping) and segment in value


def _escaped(segment: str | int) -> str:
    text = str(segment)[:_MOST_SEGMENT].replace("~", "~0").replace("/", "~1")
    return text.encode("utf-8", "replace").decode()
