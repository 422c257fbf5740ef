"""Every operation of openapi.json, and what a good request of it is: for whoever asks each of them something."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from routers.asking import FORECASTS, body

DOCUMENT = json.loads((Path(__file__).parents[2] / "openapi.json").read_text(encoding="utf-8"))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
PUBLIC = {"GET /healthz", "GET /readyz", "GET /metrics"}
KEYS, ENDPOINTS, PROJECTS = "/v1/api-keys", "/v1/webhook-endpoints", "/v1/projects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a good request of an operation is: which of the ids it names, its body, and what else it carries."""

    names: str | None = None
    sends: dict[str, Any] | list[dict[str, Any]] | None = None
    carries: dict[str, str] = field(default_factory=dict)
    asks: str = ""


LONG_AGO = body(start="2024-01-01")
LINES = {"Content-Type": "application/x-ndjson"}
_HEAD = {"record": "export", "format": "flow-forecaster-export", "version": 1, "service_version": "0"}
_NONE = dict.fromkeys(("projects", "work_items", "history_rows", "forecasts", "webhook_endpoints"), 0)
EMPTY = [
    _HEAD | {"exported_at": "2026-01-01T00:00:00Z"},
    {"record": "end", "unfinished_forecasts_left_out": 0} | _NONE,
]
REQUESTS: dict[str, Known] = {
    f"POST {FORECASTS}": Known(sends=LONG_AGO),
    f"GET {FORECASTS}": Known(),
    f"GET {FORECASTS}/{{forecast_id}}": Known(names="forecast"),
    f"GET {FORECASTS}/{{forecast_id}}/events": Known(names="forecast"),
    f"GET {FORECASTS}/{{forecast_id}}/comparison": Known(names="forecast", asks="?with={forecast_id}"),
    f"POST {FORECASTS}/{{forecast_id}}/cancel": Known(names="forecast"),
    f"DELETE {FORECASTS}/{{forecast_id}}": Known(names="forecast"),
    f"PUT {FORECASTS}/{{forecast_id}}/actual": Known(names="forecast", sends={"finished_on": "2024-03-04"}),
    f"DELETE {FORECASTS}/{{forecast_id}}/actual": Known(names="forecast"),
    f"POST {PROJECTS}": Known(sends={"name": "asked for"}),
    f"GET {PROJECTS}": Known(),
    f"GET {PROJECTS}/{{project_id}}": Known(names="project"),
    f"PUT {PROJECTS}/{{project_id}}": Known(names="project", sends={"name": "changed"}, carries={"If-Match": "*"}),
    f"DELETE {PROJECTS}/{{project_id}}": Known(names="project"),
    f"GET {PROJECTS}/{{project_id}}/work-items": Known(names="project"),
    f"DELETE {PROJECTS}/{{project_id}}/work-items": Known(names="project"),
    f"GET {PROJECTS}/{{project_id}}/work-items/{{item_id}}": Known(names="project"),
    f"PUT {PROJECTS}/{{project_id}}/work-items/{{item_id}}": Known(names="project", sends={"title": "changed"}),
    f"DELETE {PROJECTS}/{{project_id}}/work-items/{{item_id}}": Known(names="project"),
    f"POST {PROJECTS}/{{project_id}}/imports": Known(
        names="project", sends={"items": [{"id": "PAY-2", "finished": "2026-01-05"}]}
    ),
    f"GET {PROJECTS}/{{project_id}}/imports/{{import_id}}": Known(names="import"),
    f"GET {PROJECTS}/{{project_id}}/imports/{{import_id}}/events": Known(names="import"),
    f"POST {PROJECTS}/{{project_id}}/imports/{{import_id}}/cancel": Known(names="import"),
    f"GET {PROJECTS}/{{project_id}}/history": Known(names="project"),
    f"PUT {PROJECTS}/{{project_id}}/history": Known(names="project", sends={"rows": []}),
    f"GET {PROJECTS}/{{project_id}}/throughput": Known(names="project"),
    f"GET {PROJECTS}/{{project_id}}/accuracy": Known(names="project"),
    "GET /v1/accuracy": Known(),
    f"POST {PROJECTS}/{{project_id}}/actuals": Known(names="project"),
    f"GET {PROJECTS}/{{project_id}}/flow-metrics": Known(names="project"),
    f"GET {PROJECTS}/{{project_id}}/process-behavior-chart": Known(names="project"),
    f"GET {PROJECTS}/{{project_id}}/trend": Known(names="project"),
    f"POST {ENDPOINTS}": Known(sends={"url": "https://receiver.example/"}),
    f"GET {ENDPOINTS}": Known(),
    f"POST {ENDPOINTS}/callbacks/rotate-secret": Known(sends={}),
    f"GET {ENDPOINTS}/{{endpoint_id}}": Known(names="endpoint"),
    f"PATCH {ENDPOINTS}/{{endpoint_id}}": Known(names="endpoint", sends={"description": "changed"}),
    f"DELETE {ENDPOINTS}/{{endpoint_id}}": Known(names="endpoint"),
    f"POST {ENDPOINTS}/{{endpoint_id}}/rotate-secret": Known(names="endpoint", sends={}),
    f"POST {ENDPOINTS}/{{endpoint_id}}/test": Known(names="endpoint"),
    f"GET {ENDPOINTS}/{{endpoint_id}}/deliveries": Known(names="endpoint"),
    f"GET {ENDPOINTS}/{{endpoint_id}}/deliveries/{{delivery_id}}": Known(names="endpoint"),
    f"POST {ENDPOINTS}/{{endpoint_id}}/deliveries/{{delivery_id}}/redeliver": Known(names="endpoint"),
    **{
        f"GET {PROJECTS}/{{project_id}}/{name}.{{form}}": Known(names="project")
        for name in ("work-items", "throughput", "flow-metrics", "cycle-times", "process-behavior-chart", "accuracy")
    },
    f"GET {PROJECTS}/{{project_id}}/history.{{form}}": Known(names="project"),
    f"GET {FORECASTS}/{{forecast_id}}/export.{{form}}": Known(names="forecast"),
    f"GET {FORECASTS}.{{form}}": Known(names=""),
    "GET /v1/accuracy.{form}": Known(names=""),
    "GET /v1/export": Known(),
    "POST /v1/restore": Known(sends=EMPTY, carries=LINES),
    f"POST {KEYS}": Known(sends={"name": "made", "scopes": ["forecasts:read"]}),
    f"GET {KEYS}": Known(),
    f"GET {KEYS}/{{key_id}}": Known(names="key"),
    f"POST {KEYS}/{{key_id}}/rotate": Known(names="key", sends={}),
    f"POST {KEYS}/{{key_id}}/revoke": Known(names="key"),
}
