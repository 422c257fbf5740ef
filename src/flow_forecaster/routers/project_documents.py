"""What the OpenAPI document says of a team's data beyond the schemas."""

from fastapi.openapi.models import Example

from flow_forecaster.routers.documents import Responses, problem

UNCHANGED: Responses = {304: {"description": "Unchanged."}}
CHANGED: Responses = {412: problem("It has been changed since the caller saw it.")}
UNSEEN: Responses = {428: problem("If-Match is needed.")}
PROJECT_EXAMPLES: dict[str, Example] = {
    "weeks": Example(
        summary="A team that counts weeks",
        value={"name": "Checkout", "team_size": 6, "time_zone": "Europe/Berlin", "tags": ["payments"]},
    ),
    "sprints": Example(
        summary="A team with sprints of ten working days",
        value={
            "name": "Search",
            "period": {"days": 10},
            "period_start": "2026-11-02",
            "calendar": {"country": "DE", "subdivision": "BE"},
        },
    ),
}
ITEM_EXAMPLES: dict[str, Example] = {
    "finished": Example(
        summary="A story that is finished",
        value={
            "title": "Pay by card",
            "type": "Story",
            "tags": ["payments"],
            "created": "2026-10-12",
            "started": "2026-10-19",
            "finished": "2026-10-23",
            "size": 3,
        },
    ),
}
HISTORY_EXAMPLES: dict[str, Example] = {
    "weeks": Example(
        summary="Four weeks, one of them idle",
        value={
            "rows": [
                {"date": "2026-10-05", "completed": 5},
                {"date": "2026-10-12", "completed": 7},
                {"date": "2026-10-19", "completed": 0},
                {"date": "2026-10-26", "completed": 6},
            ]
        },
    ),
}
