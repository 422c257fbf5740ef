"""A disk that is full under the service on SQLite, and a PostgreSQL that may only be read."""

import asyncio
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from chaos.embedded import integrity
from chaos.ground import client_of, embedded, prepared
from chaos.ledger import FORECASTS, Ledger, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict
from workers.processes import ServiceProcess

HEALS_SECONDS = 10.0
REFUSED = 5
"""So many posts must be refused in good order before the fault is taken away."""
_DISK, _ROOM = "4m", 1 << 16
_MOUNTED = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'


async def full(plan: Plan) -> Verdict:
    """Fill the disk that the SQLite file is on and make room again, `size` times; needs Linux and its namespaces.

    In a hurry the process may not write to any file instead, which needs no namespaces.
    """
    verdict, seconds, ledger = Verdict(fault="full-disk"), list[float](), Ledger(questions=Questions.of(0))
    disk = plan.folder / "disk"
    disk.mkdir()
    alone = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNTED, "sh", _DISK, str(disk))
    wrapper = () if plan.hurried else alone
    with embedded(plan, wrapper=wrapper, database_url=f"sqlite:///{disk / 'forecasts.db'}") as service:
        async with client_of(await service.address()) as client:
            for number in range(plan.size):
                await ledger.post(client)
                with _forbidden(service) if plan.hurried else _filled(service, disk):
                    await _refused(ledger, client, verdict)
                seconds.append(await _healed(ledger, client))
                plan.say(f"{verdict.fault}: {number + 1} of {plan.size}, healed after {seconds[-1]:.1f} s")
            kept = await ledger.settle(client, patience_seconds=plan.patience_seconds)
            ledger.audit(verdict, kept)
            verdict.nothing("complaints of integrity_check", integrity(_inside(service, disk) / "forecasts.db"))
    return _concluded(verdict, ledger, seconds, f"{plan.size} times a full disk")


async def read_only(plan: Plan) -> Verdict:
    """Let PostgreSQL refuse to write, as a standby does, and write again, `size` times."""
    verdict, seconds, ledger = Verdict(fault="read-only"), list[float](), Ledger(questions=Questions.of(0))
    async with prepared(plan) as ground:
        _, client = await ground.serve()
        for number in range(plan.size):
            await ledger.post(client)
            await asyncio.to_thread(ground.postgres.set_read_only, ground.name, read_only=True)
            await _refused(ledger, client, verdict)
            await asyncio.to_thread(ground.postgres.set_read_only, ground.name, read_only=False)
            seconds.append(await _healed(ledger, client))
            plan.say(f"{verdict.fault}: {number + 1} of {plan.size}, healed after {seconds[-1]:.1f} s")
        ledger.audit(verdict, await ledger.settle(client, patience_seconds=plan.patience_seconds))
    return _concluded(verdict, ledger, seconds, f"{plan.size} times read-only")


def _concluded(verdict: Verdict, ledger: Ledger, seconds: list[float], did: str) -> Verdict:
    verdict.did = f"{did}, {ledger.statuses[503]} posts refused with 503"
    verdict.nothing("other answers than 201 and 503 with Retry-After", ledger.odd)
    refusals = ledger.statuses[503]
    verdict.check("posts that were refused meanwhile", refusals, holds=refusals >= REFUSED * len(seconds))
    verdict.recovered("mended to the next answer", seconds, within=HEALS_SECONDS)
    return verdict


async def _refused(ledger: Ledger, client: httpx2.AsyncClient, verdict: Verdict) -> None:
    """Ask until enough was refused; what was acknowledged before can be read all the while."""
    before = ledger.statuses[503]
    for _ in range(40 * REFUSED):
        await ledger.post(client)
        if ledger.statuses[503] - before >= REFUSED:
            break
    known = next(iter(ledger.accepted))
    looked, alive = [await client.get(path) for path in (f"{FORECASTS}/{known}", "/healthz")]
    if (looked.status_code, alive.status_code) != (200, 200):
        verdict.nothing("looks that failed meanwhile", [f"{looked.status_code} {alive.status_code}"])


async def _healed(ledger: Ledger, client: httpx2.AsyncClient) -> float:
    started = time.monotonic()
    while await ledger.post(client) != 201:
        if time.monotonic() - started > 3 * HEALS_SECONDS:
            break
    return time.monotonic() - started


def _inside(service: ServiceProcess, disk: Path) -> Path:
    """Where a process sees its own disk, seen from outside."""
    return Path(f"/proc/{service.process.pid}/root{disk}")


@contextmanager
def _filled(service: ServiceProcess, disk: Path) -> Iterator[None]:
    """Leave no room on the disk for the length of a block."""
    filler = _inside(service, disk) / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        for piece in (_ROOM, 512):
            with suppress(OSError):
                while file.write(bytes(piece)) == piece:
                    pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def _forbidden(service: ServiceProcess) -> Iterator[None]:
    """Let a process write to no file, not even to its log, for the length of a block."""
    before = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, before)
