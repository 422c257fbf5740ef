"""What the OpenAPI document says beyond the schemas: examples, and the problems of each operation."""

from typing import Any

from fastapi.openapi.models import Example

from flow_forecaster.schemas.problems import PROBLEM_TYPE

Responses = dict[int | str, dict[str, Any]]
_SCHEMA = {"$ref": "#/components/schemas/Problem"}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": _SCHEMA}}}


INVALID: Responses = {
    400: _problem("The body is not JSON."),
    413: _problem("The body is too large."),
    415: _problem("The body is not sent as JSON."),
    422: _problem("The request cannot be answered; `errors` names the fields."),
}
NOT_FOUND: Responses = {404: _problem("There is no such forecast.")}
DATABASE_DOWN: Responses = {
    500: _problem("A defect of the service."),
    503: _problem("The database cannot be reached; nothing was stored."),
}

_HISTORY = {"throughput": [5, 6, 7, 4, 8, 6, 5], "period": "week"}
CREATE_EXAMPLES: dict[str, Example] = {
    "when": Example(
        summary="When will 50 items be done?",
        value={"kind": "when", "history": _HISTORY, "scope": {"items": 50}, "start": "2026-11-23", "seed": 42},
    ),
    "how_many": Example(
        summary="How many items by the end of the year?",
        value={"kind": "how_many", "history": _HISTORY, "start": "2026-11-23", "until": "2027-01-03", "seed": 42},
    ),
    "deadline": Example(
        summary="Will 30 items be done by the end of January?",
        value={
            "kind": "deadline",
            "history": _HISTORY,
            "scope": {"items": 30},
            "start": "2026-11-23",
            "deadline": "2027-01-31",
            "seed": 42,
        },
    ),
}
