"""Routes whose effect happens once under an `Idempotency-Key`, whatever they do within one transaction."""

from collections.abc import Callable, Coroutine
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import Request, Response

from flow_forecaster.persistence.database import Database
from flow_forecaster.persistence.idempotency import Answer
from flow_forecaster.routers.access import GuardedRoute
from flow_forecaster.routers.documents import CONFLICT, INVALID, header
from flow_forecaster.routers.unambiguous import unambiguous
from flow_forecaster.services.repeating import Repeating
from flow_forecaster.services.reservations import MOST_KEY

KEY = "idempotency-key"
_ONCE = "What is done under this key is done once within 24 hours; a repetition gets the first answer."
Verbs = TypeVar("Verbs", bound=Any)


class OnceRoute(GuardedRoute):
    """A guarded route that heeds the key of a POST.

    Its verbs come from a dependency that gives them by `within`, so that they write into the transaction of the key.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.heeds_keys:
            answers = {str(status): deepcopy(problem) for status, problem in (CONFLICT | INVALID).items()}
            said = {"parameters": [header(KEY, _ONCE, maxLength=MOST_KEY, minLength=1)], "responses": answers}
            self.openapi_extra = (self.openapi_extra or {}) | said

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the key around what FastAPI makes of the route."""
        handle = super().get_route_handler()
        if not self.heeds_keys:
            return handle

        async def once(request: Request) -> Response:
            request = unambiguous(request, self)
            key = request.headers.get(KEY)
            if key is None:
                return await handle(request)
            asked = b"\n".join((request.method.encode(), request.url.path.encode(), await request.body()))

            async def work(database: Database) -> tuple[Response, Answer | None]:
                request.state.within = database
                response = await handle(request)
                return response, _kept(response)

            repeating: Repeating = request.app.state.repeating
            outcome = await repeating.once(request.state.caller, key, asked, work)
            return _replayed(outcome) if isinstance(outcome, Answer) else outcome

        return once

    @property
    def heeds_keys(self) -> bool:
        """Whether the route heeds keys in this way."""
        return "POST" in (self.methods or ())


def within(request: Request, verbs: Verbs) -> Verbs:
    """Let verbs work within the transaction of the request's key, if it has one."""
    database = getattr(request.state, "within", None)
    return verbs if database is None else replace(verbs, database=database)


def _kept(response: Response) -> Answer | None:
    if response.status_code >= 400:
        return None
    is_secret = response.headers.get("cache-control") == "no-store"
    body = None if is_secret else bytes(response.body).decode()
    return Answer(status_code=response.status_code, location=response.headers.get("location"), body=body)


def _replayed(answer: Answer) -> Response:
    headers = {"Idempotency-Replayed": "true"} | ({} if answer.location is None else {"Location": answer.location})
    return Response(answer.body, answer.status_code, headers, "application/json")
