"""/v1/forecasts/{id}/events: a forecast as server-sent events.

Each event is the whole standing of the forecast, and its id follows from that standing. So whoever comes back with
`Last-Event-ID` is told what is new to it, if anything is, whichever process answers; and nothing is kept for it.
"""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from flow_forecaster.persistence.forecasts import SummaryRecord
from flow_forecaster.routers.access import GuardedRoute, needs
from flow_forecaster.routers.dependencies import CallerDep, Looking, LookingDep
from flow_forecaster.routers.documents import DATABASE_DOWN, EVENTS, INVALID, NOT_FOUND
from flow_forecaster.routers.presenting import summary
from flow_forecaster.services.callers import Caller

router = APIRouter(prefix="/v1/forecasts", tags=["forecasts"], route_class=GuardedRoute)
RETRY_MILLISECONDS = 1_000
Last = Annotated[str | None, Header(max_length=64, description="The id of the last event that the caller has.")]
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/{forecast_id}/events",
    operation_id="getForecastEvents",
    summary="Follow a forecast",
    response_class=Response,
    responses=EVENTS | NOT_FOUND | INVALID | DATABASE_DOWN,
    openapi_extra=needs("forecasts:read"),
)
async def events(caller: CallerDep, forecast_id: UUID, looking: LookingDep, last_event_id: Last = None) -> Response:
    """Follow a forecast: `progress` at each change, `end` when it has finished."""
    return followed(caller, await looking.following.standing(caller, forecast_id), looking, last_event_id)


def followed(caller: Caller, record: SummaryRecord, looking: Looking, last_event_id: str | None) -> Response:
    """Answer with the events of a forecast, or of an import, from this standing on."""
    known = last_event_id == _id_of(record)
    if not record.is_finished:
        return _EventStream(caller, record, looking, known=known)
    if known:
        return Response(status_code=204)
    return Response(_beginning(record, known=False), headers=_HEADERS, media_type="text/event-stream")


class _EventStream(Response):
    """Watches from the first byte to the last, however the stream ends."""

    def __init__(self, caller: Caller, record: SummaryRecord, looking: Looking, *, known: bool) -> None:
        super().__init__()
        self._caller, self._record, self._looking, self._known = caller, record, looking, known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._looking.following.watching(self._caller, self._record) as watch:
            changes = self._looking.following.changes(watch, self._record, still_in=self._looking.still_in)
            told = self._told(changes)
            await StreamingResponse(told, headers=_HEADERS, media_type="text/event-stream")(scope, receive, send)

    async def _told(self, changes: AsyncIterator[SummaryRecord | None]) -> AsyncIterator[str]:
        yield _beginning(self._record, known=self._known)
        async for record in changes:
            yield ": nothing new\n\n" if record is None else _event(record)


def _beginning(record: SummaryRecord, *, known: bool) -> str:
    return f"retry: {RETRY_MILLISECONDS}\n\n" + ("" if known else _event(record))


def _event(record: SummaryRecord) -> str:
    name = "end" if record.is_finished else "progress"
    return f"id: {_id_of(record)}\nevent: {name}\ndata: {summary(record).model_dump_json()}\n\n"


def _id_of(record: SummaryRecord) -> str:
    return sha256(summary(record).model_dump_json().encode()).hexdigest()[:16]
