"""API processes and workers that are told to end, one after the other, while requests keep coming."""

import asyncio
import itertools
import signal
from contextlib import suppress
from typing import Any

import httpx2

from chaos.ground import Crew, Ground, prepared, under_way
from chaos.ledger import ASYNC, Ledger, Questions
from chaos.planning import Plan
from chaos.verdicts import Verdict
from persistence.rows import until
from workers.processes import ServiceProcess

_LARGE = 40_000_000
_PAUSES_SECONDS = (0.05, 2.0)


class Balancer:
    """Sends each request to the next instance, and to another one if that takes no connection.

    What an instance has taken must be answered: nothing that was sent is sent again.
    """

    def __init__(self) -> None:
        self.instances: list[httpx2.AsyncClient] = []
        self._turn = itertools.count()

    async def post(self, path: str, **request: Any) -> httpx2.Response:
        """Post."""
        return await self._send("POST", path, **request)

    async def get(self, path: str) -> httpx2.Response:
        """Look."""
        return await self._send("GET", path)

    async def _send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        turn = next(self._turn)
        for number in range(len(self.instances) - 1):
            with suppress(httpx2.ConnectError):
                return await self.instances[(turn + number) % len(self.instances)].request(method, path, **request)
        return await self.instances[(turn - 1) % len(self.instances)].request(method, path, **request)


async def restarted(plan: Plan) -> Verdict:
    """SIGTERM an API process and a worker in turn under load, and start others; `size` counts the signals."""
    verdict = Verdict(fault="rolling-restart")
    async with prepared(plan, inline_draws=1_000_000) as ground:
        balancer, serving = Balancer(), list[ServiceProcess]()
        working = [ground.crew.hire() for _ in range(1 if plan.hurried else 2)]
        for _ in range(1 if plan.hurried else 2):
            await _add(ground, balancer, serving)
        large = _LARGE // 4 if plan.hurried else _LARGE
        ledgers = [Ledger(questions=Questions.of(trials)) for trials in (0, large)]
        asking = [
            asyncio.create_task(_ask(ledgers[0], balancer, {}, _PAUSES_SECONDS[0])),
            asyncio.create_task(_ask(ledgers[1], balancer, ASYNC, _PAUSES_SECONDS[1])),
        ]
        codes = []
        for number in range(plan.size):
            is_api = number % 2 == 0
            codes.append(await (_renew_api(ground, balancer, serving) if is_api else _renew(ground.crew, working)))
            plan.say(f"{verdict.fault}: {number + 1} of {plan.size}, exit code {codes[-1]}")
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        kept = await ledgers[0].settle(balancer, patience_seconds=plan.patience_seconds)
        ledgers[1].audit(verdict, await ledgers[1].settle(balancer, patience_seconds=plan.patience_seconds))
        events = ground.crew.events()
    answered = sum(one.statuses.total() for one in ledgers)
    verdict.did = f"{plan.size} SIGTERMs, {answered:,} requests"
    verdict.nothing("acknowledged answers that are gone", sorted(ledgers[0].accepted.keys() - kept.keys()))
    failed = [*ledgers[0].odd, *ledgers[1].odd, *("503" for one in ledgers for _ in range(one.statuses[503]))]
    verdict.nothing("requests that failed", failed)
    spent = [event["forecast_id"] for event in events if event["event"] == "forecast_claimed" and event["attempt"] > 1]
    verdict.nothing("attempts spent", spent)
    given_back = sum(event["event"] == "forecast_released" for event in events)
    verdict.check("forecasts given back", given_back, holds=given_back > 0 or plan.hurried)
    verdict.nothing("exit codes other than 0", [code for code in codes if code])
    return verdict


async def _add(ground: Ground, balancer: Balancer, serving: list[ServiceProcess]) -> None:
    service, client = await ground.serve(keep_alive=False)
    serving.append(service)
    balancer.instances.append(client)


async def _renew_api(ground: Ground, balancer: Balancer, serving: list[ServiceProcess]) -> int:
    """Start another one, let no more requests go to the oldest, and end it while it answers the last ones."""
    await _add(ground, balancer, serving)
    balancer.instances.pop(0)
    return await _ended(serving.pop(0))


async def _renew(crew: Crew, working: list[ServiceProcess]) -> int:
    """Start another worker, and end the oldest while it is computing something."""
    working.append(crew.hire())
    await working[-1].has_told("worker_ready")
    oldest = working.pop(0)

    async def busy() -> bool:
        return bool(under_way(oldest))

    with suppress(TimeoutError):
        await until(busy)
    return await _ended(oldest)


async def _ended(process: ServiceProcess) -> int:
    process.process.send_signal(signal.SIGTERM)
    return await process.exit_code()


async def _ask(ledger: Ledger, balancer: Balancer, headers: dict[str, str], pause: float) -> None:
    while True:
        await ledger.post(balancer, **headers)
        await asyncio.sleep(pause)
