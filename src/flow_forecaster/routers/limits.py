"""A body may be so large and no larger, whether its length is announced or not."""

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BODILESS = {"GET", "HEAD"}
"""Nobody reads a body of these; who streams an answer reads on only to hear that its caller is gone."""
_IMPORTS, _RESTORE = re.compile("/v1/projects/[^/]+/imports"), "/v1/restore"


class BodyLimit:
    """Refuses a larger body when the application reads it, so that the refusal is a problem like any other."""

    def __init__(self, app: ASGIApp, most_bytes: int, most_import_bytes: int, most_restore_bytes: int) -> None:
        self._app, self._most = app, most_bytes
        self._most_import, self._most_restore = most_import_bytes, most_restore_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what an HTTP request sends; let everything else pass."""
        if scope["type"] == "http" and scope["method"] not in _BODILESS:
            headers = Headers(scope=scope)
            announced = headers.get("content-length", "0")
            receive = _Counted(
                receive, self._most_of(scope["path"]), int(announced) if announced.isdecimal() else 0
            ).receive
            if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
                receive = _refuse
        await self._app(scope, receive, send)

    def _most_of(self, path: str) -> int:
        if path == _RESTORE:
            return self._most_restore
        return self._most_import if _IMPORTS.fullmatch(path) else self._most


async def _refuse() -> Message:
    raise HTTPException(415)


class _Counted:
    def __init__(self, receive: Receive, most: int, announced: int) -> None:
        self._receive, self._most, self._announced, self._received = receive, most, announced, 0

    async def receive(self) -> Message:
        if self._announced > self._most:
            raise HTTPException(413)
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            raise HTTPException(413)
        return message
