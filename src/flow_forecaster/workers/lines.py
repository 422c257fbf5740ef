"""A connection to a receiver, in plain text or over TLS, of which no more is read than so many bytes.

TLS is spoken over the socket by `ssl.MemoryBIO`, because what counts is what comes over the wire: the streams of
asyncio and of uvloop tell only what was decrypted, and a receiver may send records that hold nothing for ever.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

MOST_WIRE_BYTES = 256 * 1024
"""Four times what is read of an answer: certificates take up to 100 KiB more. What comes after it is not there."""
_PIECE_BYTES = 4 * 1024
_Done = TypeVar("_Done")


class Line:
    """An open connection that is this object's own."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket, self._left = opened, MOST_WIRE_BYTES
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Speak TLS from now on, with who proves to be of this name.

        Raises:
            OSError: it does not; an `ssl.SSLError` if what it says is no TLS or no proof.
        """
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        await self._spoken(tls.do_handshake)
        self._tls = tls

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        tls = self._tls
        if tls is None:
            await self._write(data)
        else:
            await self._spoken(lambda: tls.write(data))

    async def receive(self) -> bytes:
        """Read some bytes, or none at the end."""
        tls = self._tls
        if tls is None:
            return await self._read()
        try:
            return await self._spoken(lambda: tls.read(_PIECE_BYTES))
        except ssl.SSLZeroReturnError:
            return b""

    def hang_up(self) -> None:
        """Close at once, without the good-byes that a hostile receiver could drag out."""
        self._socket.close()

    async def _spoken(self, step: Callable[[], _Done]) -> _Done:
        """Take a step of TLS as soon as enough has come for it."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                await self._write(self._outgoing.read())
                piece = await self._read()
                if not piece:
                    raise ConnectionResetError("It ended in the midst of TLS.") from None
                self._incoming.write(piece)
            else:
                await self._write(self._outgoing.read())
                return done

    async def _read(self) -> bytes:
        piece = b""
        if self._left > 0:
            piece = await asyncio.get_running_loop().sock_recv(self._socket, min(_PIECE_BYTES, self._left))
        self._left -= len(piece)
        return piece

    async def _write(self, data: bytes) -> None:
        if data:
            await asyncio.get_running_loop().sock_sendall(self._socket, data)
