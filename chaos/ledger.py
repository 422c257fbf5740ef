"""What was accepted, held against what is there in the end."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import httpx2
from pydantic import TypeAdapter

from chaos.verdicts import Verdict
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.schemas.kinds import ForecastRequest
from flow_forecaster.services.catalogue import prepare

FORECASTS = "/v1/forecasts"
ASYNC = {"Prefer": "respond-async"}
DISTINCT = 8
"""So many different questions are asked, each over and over."""
_LOOK_SECONDS = 0.3
_ADAPTER: TypeAdapter[Any] = TypeAdapter(ForecastRequest)


class Asker(Protocol):
    """Sends requests: a client, or something in front of several."""

    async def post(self, path: str, *, json: Any, headers: Any) -> httpx2.Response:
        """Post."""

    async def get(self, path: str) -> httpx2.Response:
        """Look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Forecasts whose answers are known without the service: computed here on one thread, when they are asked for."""

    bodies: list[dict[str, Any]]
    _answers: dict[int, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, trials: int) -> "Questions":
        """Ask for so many trials each; 0 asks for exact answers, which take a millisecond."""
        how = {"method": "exact"} if trials == 0 else {"method": "monte_carlo", "trials": trials}
        return cls(bodies=[_body(number) | how for number in range(DISTINCT)])

    def answer(self, number: int) -> Any:
        """Compute the answer to a question, once."""
        if number not in self._answers:
            self._answers[number] = _answer(self.bodies[number])
        return self._answers[number]


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Every forecast that the service accepted, by its id, and which question it was."""

    questions: Questions
    accepted: dict[str, int] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    asked: int = 0

    async def post(self, client: Asker, **headers: str) -> int:
        """Ask the next question and note what was accepted; 0 if no answer came."""
        number = self.asked % DISTINCT
        self.asked += 1
        try:
            response = await client.post(FORECASTS, json=self.questions.bodies[number], headers=headers)
        except httpx2.TransportError as error:
            self.statuses[0] += 1
            self.odd.append(f"no answer: {type(error).__name__}")
            return 0
        self.statuses[response.status_code] += 1
        if response.status_code in {201, 202}:
            self.accepted[response.json()["id"]] = number
        elif response.status_code != 503 or "Retry-After" not in response.headers:
            self.odd.append(f"{response.status_code} {response.text[:150]}")
        return response.status_code

    async def settle(self, client: Asker, *, patience_seconds: float) -> dict[str, dict[str, Any]]:
        """Wait until all that was accepted has ended, or nothing more ends; return every forecast that is there."""
        found: dict[str, dict[str, Any]] = {}
        moved = time.monotonic()
        while len(found) < len(self.accepted) and time.monotonic() - moved < patience_seconds:
            before = len(found)
            for forecast_id in self.accepted.keys() - found.keys():
                shown = await _look(client, forecast_id)
                if shown is not None and shown["status"] in {"succeeded", "failed", "canceled"}:
                    found[forecast_id] = shown
            if len(found) > before:
                moved = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
        return found

    def audit(self, verdict: Verdict, found: dict[str, dict[str, Any]]) -> None:
        """Hold what was found against what was accepted."""
        verdict.lost(
            sorted(self.accepted.keys() - {name for name, one in found.items() if one["status"] == "succeeded"})
        )
        answer = self.questions.answer
        wrong = [name for name, one in found.items() if one["result"] != answer(self.accepted[name])]
        verdict.nothing("results that differ from their reference", wrong)


async def _look(client: Asker, forecast_id: str) -> dict[str, Any] | None:
    try:
        response = await client.get(f"{FORECASTS}/{forecast_id}")
    except httpx2.TransportError:
        return None
    shown: dict[str, Any] | None = response.json() if response.status_code == 200 else None
    return shown


def _body(number: int) -> dict[str, Any]:
    return {
        "kind": "when",
        "history": {"throughput": [5, 6, 7, 4, 8, 6, 5], "period": "week"},
        "scope": {"items": 60 + number},
        "start": "2026-11-23",
        "sampler": {"kind": "bootstrap"},
        "seed": 1_000 + number,
    }


def _answer(body: dict[str, Any]) -> Any:
    job = prepare(_ADAPTER.validate_python(body), today=date(2026, 11, 23), seed=body["seed"])
    return json.loads(job.compute(Machine()).model_dump_json())
