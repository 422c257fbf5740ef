"""Complete FastAPI's OpenAPI document for generators: problems everywhere, nothing that nobody sends."""

from typing import Any, get_args

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from flow_forecaster.engine.plan import Draws
from flow_forecaster.metrics.process_behavior import Form, Side
from flow_forecaster.metrics.seasons import Cycle
from flow_forecaster.routers.access import SCHEME
from flow_forecaster.routers.documents import EVENT_STREAM, REFUSED
from flow_forecaster.routers.exports import EXPORT_FILE
from flow_forecaster.routers.imports import IMPORT_FILE
from flow_forecaster.routers.messages import describe
from flow_forecaster.routers.tables import CSV_FILE, XLSX_FILE
from flow_forecaster.schemas.accuracy import ScoredKind, Verdict
from flow_forecaster.schemas.actuals import ActualSource
from flow_forecaster.schemas.api_keys import Scope
from flow_forecaster.schemas.backtest import TargetName
from flow_forecaster.schemas.capacities import Applies
from flow_forecaster.schemas.exports import EXPORT_MEDIA
from flow_forecaster.schemas.fields import MethodName
from flow_forecaster.schemas.histories import PeriodName, Weekday
from flow_forecaster.schemas.imports import ColumnRole, DateFormat
from flow_forecaster.schemas.kinds import KindName
from flow_forecaster.schemas.movements import MovedBy
from flow_forecaster.schemas.problems import Problem
from flow_forecaster.schemas.records import Status
from flow_forecaster.schemas.results import MethodUsed
from flow_forecaster.schemas.selections import Source
from flow_forecaster.schemas.tables import TableForm
from flow_forecaster.schemas.trend import Change
from flow_forecaster.schemas.webhooks import DeliveryStatus, EndpointEvent, EndStatus, EventType, ForecastEvent
from flow_forecaster.schemas.what_ifs import InputName
from flow_forecaster.schemas.work_items import State

# Unions that stand inline in FastAPI's document: their name, and the schema and field that hold them.
_UNIONS = (("ForecastRequest", "Forecast", "request"), ("ForecastResult", "Forecast", "result"))
_ENUMS: dict[str, tuple[str, ...]] = {
    "AccuracyVerdict": get_args(Verdict),
    "ActualSource": get_args(ActualSource),
    "ApiKeyScope": get_args(Scope),
    "WebhookDeliveryStatus": get_args(DeliveryStatus),
    "WebhookEventType": get_args(EventType),
    "ForecastEvent": get_args(ForecastEvent),
    "ForecastEnd": get_args(EndStatus),
    "EndpointEvent": get_args(EndpointEvent),
    "BacktestTargetName": get_args(TargetName),
    "ForecastKind": get_args(KindName),
    "ForecastStatus": get_args(Status),
    "ChartForm": get_args(Form),
    "ChartSignalSide": get_args(Side),
    "LeadTimeApplies": get_args(Applies),
    "Method": get_args(MethodName),
    "MethodUsed": get_args(MethodUsed),
    "MovedBy": get_args(MovedBy),
    "PeriodName": get_args(PeriodName),
    "PlanDraws": get_args(Draws),
    "DateFormat": get_args(DateFormat),
    "ImportColumnRole": get_args(ColumnRole),
    "HistorySource": get_args(Source),
    "WorkItemState": get_args(State),
    "ScoredKind": get_args(ScoredKind),
    "SeasonCycle": get_args(Cycle),
    "SensitivityInput": get_args(InputName),
    "TableForm": get_args(TableForm),
    "ThroughputChange": get_args(Change),
    "Weekday": get_args(Weekday),
}
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "ff_<environment>_<id>_<secret>",
    "description": "An API key. Each operation names the scope that it must have. A service without keys is open.",
}
_EVENTS = {
    "type": "string",
    "description": "Server-sent events named `progress` and `end`; the data of each is a ForecastSummary.",
}
_FILE = {
    "type": "string",
    "contentMediaType": "application/octet-stream",
    "description": "An export: CSV, TSV or JSON, in UTF-8, UTF-16 or Windows-1252.",
}
_EXPORT = {
    "type": "string",
    "contentMediaType": EXPORT_MEDIA,
    "description": "JSON Lines: `record` says what a line holds. The first says what the file is, the last counts.",
}
_CSV = {
    "type": "string",
    "contentMediaType": "text/csv",
    "description": "RFC 4180 in UTF-8; texts that a spreadsheet would run are led by an apostrophe.",
}
_XLSX = {"type": "string", "format": "binary", "description": "A workbook of one sheet."}
_UNUSED = ("HTTPValidationError", "ValidationError")


def install(app: FastAPI) -> None:
    """Let `app` describe its problems by one named schema."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    setattr(app, "openapi", document)  # noqa: B010 - FastAPI documents this way of extending its document


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=app.openapi_version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = found["components"]["schemas"]
    problem = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    schemas[EVENT_STREAM] = _EVENTS | {"title": EVENT_STREAM}
    schemas[IMPORT_FILE] = _FILE | {"title": IMPORT_FILE}
    schemas[CSV_FILE] = _CSV | {"title": CSV_FILE}
    schemas[XLSX_FILE] = _XLSX | {"title": XLSX_FILE}
    schemas[EXPORT_FILE] = _EXPORT | {"title": EXPORT_FILE}
    describe(found)
    _secure(found)
    for name in _UNUSED:
        schemas.pop(name, None)
    for name, owner, field in _UNIONS:
        _name_union(found, name, schemas[owner]["properties"], field)
    for name, values in _ENUMS.items():
        _name_values(found, values, {"$ref": f"#/components/schemas/{name}"})
        schemas[name] = {"type": "string", "enum": list(values), "title": name}
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    return found


def _secure(found: dict[str, Any]) -> None:
    """Say how a key is sent, and with which problems operations that need one refuse."""
    found["components"]["securitySchemes"] = {SCHEME: _KEY}
    for operation in (operation for path in found["paths"].values() for operation in path.values()):
        if operation.get("security"):
            answers = operation["responses"] | {str(status): problem for status, problem in REFUSED.items()}
            operation["responses"] = dict(sorted(answers.items()))


def _name_union(found: dict[str, Any], name: str, holder: dict[str, Any], field: str) -> None:
    """Give a union a name of its own, wherever it stands: generators make a type of each name."""
    inline = holder[field]
    union = next((part for part in inline.get("anyOf", []) if "oneOf" in part), inline)
    named = {key: value for key, value in union.items() if key in {"oneOf", "discriminator"}}
    reference = {"$ref": f"#/components/schemas/{name}"}
    found["components"]["schemas"][name] = named | {"title": name}
    _replace(found["paths"], named["oneOf"], reference)
    _replace(holder, named["oneOf"], reference)


def _replace(node: Any, members: list[Any], reference: dict[str, str]) -> None:
    """Put a reference for every schema below `node` that is the union of `members`."""
    for key, child in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(child, dict) and child.get("oneOf") == members:
            node[key] = dict(reference)
        elif isinstance(child, dict | list):
            _replace(child, members, reference)


def _name_values(node: Any, values: tuple[str, ...], reference: dict[str, str]) -> None:
    """Put a reference for every list of these values below `node`; descriptions and defaults stay beside it."""
    for child in list(node.values() if isinstance(node, dict) else node):
        if isinstance(child, dict) and child.get("enum") == list(values):
            del child["enum"], child["type"]
            child.pop("title", None)
            child.update(reference)
        elif isinstance(child, dict | list):
            _name_values(child, values, reference)
