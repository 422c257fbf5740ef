"""What no HTTP client would send: headers without an end, a thousand that dawdle, and requests within requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from chaos.ground import client_of, embedded
from chaos.ledger import Asker, Ledger, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict
from flow_forecaster.cli.connections import HEAD_SECONDS
from workers.breaking import Broken
from workers.processes import ServiceProcess

LONGEST_SECONDS, MOST_MEBIBYTES = 1.0, 64.0
HEADER_BYTES = 64 << 20
_LOOKS = 20
_GRACE_SECONDS = 8.0
_SHORT_SECONDS = 2.0
SHORT = Broken(module="flow_forecaster.cli.connections", old="= 10.0, 30.0", new=f"= {_SHORT_SECONDS}, 30.0")
"""A deadline for heads that a test can wait for."""
_INNER = b"GET /v1/forecasts/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
_POST = b"POST /v1/forecasts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
_CLEAR = (
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding:\tchunked",
    b"transfer-encoding: CHUNKED",
    b"Transfer-Encoding: identity, chunked",
)
"""These are chunked to every reader (RFC 9112, 6.3), and doubtful only beside a length."""
_DOUBTFUL = (
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: \x0bchunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"Transfer-Encoding\x00: chunked",
)
_LENGTHS = (
    b"Content-Length: 4\r\nContent-Length: 40",
    b"Content-Length: 4, 40",
    b"Content-Length: +4",
    b"Content-Length: -1",
    b"Content-Length: 0x4",
    b"Content-Length: 4 4",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length : 4",
    b"Content-Length: 4\x0b",
)
_CHUNKS = (
    b"0x0\r\n\r\n",
    b"+0\r\n\r\n",
    b"-1\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"0;a=\nb\r\n\r\n",
    b"\r\n0\r\n\r\n",
)


async def sent(plan: Plan) -> Verdict:
    """Attack a process with raw bytes while others ask; `size` counts the connections that dawdle."""
    verdict = Verdict(fault="raw-sockets")
    plan, deadline = (plan.breaking(SHORT), _SHORT_SECONDS) if plan.hurried else (plan, HEAD_SECONDS)
    with embedded(plan) as service:
        address = await service.address()
        async with client_of(address) as client:
            ledger = Ledger(questions=Questions.of(0))
            await ledger.post(client)
            before = resident(service)
            endless = await _endless(address)
            verdict.check("answer to a header of 64 MiB", endless[:30] or "none", holds=" 2" not in endless[:12])
            forms = list(smuggling())
            taken = [form for form in forms if await is_taken(address, form)]
            verdict.nothing(f"of {len(forms)} ambiguous requests, those whose inside was taken for a request", taken)
            async with _dawdling(address, plan.size) as opened:
                seconds = [await _asked(ledger, client) for _ in range(_LOOKS)]
                grown = resident(service) - before
                staying = await _staying(opened, within=deadline + _GRACE_SECONDS)
        verdict.check("connections that dawdled", len(opened), holds=len(opened) == plan.size)
        verdict.check("dawdlers that were not cut off", staying, holds=not staying)
        verdict.check("mebibytes that it grew by", f"{grown:.0f}", holds=grown <= MOST_MEBIBYTES)
        verdict.nothing("others' requests that failed meanwhile", ledger.odd)
        verdict.recovered("others' requests meanwhile", seconds, within=LONGEST_SECONDS)
        verdict.check("it lives", service.lives, holds=service.lives)
    verdict.did = f"64 MiB of header, {len(forms)} forms of smuggling, {plan.size:,} connections that dawdle"
    verdict.recovery_seconds = []
    return verdict


def smuggling() -> Sequence[bytes]:
    """Write requests of which two readers could disagree where they end."""
    length = b"Content-Length: 5\r\n"
    both = [_POST + length + one + b"\r\n\r\n0\r\n\r\n" + _INNER for one in (*_CLEAR, *_DOUBTFUL)]
    alone = [_POST + one + b"\r\n\r\n0\r\n\r\n" + _INNER for one in _DOUBTFUL]
    lengths = [_POST + one + b"\r\n\r\n{}{}" + _INNER for one in _LENGTHS]
    chunks = [_POST + b"Transfer-Encoding: chunked\r\n\r\n" + one + _INNER for one in _CHUNKS]
    return [*both, *alone, *lengths, *chunks]


def resident(service: ServiceProcess) -> float:
    """Read how many MiB of memory a process has; 0 where there is no /proc."""
    status = Path(f"/proc/{service.process.pid}/status")
    if not status.exists():
        return 0.0
    lines = status.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def _endless(address: str) -> str:
    """Send a header that does not end; return the status line that came, or that there was none."""
    reader, writer = await _connected(address)
    with suppress(OSError):
        writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
        for _ in range(HEADER_BYTES >> 16):
            writer.write(b"a" * (1 << 16))
            await writer.drain()
    return await _answer(reader, writer)


async def is_taken(address: str, request: bytes) -> bool:
    """Tell whether what stood inside a request was answered as one of its own."""
    reader, writer = await _connected(address)
    with suppress(OSError):
        writer.write(request)
        await writer.drain()
    answer = await _answer(reader, writer)
    return answer.count("HTTP/1.1 ") > 1


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    received = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(0.5):
            while piece := await reader.read(65_536):
                received += piece
    writer.transport.abort()
    return received.decode("latin-1")[:2_000]


@asynccontextmanager
async def _dawdling(address: str, number: int) -> AsyncIterator[Sequence[asyncio.StreamReader]]:
    """Hold connections open that send a byte of their header now and then."""
    opened = [await _connected(address) for _ in range(number)]

    async def dawdle() -> None:
        while True:
            for _, writer in opened:
                writer.write(b"X")
                await asyncio.sleep(0.001)

    for _, writer in opened:
        writer.write(b"GET /healthz HTTP/1.1\r\n")
    task = asyncio.create_task(dawdle())
    try:
        yield [reader for reader, _ in opened]
    finally:
        task.cancel()
        for _, writer in opened:
            writer.transport.abort()
        await asyncio.gather(task, return_exceptions=True)


async def _staying(opened: Sequence[asyncio.StreamReader], *, within: float) -> int:
    """Wait for the service to end connections that still dawdle; return how many it has not ended."""

    async def ended(reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while await reader.read(65_536):
                pass

    done, waiting = await asyncio.wait([asyncio.create_task(ended(one)) for one in opened], timeout=within)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*done, *waiting, return_exceptions=True)
    return len(waiting)


async def _asked(ledger: Ledger, client: Asker) -> float:
    started = time.monotonic()
    await ledger.post(client)
    return time.monotonic() - started


async def _connected(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parsed = urlsplit(address)
    return await asyncio.open_connection(parsed.hostname, parsed.port)
