"""A connection costs a bounded number of bytes on the wire, on the loop of the service and on that of its workers."""

import asyncio
import ssl
import time
from collections.abc import Callable

import pytest
import trustme
import uvloop

from workers.receivers import OK, courier, post, receiver

NAME = "receiver.example"
HELLO_REQUESTS = (b"\x16\x03\x03\x00\x04" + b"\x00\x00\x00\x00") * 7_000
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Loopback:
    """A name server that knows this machine only."""

    async def addresses(self, _host: str, _port: int) -> list[str]:
        """Answer."""
        return ["127.0.0.1"]


async def _flood(patience_seconds: float) -> tuple[str | None, float, int]:
    """Post to who answers the hello of TLS with asking for it, for ever; tell what came of it and what was sent."""
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        try:
            await reader.read(4_096)
            while True:
                writer.write(HELLO_REQUESTS)
                await writer.drain()
                sent += len(HELLO_REQUESTS)
        except OSError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = time.process_time()
    async with server, courier(patience_seconds=patience_seconds) as sender:
        answer = await post(f"https://127.0.0.1:{port}/", courier=sender)
        cost = time.process_time() - started
        await asyncio.sleep(0.1)
    return answer.error, cost, sent


@pytest.mark.parametrize("loop", LOOPS)
def test_a_flood_of_records_that_hold_nothing_is_cut_off(loop: str) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        error, cost, sent = runner.run(_flood(5.0))
    assert error == "not_connected"
    assert cost < 1.0
    assert sent < 32 << 20  # what the buffers of both sides hold


async def _posted() -> tuple[int | None, str, int | None, str]:
    authority, trusted, serving = trustme.CA(), ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(trusted)
    authority.issue_cert(NAME).configure_cert(serving)
    long = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000
    async with (
        receiver(OK, tls=serving) as brief,
        receiver(long, tls=serving) as endless,
        courier(resolver=Loopback(), tls=trusted) as sender,
    ):
        first = await post(f"https://{NAME}:{brief.port}/", courier=sender)
        second = await post(f"https://{NAME}:{endless.port}/", courier=sender)
    return first.status, first.text, second.status, second.text


@pytest.mark.parametrize("loop", LOOPS)
def test_an_answer_over_tls_is_read_as_far_as_it_is_kept(loop: str) -> None:
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(_posted()) == (200, "ok", 200, "x" * 4_096)
