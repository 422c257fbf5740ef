"""Callers that are slow, endless or no callers at all, on raw sockets against the service as it is served."""

import asyncio
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn

from flow_forecaster.app import create_app
from flow_forecaster.cli.connections import MOST_HEAD_BYTES, BoundedProtocol
from flow_forecaster.settings import Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATIENCE_SECONDS = 20.0
"""Of the tests, so that a service that waits for ever fails them."""
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /v1/forecasts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


class Impatient(BoundedProtocol):
    """The same bounds, reached sooner."""

    head_seconds, body_seconds, answer_seconds, closing_seconds = 1.0, 1.0, 1.0, 1.0


class Announcing(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@dataclass(slots=True, kw_only=True)
class Caller:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, data: bytes) -> None:
        """Say it byte by byte, and then over again, until the other side hangs up."""
        try:
            while not self.reader.at_eof():
                for byte in data:
                    await self.say(bytes([byte]))
                    await asyncio.sleep(0.02)
                    if self.reader.at_eof():
                        return
        except ConnectionError:
            pass

    async def rest(self) -> bytes:
        """Read until the other side hangs up."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE_SECONDS)
        except ConnectionError:
            return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    port: int

    @asynccontextmanager
    async def called(self) -> AsyncIterator[Caller]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        try:
            yield Caller(reader=reader, writer=writer)
        finally:
            writer.transport.abort()

    async def answers(self, said: bytes) -> bytes:
        """Say something, end there, and read what comes."""
        async with self.called() as caller:
            await caller.say(said)
            caller.writer.write_eof()
            return await caller.rest()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(own_sqlite: str, kernel_cache: Path) -> AsyncIterator[Service]:
    """The service, served as `serve` does but less patiently."""
    app = create_app(Settings(database_url=own_sqlite, kernel_cache_dir=kernel_cache, threads=1))
    config = uvicorn.Config(app, port=0, http=Impatient, ws="none", log_config=None, server_header=False)
    server = Announcing(config)
    serving = asyncio.create_task(server.serve())
    await asyncio.wait_for(server.listening.wait(), PATIENCE_SECONDS)
    yield Service(port=server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await serving


@pytest.fixture(scope="module")
def own_sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite+aiosqlite:///{shutil.copy(migrated_sqlite, tmp_path_factory.mktemp('served') / 'forecasts.db')}"


def problem(answer: bytes) -> tuple[int, str]:
    """Read a problem, and nothing after it."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    assert headers["content-type"] == "application/problem+json"
    assert int(headers["content-length"]) == len(body)
    assert headers["connection"] == "close"
    told = json.loads(body)
    assert told["request_id"] == headers["x-request-id"]
    assert told["status"] == int(lines[0].split()[1])
    return told["status"], told["code"]


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


async def test_who_says_nothing_is_hung_up_on(service: Service) -> None:
    async with service.called() as caller:
        assert await caller.rest() == b""


