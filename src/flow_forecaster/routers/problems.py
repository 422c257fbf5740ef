"""Every error as an RFC 9457 problem. The table says with which status the service's own errors are told."""

import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.errors import (
    AnswerNotKept,
    ApiKeyInvalid,
    ApiKeyMissing,
    ApiKeyNotFound,
    DatabaseUnavailable,
    DeliveryNotFound,
    EndpointDisabled,
    EndpointNotFound,
    ExportTypeNotSupported,
    ForecastNotFound,
    IdTaken,
    ImportNotFound,
    ImportTypeNotSupported,
    InvalidCursor,
    KeptForecastDeleted,
    KeyInFlight,
    KeyReused,
    MediaTypeNotSupported,
    NotReady,
    PreconditionFailed,
    PreconditionRequired,
    ProjectExists,
    ProjectNotFound,
    QueueFull,
    RateLimited,
    ScopeMissing,
    SecretsOverlap,
    ServiceError,
    TextNotStorable,
    TimeZoneChanged,
    TimeZoneFixed,
    TooManyApiKeys,
    TooManyAtOnce,
    TooManyEndpoints,
    TooManyExports,
    TooManyImports,
    TooManyWatches,
    TooManyWorkItems,
    TooManyWrongKeys,
    WorkItemNotFound,
)
from flow_forecaster.routers.allowances import limited
from flow_forecaster.routers.pointers import field_errors, pointer
from flow_forecaster.routers.unambiguous import NameTwice
from flow_forecaster.schemas.problems import PROBLEM_TYPE, FieldError, Problem

RETRY_AFTER_SECONDS = "2"
CRASH = "A defect of the service; its log has the request's id."
STATUSES: Mapping[type[ServiceError], int] = {
    ApiKeyMissing: HTTPStatus.UNAUTHORIZED,
    ApiKeyInvalid: HTTPStatus.UNAUTHORIZED,
    ScopeMissing: HTTPStatus.FORBIDDEN,
    TooManyWrongKeys: HTTPStatus.TOO_MANY_REQUESTS,
    ApiKeyNotFound: HTTPStatus.NOT_FOUND,
    TooManyApiKeys: HTTPStatus.CONFLICT,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyAtOnce: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyWatches: HTTPStatus.TOO_MANY_REQUESTS,
    ForecastNotFound: HTTPStatus.NOT_FOUND,
    EndpointNotFound: HTTPStatus.NOT_FOUND,
    DeliveryNotFound: HTTPStatus.NOT_FOUND,
    EndpointDisabled: HTTPStatus.CONFLICT,
    KeyInFlight: HTTPStatus.CONFLICT,
    KeptForecastDeleted: HTTPStatus.CONFLICT,
    AnswerNotKept: HTTPStatus.CONFLICT,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyEndpoints: HTTPStatus.CONFLICT,
    SecretsOverlap: HTTPStatus.CONFLICT,
    ProjectNotFound: HTTPStatus.NOT_FOUND,
    ProjectExists: HTTPStatus.CONFLICT,
    TimeZoneFixed: HTTPStatus.CONFLICT,
    TimeZoneChanged: HTTPStatus.CONFLICT,
    WorkItemNotFound: HTTPStatus.NOT_FOUND,
    ImportNotFound: HTTPStatus.NOT_FOUND,
    TooManyImports: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyWorkItems: HTTPStatus.CONFLICT,
    ImportTypeNotSupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooManyExports: HTTPStatus.TOO_MANY_REQUESTS,
    ExportTypeNotSupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    IdTaken: HTTPStatus.CONFLICT,
    PreconditionRequired: HTTPStatus.PRECONDITION_REQUIRED,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    InvalidCursor: HTTPStatus.UNPROCESSABLE_ENTITY,
    TextNotStorable: HTTPStatus.UNPROCESSABLE_ENTITY,
    MediaTypeNotSupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
POINTERS: Mapping[type[ServiceError], str] = {
    ProjectExists: "/name",
    TimeZoneFixed: "/time_zone",
    InvalidCursor: "/cursor",
    KeyReused: "/idempotency-key",
}
_LATER = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
_REALM = 'Bearer realm="flow-forecaster"'
CHALLENGES: Mapping[type[ServiceError], str] = {
    ApiKeyMissing: _REALM,
    ApiKeyInvalid: f'{_REALM}, error="invalid_token"',
    ScopeMissing: f'{_REALM}, error="insufficient_scope"',
}
_HTTP: Mapping[int, tuple[str, str]] = {
    400: ("malformed_json", "The body is not JSON."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address answers other methods, which Allow names."),
    413: ("body_too_large", "The body is larger than this service takes."),
    415: (MediaTypeNotSupported.code, MediaTypeNotSupported.detail),
}

BROKEN: Mapping[int, tuple[str, str]] = {
    400: ("malformed_http", "This is no HTTP/1.1, or it can be read in more than one way."),
    408: ("request_timeout", "The request did not come in time."),
    431: ("head_too_large", "The address and the headers are too long."),
}
"""Of requests that never become one: whoever holds the connection tells it."""


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(InvalidInput, _invalid_input)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(NameTwice, _name_twice)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _crash)


def problem_response(
    request_id: str, status: int, code: str, detail: str, *, errors: Sequence[FieldError] = (), **headers: str
) -> Response:
    """Write a problem."""
    problem = Problem(
        type=f"urn:flow-forecaster:problem:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        errors=list(errors),
    )
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(problem.model_dump_json(), status, names, media_type=PROBLEM_TYPE)


def _answer(request: Request, status: int, code: str, detail: str, **more: Any) -> Response:
    request.state.problem = code
    return problem_response(request.state.request_id, status, code, detail, **more)


async def _service_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, ServiceError):
        raise error
    status = STATUSES[type(error)]
    where = POINTERS.get(type(error))
    errors = [] if where is None else [FieldError(pointer=where, code=error.code, detail=error.detail)]
    headers = {"retry_after": RETRY_AFTER_SECONDS} if status in _LATER or isinstance(error, KeyInFlight) else {}
    if isinstance(error, RateLimited):
        headers = {"retry_after": str(ceil(error.wait_seconds))} | limited(request.app.state.meter, error)
    if isinstance(error, TooManyWrongKeys):
        headers = {"retry_after": str(ceil(error.wait_seconds))}
    if type(error) in CHALLENGES:
        headers["www_authenticate"] = CHALLENGES[type(error)]
    return _answer(request, status, error.code, error.detail, errors=errors, **headers)


