"""One POST to a receiver that may mean harm, in bounded time and memory.

HTTP/1.1 is read by h11 from our own connection (docs/adr/0013-dialing.md). No redirect is followed, nothing is
decompressed, no more of the body is read than is kept, and the connection is used once.
"""

import asyncio
from dataclasses import dataclass, field, replace
from time import monotonic

import h11

from flow_forecaster.services.sending import MOST_ANSWER_BYTES, PATIENCE_SECONDS, Answer, Message
from flow_forecaster.workers.dialing import CannotDial, Dialer
from flow_forecaster.workers.lines import Line

MOST_HEADER_BYTES = 16 * 1024
MOST_INFORMATIONAL = 8
BODY_SECONDS = 2.0
"""How long is waited for the body once the status is there; only the log wants it."""
MOST_READ_BYTES = 64 * 1024
"""Whatever a receiver sends, in whatever framing, no more is read of it; under TLS `lines` bounds the rest."""
_MARGIN_SECONDS = 0.05  # so that a status that came in time is not lost to a body that did not


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCourier:
    """Takes messages to receivers over HTTP/1.1."""

    dialer: Dialer
    agent: str
    patience_seconds: float = PATIENCE_SECONDS

    async def post(self, message: Message) -> Answer:
        """Post a message; whatever goes wrong is an answer."""
        started = monotonic()
        try:
            async with asyncio.timeout(self.patience_seconds):
                answer = await self._exchange(message, started + self.patience_seconds)
        except TimeoutError:
            answer = Answer(error="timed_out", detail="The host did not answer in time.")
        except CannotDial as error:
            answer = Answer(error=error.code, detail=error.detail)
        except h11.ProtocolError:
            answer = Answer(error="not_http", detail="The host answered with something that is no HTTP/1.1.")
        except (OSError, EOFError):
            answer = Answer(error="connection_lost", detail="The connection ended before there was an answer.")
        return replace(answer, seconds=monotonic() - started)

    async def _exchange(self, message: Message, end: float) -> Answer:
        line = await self.dialer.dial(message.target)
        try:
            conversation = _Conversation(line=line)
            await conversation.send(message, self.agent)
            head = await conversation.head()
            text = await conversation.body(seconds=min(BODY_SECONDS, end - monotonic() - _MARGIN_SECONDS))
        finally:
            line.hang_up()
        retry_after = next((value for name, value in head.headers if name == b"retry-after"), None)
        return Answer(
            status=head.status_code,
            retry_after=None if retry_after is None else retry_after[:64].decode("ascii", "replace"),
            text=text,
        )


@dataclass(slots=True, kw_only=True)
class _Conversation:
    line: Line
    http: h11.Connection = field(
        default_factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEADER_BYTES)
    )
    read: int = 0

    async def send(self, message: Message, agent: str) -> None:
        fixed = {
            "host": message.target.authority,
            "user-agent": agent,
            "content-type": "application/json",
            "content-length": str(len(message.body)),
            "accept": "*/*",
            "accept-encoding": "identity",
            "connection": "close",
        }
        request = h11.Request(method="POST", target=message.target.path, headers=[*(fixed | message.headers).items()])
        events = (request, h11.Data(data=message.body), h11.EndOfMessage())
        await self.line.send(b"".join(self.http.send(event) or b"" for event in events))

    async def head(self) -> h11.Response:
        """Read up to the status and headers."""
        for _ in range(MOST_INFORMATIONAL + 1):
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                break
        raise h11.RemoteProtocolError("No status came.")

    async def body(self, *, seconds: float) -> str:
        """Read the beginning of the body; one that is late, broken or endless ends where it is."""
        kept = bytearray()
        try:
            async with asyncio.timeout(seconds):
                while len(kept) < MOST_ANSWER_BYTES and isinstance(event := await self._next(), h11.Data):
                    kept += event.data
        except (TimeoutError, OSError, EOFError, h11.ProtocolError):
            pass
        return bytes(kept[:MOST_ANSWER_BYTES]).decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")

    async def _next(self) -> h11.Event:
        while True:
            event = self.http.next_event()
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise h11.RemoteProtocolError("It speaks on after its answer.")
            if self.read >= MOST_READ_BYTES:
                raise h11.RemoteProtocolError("It sent too much.")
            piece = await self.line.receive()
            self.read += len(piece)
            self.http.receive_data(piece)
