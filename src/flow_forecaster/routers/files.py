"""Answers that are files: written to the disk first, so that what goes wrong is a problem, and then sent in pieces."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from tempfile import TemporaryFile
from typing import IO, BinaryIO, cast

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

_CHUNK = 2**18


async def streamed(write: Callable[[BinaryIO], Awaitable[None]], media: str, name: str) -> Response:
    """Answer with what is written into a file, to be kept under a name."""
    file = await asyncio.to_thread(TemporaryFile)
    try:
        await write(cast("BinaryIO", file))
        length = await asyncio.to_thread(file.seek, 0, 2)
        await asyncio.to_thread(file.seek, 0)
    except BaseException:
        file.close()
        raise
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(length),
        "Cache-Control": "no-store",
    }
    return _FileStream(file, headers=headers, media_type=media)


class _FileStream(Response):
    """Sends a file a piece at a time, and lets go of it however that ends."""

    def __init__(self, file: "IO[bytes]", *, headers: dict[str, str], media_type: str) -> None:
        super().__init__()
        self._file, self._sent, self._media = file, headers, media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            answer = StreamingResponse(self._pieces(), headers=self._sent, media_type=self._media)
            await answer(scope, receive, send)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await asyncio.to_thread(self._file.read, _CHUNK):
            yield piece
