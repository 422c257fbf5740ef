"""What the service sends by itself, in the words of the OpenAPI document: its `webhooks`, and callbacks."""

from typing import Any

from pydantic import BaseModel

from flow_forecaster.schemas.webhooks import EndpointMessage, ForecastMessage

_REF = "#/components/schemas/{model}"
_HEADERS = {
    "webhook-id": "Names the message: the same at every attempt, so that a message that comes twice can be told.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "One or more of `v1,` and base64, with spaces between, after Standard Webhooks 1.0.",
}
_REQUEST = {"x-request-id": "The request that the message comes from, as its own answer named it."}
_ANSWERS = {
    "2XX": {"description": "Taken. Answer within 15 seconds, and work on it afterwards."},
    "410": {"description": "Nobody will ever listen here again; the endpoint is disabled."},
    "default": {"description": "Not taken: redirects too. The message is sent again later."},
}
_MESSAGES: dict[str, tuple[type[BaseModel], str, str]] = {
    "forecast.succeeded": (ForecastMessage, "onForecastSucceeded", "A forecast succeeded"),
    "forecast.failed": (ForecastMessage, "onForecastFailed", "A forecast failed"),
    "forecast.canceled": (ForecastMessage, "onForecastCanceled", "A forecast was canceled"),
    "webhook_endpoint.disabled": (EndpointMessage, "onEndpointDisabled", "Another endpoint was disabled"),
    "webhook.test": (EndpointMessage, "onTestEvent", "Somebody wanted to know whether this arrives"),
}
_CALLBACK = "{$request.body#/callback_url}"


def describe(found: dict[str, Any]) -> None:
    """Add what is sent to endpoints, and to the callback of a forecast, to a document."""
    schemas = found["components"]["schemas"]
    for model in (ForecastMessage, EndpointMessage):
        described = model.model_json_schema(mode="serialization", ref_template=_REF)
        schemas |= described.pop("$defs", {}) | {model.__name__: described}
    found["webhooks"] = {name: {"post": _operation(*message)} for name, message in _MESSAGES.items()}
    ended = _operation(ForecastMessage, "onForecastEnded", "The forecast ended")
    found["paths"]["/v1/forecasts"]["post"]["callbacks"] = {"forecastEnded": {_CALLBACK: {"post": ended}}}


def _operation(model: type[BaseModel], name: str, summary: str) -> dict[str, Any]:
    return {
        "tags": ["webhooks"],
        "summary": summary,
        "description": "The body is thin: it says what happened, and where to look.",
        "operationId": name,
        "security": [],
        "parameters": [
            {
                "name": header,
                "in": "header",
                "required": header in _HEADERS,
                "description": text,
                "schema": {"type": "string"},
            }
            for header, text in (_HEADERS | _REQUEST).items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}},
        },
        "responses": _ANSWERS,
    }
