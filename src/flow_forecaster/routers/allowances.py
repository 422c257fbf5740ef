"""What a key may still ask, in headers: `RateLimit-Policy` and `RateLimit`.

Their form is that of the IETF draft draft-ietf-httpapi-ratelimit-headers-10.
"""

from math import ceil

from starlette.types import Message, Send

from flow_forecaster.errors import RateLimited
from flow_forecaster.services.rates import Meter, Rate, Standing


class Announcing:
    """Passes messages on, adding how the bucket of requests stands, unless the answer says it already."""

    def __init__(self, send: Send, meter: Meter, standing: Standing) -> None:
        self._send, self._meter, self._standing = send, meter, standing

    async def send(self, message: Message) -> None:
        """Add the headers to the start of an answer."""
        if message["type"] == "http.response.start" and not any(name == b"ratelimit" for name, _ in message["headers"]):
            state = _state(self._meter.requests, self._standing.tokens).encode()
            policy = _policy(self._meter).encode()
            message["headers"] = [*message["headers"], (b"ratelimit-policy", policy), (b"ratelimit", state)]
        await self._send(message)


def limited(meter: Meter, error: RateLimited) -> dict[str, str]:
    """Write the headers of a refusal."""
    (rate,) = [rate for rate in meter.rates if rate.name == error.rate]
    return {"ratelimit_policy": _policy(meter), "ratelimit": _state(rate, error.tokens)}


def _policy(meter: Meter) -> str:
    return ", ".join(f'"{rate.name}";q={int(rate.quota)};w={int(rate.window_seconds)}' for rate in meter.rates)


def _state(rate: Rate, tokens: float) -> str:
    return f'"{rate.name}";r={max(0, int(tokens))};t={ceil(rate.until_full(tokens))}'
