"""A stored forecast as JSON. Request and result go out as the very bytes that were stored."""

import hashlib
import json
from datetime import datetime

from starlette.responses import Response

from flow_forecaster.persistence.forecasts import ForecastRecord, SummaryRecord
from flow_forecaster.schemas.records import Failure, ForecastSummary
from flow_forecaster.services.following import Waited

RETRY_AFTER_SECONDS = "1"


def forecast_json(record: ForecastRecord) -> str:
    """Write a forecast as the schema Forecast describes it."""
    head = json.dumps(
        {
            "id": str(record.id),
            "kind": record.kind,
            "status": record.status,
            "progress": float(record.progress),
            "created_at": _moment(record.created_at),
            "started_at": _moment(record.started_at),
            "finished_at": _moment(record.finished_at),
        }
    )
    tail = f'"request": {record.request}, "result": {record.result or "null"}, "error": {record.error or "null"}'
    tail += f', "actual": {record.actual or "null"}'
    return f"{head[:-1]}, {tail}}}"


def forecast_response(record: ForecastRecord, status: int, *, if_none_match: str | None = None) -> Response:
    """Answer with a forecast: a finished one carries a strong ETag, an unfinished one says when to look again."""
    body = forecast_json(record).encode()
    headers = {"Location": f"/v1/forecasts/{record.id}"} if status in {201, 202} else {}
    if not record.is_finished:
        return Response(body, status, headers | {"Retry-After": RETRY_AFTER_SECONDS}, "application/json")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    known = {part.strip().removeprefix("W/") for part in (if_none_match or "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, status, headers | {"ETag": tag}, "application/json")


def created(record: ForecastRecord, *, replayed: bool = False) -> Response:
    """Answer to a forecast that was asked for: computed at once, or accepted."""
    response = forecast_response(record, 201 if record.is_finished else 202)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def after_waiting(waited: Waited, seconds: int, if_none_match: str | None) -> Response:
    """Answer with a forecast that was waited for, and say so."""
    response = forecast_response(waited.record, 200, if_none_match=if_none_match)
    if waited.as_wished:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return response


def summary(record: SummaryRecord) -> ForecastSummary:
    """A forecast as it stands in a list."""
    return ForecastSummary(
        id=record.id,
        kind=record.kind,
        status=record.status,
        progress=record.progress,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        error=None if record.error is None else Failure.model_validate_json(record.error),
    )


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
