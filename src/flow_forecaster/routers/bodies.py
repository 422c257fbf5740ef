"""JSON bodies in which each name stands once: of two values under one name, one would be dropped in silence."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import HTTPException, Request


class NameTwice(HTTPException):
    """An object of the body has a name twice. An HTTPException, because FastAPI takes any other for broken JSON."""

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


def unambiguous(request: Request) -> Request:
    """Make a request one that refuses such bodies; to be done before its body is read."""
    return request if isinstance(request, UnambiguousRequest) else UnambiguousRequest(request.scope, request.receive)


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
