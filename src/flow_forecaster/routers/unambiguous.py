"""Bodies and queries in which each name stands once: of two values under one name, one would be dropped in silence."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from pydantic import TypeAdapter


class NameTwice(HTTPException):
    """A name stands twice where it may not. An HTTPException, because FastAPI takes any other for broken JSON."""

    def __init__(self, path: tuple[str | int, ...]) -> None:
        super().__init__(422)
        self.path = path


class UnambiguousRequest(Request):
    """A request that refuses such a body when it is parsed."""

    async def json(self) -> Any:
        """Parse the body, once."""
        if not hasattr(self, "_json"):
            self._json = _parsed(await self.body())
        return self._json


def unambiguous(request: Request, route: APIRoute) -> Request:
    """Make a request to a route one that refuses such bodies; to be done before its body is read.

    Raises:
        NameTwice: its query is such a one.
    """
    if b"&" in request.scope["query_string"]:
        counted = Counter(name for name, _ in request.query_params.multi_items())
        several = {name for name, times in counted.items() if times > 1}
        for name in several - (_lists(route) if several else set()):
            raise NameTwice((name,))
    return request if isinstance(request, UnambiguousRequest) else UnambiguousRequest(request.scope, request.receive)


def _lists(route: APIRoute) -> set[str]:
    """Name what the query of a route may have several times."""
    found = set()
    for parameter in route.dependant.query_params:
        schema = TypeAdapter[Any](parameter.field_info.annotation or Any).json_schema()
        for name, part in schema.get("properties", {parameter.alias: schema}).items():
            if any(shape.get("type") == "array" for shape in part.get("anyOf", [part])):
                found.add(name)
    return found


class _Twice(Exception):
    pass


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, in order, with names that stand twice."""


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body, object_pairs_hook=_once)
    except _Twice:
        path = next(_paths(json.loads(body, object_pairs_hook=_Pairs)), ())
    raise NameTwice(path)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _Twice
    return value


def _paths(value: Any) -> Iterator[tuple[str | int, ...]]:
    """Walk to the names that stand twice."""
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for name, inner in value:
            if name in seen:
                yield (name,)
            seen.add(name)
            yield from ((name, *path) for path in _paths(inner))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from ((at, *path) for path in _paths(inner))
