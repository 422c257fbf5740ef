"""Pydantic's errors in the API's words: a JSON Pointer, a stable code, a sentence that echoes no input."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flow_forecaster.schemas.problems import FieldError

MOST_ERRORS = 20
_MOST_SEGMENT = 64

_CODES: Mapping[str, str] = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "greater_than": "out_of_range",
    "greater_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "finite_number": "out_of_range",
    "too_short": "too_short",
    "too_long": "too_long",
    "string_too_short": "too_short",
    "string_too_long": "too_long",
    "literal_error": "unknown_value",
    "union_tag_invalid": "unknown_value",
    "union_tag_not_found": "missing",
    "uuid_parsing": "invalid_id",
    "json_invalid": "malformed_json",
    "value_error": "invalid_value",
}
_DETAILS: Mapping[str, str] = {
    "extra_forbidden": "There is no such field.",
    "union_tag_invalid": "The kind is not one that is known here.",
    "union_tag_not_found": "A kind is needed.",
    "missing": "This field is needed.",
    "uuid_parsing": "This is not a UUID.",
}


def field_errors(errors: Sequence[Mapping[str, Any]], body: Any) -> list[FieldError]:
    """Translate validation errors on a request whose parsed body is `body`, at most 20 of them, each once."""
    translated = {(error.pointer, error.code): error for error in (_field_error(item, body) for item in errors)}
    return list(translated.values())[:MOST_ERRORS]


def pointer(path: Iterable[str | int]) -> str:
    """Write a path as a JSON Pointer (RFC 6901)."""
    return "".join("/" + _escaped(segment) for segment in path)


def _field_error(error: Mapping[str, Any], body: Any) -> FieldError:
    kind = str(error["type"])
    return FieldError(
        pointer=pointer(_path(error["loc"], kind, body)),
        code=_CODES.get(kind, "invalid_type" if kind.endswith(("_type", "_parsing")) else "invalid_value"),
        detail=_detail(error, kind),
    )


def _detail(error: Mapping[str, Any], kind: str) -> str:
    if kind == "value_error":
        return str(error["ctx"]["error"])
    return _DETAILS.get(kind) or str(error["msg"]) + "."


def _path(location: Sequence[str | int], kind: str, body: Any) -> list[str | int]:
    """Drop what pydantic adds to a location: where it looked, and which member of a union it tried."""
    if not location or location[0] != "body":
        return list(location[1:])
    path: list[str | int] = []
    here = body
    for index, segment in enumerate(location[1:], start=2):
        if isinstance(here, Mapping) and segment in here:
            here = here[segment]
        elif isinstance(here, list) and isinstance(segment, int) and segment < len(here):
            here = here[segment]
        elif not (kind == "missing" and index == len(location)):
            continue
        path.append(segment)
    return [*path, "kind"] if kind.startswith("union_tag") else path


def _escaped(segment: str | int) -> str:
    text = str(segment)[:_MOST_SEGMENT].replace("~", "~0").replace("/", "~1")
    return text.encode("utf-8", "replace").decode()
