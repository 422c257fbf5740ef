"""A receiver that means harm costs bounded time and memory, and one that means well is understood."""

import asyncio
import gzip
import resource
import sys
import tracemalloc
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from flow_forecaster.services.sending import MOST_ANSWER_BYTES
from flow_forecaster.workers.posting import HttpCourier
from workers.receivers import OK, courier, post, receiver

GIGABYTE = 1 << 30
MOST_MEMORY = 2 << 20


@pytest.fixture
async def sender() -> AsyncIterator[HttpCourier]:
    """A courier with little patience."""
    async with courier(patience_seconds=1.0) as made:
        yield made


def answer(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {head}\r\n\r\n".encode() + body


async def test_a_message_arrives_with_its_headers_and_body(sender: HttpCourier) -> None:
    async with receiver() as listening:
        found = await post(listening.url("/a?b=c"), courier=sender, body=b'{"x": 1}')
        assert (found.status, found.text, found.error) == (200, "ok", None)
        head, _, body = listening.requests[0].partition(b"\r\n\r\n")
        first, *lines = head.decode().lower().split("\r\n")
        assert first == "post /a?b=c http/1.1"
        assert body == b'{"x": 1}'
        assert {"webhook-id: evt_1", "content-type: application/json", "connection: close"} <= set(lines)
        assert {"accept-encoding: identity", "user-agent: flow-forecaster/test"} <= set(lines)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 404, 410, 429, 500, 503])
async def test_a_status_is_told(sender: HttpCourier, status: int) -> None:
    async with receiver(answer(f"{status} X\r\nRetry-After: 7\r\nContent-Length: 0")) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.retry_after) == (status, "7")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (answer("200 OK\r\nContent-Length: 5", b"h\xc3\xa4 \x00"), "hä \ufffd"),
        (answer("200 OK\r\nTransfer-Encoding: chunked", b"2\r\nok\r\n1\r\n!\r\n0\r\n\r\n"), "ok!"),
        (answer("200 OK", b"until the end"), "until the end"),
        (answer("100 Continue") + answer("103 Early Hints\r\nLink: x") + OK, "ok"),
        (answer("200 OK\r\nContent-Length: 9", b"cut"), "cut"),
        (answer("200 OK\r\nTransfer-Encoding: chunked", b"zz\r\nbad"), ""),
    ],
)
async def test_the_beginning_of_the_answer_is_kept(sender: HttpCourier, body: bytes, text: str) -> None:
    async with receiver(body) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.text) == (200, text)


@pytest.mark.parametrize(
    ("bytes_sent", "error"),
    [
        (b"", "not_http"),
        (b"SSH-2.0-OpenSSH_9.0\r\n", "not_http"),
        (b"\x16\x03\x01" * 100, "not_http"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nA\x00: b\r\n\r\n", "not_http"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "not_http"),
        (answer("100 Continue") * 1_000, "not_http"),
        (b"HTTP/1.1 200 OK\r\nX: ", "not_http"),
    ],
)
async def test_what_is_no_http_is_told_as_such(sender: HttpCourier, bytes_sent: bytes, error: str) -> None:
    async with receiver(bytes_sent) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.error) == (None, error)


async def test_silence_ends_with_the_patience(sender: HttpCourier) -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async with receiver(silent) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.error) == (None, "timed_out")
    assert 0.9 < found.seconds < 2.0


async def test_a_head_that_drips_ends_with_the_patience(sender: HttpCourier) -> None:
    async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for letter in answer("200 OK\r\nX: " + "a" * 1_000):
            writer.write(bytes([letter]))
            await writer.drain()
            await asyncio.sleep(0.02)

    async with receiver(dripping) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.error) == (None, "timed_out")
    assert found.seconds < 2.0


async def test_a_body_that_drips_does_not_undo_the_status(sender: HttpCourier) -> None:
    async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK\r\nContent-Length: 100000"))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with receiver(dripping) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.error) == (200, None)
    assert set(found.text) == {"x"}
    assert found.seconds < 2.0


async def test_a_reset_is_told(sender: HttpCourier) -> None:
    async def resetting(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import socket
        import struct

        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with receiver(resetting) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.error) == (None, "connection_lost")


async def test_a_closed_port_is_told(sender: HttpCourier) -> None:
    async with receiver() as listening:
        url = listening.url()
    found = await post(url, courier=sender)
    assert (found.status, found.error) == (None, "not_connected")