async def _invalid_input(request: Request, error: Exception) -> Response:
    if not isinstance(error, InvalidInput):
        raise error
    errors = [FieldError(pointer=pointer(error.path), code=error.code, detail=error.detail)]
    return _invalid(request, errors)


async def _invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    of_the_body = any(item["loc"][:1] == ("body",) for item in error.errors())
    if of_the_body and _has_body(request) and not _is_json(request):
        return await _service_error(request, MediaTypeNotSupported())
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return _answer(request, HTTPStatus.BAD_REQUEST, *_HTTP[HTTPStatus.BAD_REQUEST])
    if not error.body and any(item["loc"] == ("body",) and item["type"] == "missing" for item in error.errors()):
        return _answer(request, HTTPStatus.BAD_REQUEST, "malformed_json", "The body is empty, and JSON is needed.")
    return _invalid(request, field_errors(error.errors(), error.body))


async def _name_twice(request: Request, error: Exception) -> Response:
    if not isinstance(error, NameTwice):
        raise error
    detail = "This name is given twice."
    return _invalid(request, [FieldError(pointer=pointer(error.path), code="name_twice", detail=detail)])


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code, detail = _HTTP.get(error.status_code, ("http_error", "The request was refused."))
    if error.status_code == HTTPStatus.BAD_REQUEST:
        detail = _why_unread(error.__cause__) or detail
    headers = {name.lower().replace("-", "_"): value for name, value in (error.headers or {}).items()}
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = _allowed(request)
    return _answer(request, error.status_code, code, detail, **headers)


def _why_unread(cause: BaseException | None) -> str | None:
    """Say what Python's reader of JSON could not take, where it is JSON all the same."""
    if isinstance(cause, RecursionError):
        return "The body is nested too deeply to be read."
    if type(cause) is ValueError:  # of which broken UTF-8 is a kind
        return f"The body has a number of more than {sys.get_int_max_str_digits():,} digits."
    return None


def _allowed(request: Request) -> str:
    """List the methods of an address; the router itself names those of one route only.

    What the document does not describe is the documentation itself. Whatever everyone may GET answers HEAD, too.
    """
    paths = request.app.openapi()["paths"].items()
    found = [operations for template, operations in paths if compile_path(template)[0].match(request.url.path)]
    methods = {method.upper(): operation for operations in found for method, operation in operations.items()}
    is_open = not found or ("GET" in methods and methods["GET"].get("security") == [])
    return ", ".join(sorted(methods.keys() | ({"GET", "HEAD"} if is_open else set())))


async def _crash(request: Request, _error: Exception) -> Response:
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", CRASH)


def _invalid(request: Request, errors: list[FieldError]) -> Response:
    detail = errors[0].detail if len(errors) == 1 else f"{len(errors)} things are wrong with the request."
    return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", detail, errors=errors)


def _has_body(request: Request) -> bool:
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


def _is_json(request: Request) -> bool:
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return media == "application/json" or (media.startswith("application/") and media.endswith("+json"))
