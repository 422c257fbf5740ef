"""What the OpenAPI document says beyond the schemas: examples, and the problems of each operation."""

from typing import Any

from fastapi.openapi.models import Example

from flow_forecaster.schemas.problems import PROBLEM_TYPE

Responses = dict[int | str, dict[str, Any]]
_SCHEMA = {"$ref": "#/components/schemas/Problem"}


def problem(description: str) -> dict[str, Any]:
    """Describe a status that is told by a problem."""
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": _SCHEMA}}}


def header(name: str, description: str, **bounds: int) -> dict[str, Any]:
    """Describe a header that a route reads for itself."""
    schema = {"type": "string", "title": name.title(), **bounds}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


INVALID: Responses = {
    400: problem("The body is empty, or cannot be read as JSON; `detail` says why."),
    413: problem("The body is too large."),
    415: problem("The body is not sent as JSON."),
    422: problem("The request cannot be answered; `errors` names the fields."),
}
REFUSED: Responses = {
    401: problem("No key was sent, or it is not accepted."),
    403: problem("The key does not allow this."),
    429: problem("The key has used up its rate, or too much of the tenant waits already; `code` says which."),
    431: problem("The address and the headers are too long."),
}
CONFLICT: Responses = {409: problem("Not as things are; `code` says what is in the way.")}
NOT_FOUND: Responses = {404: problem("There is none with this id.")}
EVENT_STREAM = "ForecastEventStream"
EVENTS: Responses = {
    200: {
        "description": "Events as they come: the standing at first, and then each change.",
        "content": {"text/event-stream": {"schema": {"$ref": f"#/components/schemas/{EVENT_STREAM}"}}},
    },
    204: {"description": "The forecast has ended, and Last-Event-ID names its end: do not come back."},
}
DATABASE_DOWN: Responses = {
    500: problem("A defect of the service."),
    503: problem("The database cannot be reached; nothing was stored."),
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
    "milestones": Example(
        summary="Which of three features are done by the middle of January?",
        value={
            "kind": "milestones",
            "history": _HISTORY,
            "features": [
                {"name": "Sign-in", "scope": {"items": 12}},
                {"name": "Search", "scope": {"items": {"low": 10, "likely": 14, "high": 24}}},
                {"name": "Reports", "scope": {"items": 12}, "waits_for": ["Search"]},
            ],
            "start": "2026-11-23",
            "deadline": "2027-01-17",
            "seed": 42,
        },
    ),
    "teams": Example(
        summary="When have two teams delivered, one of which waits for the other?",
        value={
            "kind": "teams",
            "teams": [
                {"name": "Platform", "history": _HISTORY, "features": [{"name": "Accounts", "scope": {"items": 12}}]},
                {
                    "name": "App",
                    "history": {"throughput": [3, 5, 2, 0, 4, 6, 3, 4, 5], "period": "week"},
                    "wip_limit": 2,
                    "features": [
                        {"name": "Sign-in", "scope": {"items": 10}, "waits_for": ["Accounts"]},
                        {"name": "Search", "scope": {"items": 14}},
                    ],
                },
            ],
            "start": "2026-11-23",
            "deadline": "2027-01-31",
            "seed": 42,
        },
    ),
    "cost": Example(
        summary="Will 50 items cost at most 280,000, and be done by the end of January?",
        value={
            "kind": "cost",
            "history": _HISTORY,
            "scope": {"items": 50},
            "capacity": {"team_size": 6},
            "costs": {
                "per_contributor_period": 4000,
                "fixed": 20000,
                "delay": {"per_period": 5000, "after": "2027-01-17"},
            },
            "budget": 280000,
            "start": "2026-11-23",
            "deadline": "2027-01-31",
            "seed": 42,
        },
    ),
    "cost_estimates": Example(
        summary="What do three-point estimates come to?",
        value={
            "kind": "cost",
            "estimates": [
                {"name": "hardware", "low": 12000, "likely": 15000, "high": 30000},
                {"name": "migration", "low": 20000, "likely": 26000, "high": 60000},
            ],
            "budget": 60000,
            "seed": 42,
        },
    ),
    "item": Example(
        summary="When is an item finished that was started a week ago?",
        value={
            "kind": "item",
            "cycle_times": [1, 3, 2, 8, 5, 1, 13, 4, 6, 2, 9, 3, 21, 5, 7, 2, 4, 11, 6, 3],
            "started": "2026-11-16",
            "start": "2026-11-23",
            "deadline": "2026-11-27",
        },
    ),
    "what_if": Example(
        summary="What would fewer items or a settled risk change, and which input matters most?",
        value={
            "kind": "what_if",
            "history": _HISTORY,
            "scope": {"items": {"low": 40, "high": 60}},
            "risks": [{"name": "audit", "probability": 0.3, "items": {"low": 5, "high": 15}}],
            "variations": [
                {"name": "ten items less", "change": {"scope": {"items": {"low": 30, "high": 50}}}},
                {"name": "no audit", "change": {"risks": []}},
            ],
            "sensitivity": True,
            "start": "2026-11-23",
            "deadline": "2027-01-31",
            "trials": 10000,
            "seed": 42,
        },
    ),
    "backtest": Example(
        summary="Would forecasts of the next week have come true on this history?",
        value={
            "kind": "backtest",
            "history": {
                "throughput": [5, 6, 7, 4, 8, 6, 5, 9, 3, 7, 6, 0, 5, 8, 7, 6, 4, 9, 6, 5, 7, 8, 3, 6],
                "period": "week",
            },
            "samplers": [{"kind": "adaptive"}, {"kind": "bootstrap"}],
            "horizons": [1],
            "minimum": 4,
            "seed": 42,
        },
    ),
}
KEY_EXAMPLES: dict[str, Example] = {
    "reader": Example(
        summary="A key for a dashboard, for a year",
        value={"name": "dashboard", "scopes": ["forecasts:read"], "expires_in_days": 365},
    ),
}
ENDPOINT_EXAMPLES: dict[str, Example] = {
    "local": Example(
        summary="A receiver on the same machine",
        value={"url": "http://127.0.0.1:9000/hook", "events": ["forecast.succeeded", "forecast.failed"]},
    ),
}
CHANGE_EXAMPLES: dict[str, Example] = {
    "off": Example(summary="Send nothing for a while", value={"enabled": False}),
}
ROTATION_EXAMPLES: dict[str, Example] = {
    "hour": Example(summary="The secret before is good for an hour more", value={"overlap_hours": 1}),
}
