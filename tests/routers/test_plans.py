"""Plans through HTTP, on each kind of database."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from routers.asking import ASYNC, answered, ask, invalid, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(kind: str, **changes: Any) -> dict[str, Any]:
    """The example of a kind, with fewer trials."""
    return json.loads((EXAMPLES / f"{kind}.json").read_text(encoding="utf-8")) | {"trials": 2_000} | changes


async def test_milestones_are_answered_at_once(service: httpx2.AsyncClient) -> None:
    result = await answered(service, example("milestones"))
    assert [feature["name"] for feature in result["features"]] == ["Sign-in", "Search", "Payments", "Reports"]
    assert [line["features"] for line in result["cut_lines"]] == sorted(
        (line["features"] for line in result["cut_lines"]), reverse=True
    )
    assert result["delivery"]["answers"] == result["features"][-1]["when"]["answers"]


@pytest.mark.parametrize("kind", ["milestones", "teams"])
async def test_a_worker_finds_what_is_found_at_once(service: httpx2.AsyncClient, kind: str) -> None:
    small = await answered(service, example(kind))
    response = await ask(service, example(kind), **ASYNC)
    done = (await until(service, response.headers["Location"], "succeeded")).json()
    assert done["result"] == small
    assert done["request"]["horizon"] > 100


async def test_both_are_less_sure_than_each_team(service: httpx2.AsyncClient) -> None:
    result = await answered(service, example("teams"))
    assert result["probability"] < min(team["probability"] for team in result["teams"])
    assert sum(team["last"] for team in result["teams"]) >= 1


async def test_a_new_team_is_never_sure(service: httpx2.AsyncClient) -> None:
    fields = example("teams")
    fields["teams"][0]["history"]["throughput"] = []
    result = await answered(service, fields)
    assert (result["delivery"], result["probability"]) == (None, None)
    assert "cannot_be_forecast" in [warning["code"] for warning in result["warnings"]]


async def test_a_circle_is_refused_with_a_pointer(service: httpx2.AsyncClient) -> None:
    fields = example("teams")
    fields["teams"][0]["features"][0]["waits_for"] = ["Sign-in"]
    invalid(await ask(service, fields), ("/teams/0/features/0/waits_for/0", "cyclic_wait"))
