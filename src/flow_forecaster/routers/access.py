"""Who may do what: each route says which scope it needs, or that it is for everyone.

One that says neither is for nobody. What a route says stands in its entry of the OpenAPI document, and that very entry
is what requests are held to.
"""

from collections.abc import Callable, Coroutine
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from flow_forecaster.routers.allowances import Announcing
from flow_forecaster.routers.unambiguous import unambiguous
from flow_forecaster.schemas.api_keys import Scope as Allowance
from flow_forecaster.services.admission import Gate
from flow_forecaster.services.rates import Meter

SCHEME = "apiKey"
_FORWARDED = frozenset(
    {b"forwarded", b"via", b"x-real-ip"} | {b"x-forwarded-" + what for what in (b"for", b"host", b"proto")}
)
"""Any of these says that somebody in front passes the request on for another machine."""
EVERYONE: dict[str, Any] = {"security": []}


def needs(scope: Allowance) -> dict[str, Any]:
    """Say that a route needs a key with this scope."""
    return {"security": [{SCHEME: [scope]}]}


class GuardedRoute(APIRoute):
    """A route behind the gate. Who is not let in is answered before anything of the body is read."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the caller in and charge for it, or refuse; a wrong method is refused by the route itself.

        HEAD is answered where GET is for everyone: that is how probes ask. The server leaves the body out.
        """
        is_open = (self.openapi_extra or {}) == EVERYONE
        if is_open and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        elif not is_open and scope["method"] in (self.methods or ()):
            gate: Gate = scope["app"].state.gate
            headers = Headers(scope=scope)
            sent = headers.getlist("authorization")
            authorization = None if not sent else sent[0] if len(sent) == 1 else ""
            address = str((scope.get("client") or ("",))[0])
            nearby = _is_nearby(scope, headers)
            admit = partial(gate.admit, authorization, _needed(self), nearby=nearby, address=address)
            scope["state"]["still_in"] = admit  # for answers that last: a key may end meanwhile
            scope["state"]["caller"] = caller = await admit()
            meter: Meter = scope["app"].state.meter
            standing = await meter.charge_request(caller)
            if standing is not None:
                send = Announcing(send, meter, standing).send
        await super().handle(scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Refuse a body or a query that says two things under one name."""
        handle = super().get_route_handler()

        async def handle_unambiguous(request: Request) -> Response:
            return await handle(unambiguous(request, self))

        return handle_unambiguous


def hold(api: FastAPI) -> None:
    """Make every route of the application itself a guarded one; call it before any is added."""
    api.router.route_class = GuardedRoute


def include(api: FastAPI, router: APIRouter) -> None:
    """Add the routes of a router, all of which stand behind the gate.

    Raises:
        RuntimeError: one does not.
    """
    if any(not isinstance(route, GuardedRoute) for route in router.routes):
        raise RuntimeError("A route passes the gate by: give its router route_class=GuardedRoute.")
    api.include_router(router)


def _needed(route: APIRoute) -> Allowance | None:
    for alternative in (route.openapi_extra or {}).get("security", ()):
        for scope in alternative.get(SCHEME, ()):
            needed: Allowance = scope
            return needed
    return None


def _is_nearby(scope: Scope, headers: Headers) -> bool:
    """Tell whether a request was made on this machine, to this machine, by name.

    A page of a browser may reach a local service under a name that its author chose to lead there; nobody who means
    this service calls it so. Whoever is in front of the service and forwards requests says so.
    """
    server = scope.get("server") or ("", None)
    forwarded = any(name in _FORWARDED for name, _ in scope["headers"])
    return not forwarded and is_here(str(server[0])) and is_here(_name(headers.get("host", "")))


@lru_cache(maxsize=256)  # every request asks twice; names that callers make up push each other out
def is_here(host: str) -> bool:
    """Tell whether an address or a name is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