@pytest.mark.parametrize("framing", ["Content-Length: 1073741824", "Transfer-Encoding: chunked", "X: until the end"])
async def test_a_gigabyte_is_not_read(sender: HttpCourier, framing: str) -> None:
    sent = 0

    async def pouring(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n" if "chunked" in framing else b"x" * 65_536
        writer.write(answer(f"200 OK\r\n{framing}"))
        while sent < GIGABYTE:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async with receiver(pouring) as listening:
        found = await post(listening.url(), courier=sender)
        await asyncio.sleep(0.05)
    assert (found.status, len(found.text)) == (200, MOST_ANSWER_BYTES)
    assert sent < GIGABYTE / 50


async def test_a_gzip_bomb_stays_packed(sender: HttpCourier) -> None:
    bomb = gzip.compress(b"\x00" * (32 << 20))
    packed = answer(f"200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}", bomb)
    async with receiver(packed) as listening:
        await post(listening.url(), courier=sender)
        tracemalloc.start()
        found = await post(listening.url(), courier=sender)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found.status == 200
    assert len(found.text) <= MOST_ANSWER_BYTES
    assert most < MOST_MEMORY


FLOODS = {
    "one long line": b"X: " + b"a" * 65_536,
    "many lines": b"X-Some-Name: a\r\n" * 4_096,
    "hints without end": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2_048,
    "folded lines": b" folded\r\n" * 8_192,
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_of_headers_is_cut_off(sender: HttpCourier, kind: str) -> None:
    sent = 0

    async def flooding(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"" if FLOODS[kind].startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nX: a\r\n")
        while sent < GIGABYTE:
            writer.write(FLOODS[kind])
            await writer.drain()
            await asyncio.sleep(0)
            sent += len(FLOODS[kind])

    async with receiver(flooding) as listening:
        tracemalloc.start()
        found = await post(listening.url(), courier=sender)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (found.status, found.error) == (None, "not_http")
    assert most < MOST_MEMORY
    assert sent < GIGABYTE / 50


async def test_many_hostile_receivers_at_once_cost_no_more_than_the_patience(sender: HttpCourier) -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    started = monotonic()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with receiver(silent) as bad, receiver() as good:
        waiting = [asyncio.create_task(post(bad.url(), courier=sender)) for _ in range(100)]
        assert (await post(good.url(), courier=sender)).status == 200
        assert {each.error for each in await asyncio.gather(*waiting)} == {"timed_out"}
    assert monotonic() - started < 5.0
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < (64 << 10 if sys.platform == "linux" else 64 << 20)


async def test_a_post_that_is_cancelled_ends_and_hangs_up(sender: HttpCourier) -> None:
    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def silent_after_a_sign(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        asked.set()
        await silent(_reader, _writer)

    asked = asyncio.Event()
    async with receiver(silent_after_a_sign) as listening:
        posting = asyncio.create_task(post(listening.url(), courier=sender))
        await asked.wait()
        posting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await posting


async def test_no_more_of_the_body_is_waited_for_than_is_kept(sender: HttpCourier) -> None:
    async def pausing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("200 OK\r\nContent-Length: 100000", b"x" * MOST_ANSWER_BYTES))
        await writer.drain()
        await asyncio.sleep(60)

    async with receiver(pausing) as listening:
        found = await post(listening.url(), courier=sender)
    assert (found.status, found.text) == (200, "x" * MOST_ANSWER_BYTES)
    assert found.seconds < 0.5


async def test_a_head_of_20_kib_is_too_long_and_one_of_12_is_not(sender: HttpCourier) -> None:
    for lines, error in ((12, None), (20, "not_http")):
        head = "".join(f"\r\nX-{number}: {'a' * 1_015}" for number in range(lines))
        async with receiver(answer(f"200 OK\r\nContent-Length: 0{head}")) as listening:
            assert (await post(listening.url(), courier=sender)).error == error


async def test_a_body_wrapped_in_more_than_64_kib_is_cut_off(sender: HttpCourier) -> None:
    wrapped = (b"1;" + b"e" * 1_000 + b"\r\nx\r\n") * MOST_ANSWER_BYTES
    async with receiver(answer("200 OK\r\nTransfer-Encoding: chunked", wrapped)) as listening:
        found = await post(listening.url(), courier=sender)
    assert found.status == 200
    assert 0 < len(found.text) < 100