@pytest.mark.parametrize("beginning", [b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", b"GET /"])
async def test_a_head_that_drips_is_refused_in_the_end(service: Service, beginning: bytes) -> None:
    async with service.called() as caller:
        await caller.say(beginning)
        dripping = asyncio.create_task(caller.drip(b"x"))
        assert problem(await caller.rest()) == (408, "request_timeout")
        await dripping


async def test_a_head_that_stops_half_way_is_refused_too(service: Service) -> None:
    async with service.called() as caller:
        await caller.say(ALIVE[:20])
        assert problem(await caller.rest()) == (408, "request_timeout")


async def test_a_body_that_drips_is_refused_in_the_end(service: Service) -> None:
    async with service.called() as caller:
        await caller.say(POST + b"Content-Length: 1000\r\n\r\n{")
        dripping = asyncio.create_task(caller.drip(b" "))
        assert problem(await caller.rest()) == (408, "request_timeout")
        await dripping


async def test_who_was_answered_early_cannot_go_on_with_the_body_for_ever(service: Service) -> None:
    async with service.called() as caller:
        await caller.say(b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        dripping = asyncio.create_task(caller.drip(b" "))
        assert statuses(await caller.rest())[0] == 404
        await dripping


async def test_empty_lines_between_requests_keep_no_connection(service: Service) -> None:
    async with service.called() as caller:
        await caller.say(ALIVE)
        await caller.reader.readuntil(b'"ok"}')
        dripping = asyncio.create_task(caller.drip(b"\r\n"))
        await caller.rest()
        await dripping


async def test_who_does_not_read_is_hung_up_on(service: Service) -> None:
    asked = ALIVE.replace(b"/healthz", b"/openapi.json")
    whole = len(await service.answers(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")))
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", service.port))
        raw.sendall(asked * 30)
        raw.setblocking(False)
        read, loop = 0, asyncio.get_running_loop()
        await asyncio.sleep(3)
        try:
            while piece := await asyncio.wait_for(loop.sock_recv(raw, 2**16), PATIENCE_SECONDS):
                read += len(piece)
        except ConnectionError:
            pass
    assert read < 29 * whole


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 2**26,
        b"GET /" + b"x" * MOST_HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X-A: b\r\n" * 5_000 + b"\r\n",
    ],
    ids=["64 MB in a header", "a long address", "many headers"],
)
async def test_a_head_that_is_too_large_is_refused_and_not_kept(service: Service, head: bytes) -> None:
    async with service.called() as caller:
        talking = asyncio.create_task(caller.say(head))
        answer = await caller.rest()
        talking.cancel()
        await asyncio.wait([talking])
        assert not answer or problem(answer) == (431, "head_too_large")  # a reset may take the answer with it


async def test_a_head_just_within_the_bound_is_read(service: Service) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (MOST_HEAD_BYTES - 100) + b"\r\n\r\n"
    assert statuses(await service.answers(head)) == [200]


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +2\r\n\r\n{}",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_http_is_answered_with_a_problem(service: Service, said: bytes) -> None:
    assert problem(await service.answers(said)) == (400, "malformed_http")


SMUGGLED = b"DELETE /v1/forecasts/1 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        b"Content-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 2\n\r\n\r\n{}",
    ],
)
async def test_no_second_request_hides_in_the_framing_of_a_first(service: Service, framing: bytes) -> None:
    answer = await service.answers(POST + framing + SMUGGLED)
    assert len(statuses(answer)) <= 1
    assert 405 not in statuses(answer)
    assert not set(statuses(answer)) & set(range(200, 300))


async def test_requests_that_follow_each_other_are_answered_in_order(service: Service) -> None:
    async with service.called() as caller:
        await caller.say(ALIVE + ALIVE.replace(b"/healthz", b"/nothing") + ALIVE[:-2] + b"Connection: close\r\n\r\n")
        assert statuses(await caller.rest()) == [200, 404, 200]


async def test_an_answer_that_takes_its_time_is_not_cut_short(service: Service) -> None:
    """The second of two pipelined requests, whose body is late, has its own time from when it is read."""
    async with service.called() as caller:
        await caller.say(ALIVE)
        await caller.reader.readuntil(b'"ok"}')
        for _ in range(4):
            await asyncio.sleep(0.4)
            await caller.say(ALIVE)
            await caller.reader.readuntil(b'"ok"}')


async def test_a_web_socket_is_not_opened(service: Service) -> None:
    upgrade = ALIVE[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    answer = await service.answers(upgrade + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert 101 not in statuses(answer)


async def test_what_serves_is_not_named(service: Service) -> None:
    assert b"\r\nserver:" not in (await service.answers(ALIVE)).lower()


async def test_others_are_answered_while_many_drip(service: Service) -> None:
    """On a busy machine a caller may be hung up on before it said its first word."""

    async def slow() -> bytes:
        async with service.called() as caller:
            with suppress(ConnectionError):
                await caller.say(ALIVE[:10])
            return await caller.rest()

    dripping = [asyncio.create_task(slow()) for _ in range(300)]
    await asyncio.sleep(0.1)
    assert statuses(await service.answers(ALIVE)) == [200]
    answers = await asyncio.gather(*dripping)
    assert {problem(answer) for answer in answers if answer} == {(408, "request_timeout")}
