"""No answer repeats what was sent: not in details, not in pointers beyond a name's first 64 characters."""

import json
from typing import Any

import httpx2
import pytest

from routers.asking import FORECASTS, JSON, MOST_PROBLEM_BYTES, SEVEN, ask, body, invalid, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "canary7f3a"
NAME = CANARY + "k" * 300
VALUES: dict[str, dict[str, Any]] = {
    "kind": body() | {"kind": CANARY},
    "method": body(method=CANARY),
    "start": body(start=CANARY),
    "long start": body(start=f"2026-11-23{CANARY}"),
    "project": body(project_id=CANARY),
    "sampler": body(sampler=CANARY),
    "sampler kind": body(sampler={"kind": CANARY}),
    "period": body(history={"throughput": SEVEN, "period": CANARY}),
    "throughput": body(history={"throughput": [CANARY]}),
    "history": body(history=CANARY),
    "items": body(scope={"items": CANARY}),
    "trials": body(trials=CANARY),
    "seed": body(seed=CANARY),
    "confidence": body(confidence=[CANARY]),
    "weekdays": body(calendar={"weekdays": [CANARY]}),
    "days off": body(calendar={"days_off": [CANARY]}),
    "deadline": body("deadline", deadline=CANARY),
    "until": body("how_many", until=CANARY),
    "an unknown field's": body(colour=CANARY),
    "a nested one": body(trials={"a": [CANARY, {"b": CANARY}]}),
}


@pytest.mark.parametrize("case", VALUES)
async def test_a_value_does_not_come_back(service: httpx2.AsyncClient, case: str) -> None:
    response = await ask(service, VALUES[case])
    assert response.status_code == 422
    assert CANARY not in response.text + str(response.headers)


NUMBER = 8_675_309
FACE = "\N{GRINNING FACE}"


@pytest.mark.parametrize("field", ["items", "trials", "confidence", "throughput"])
async def test_a_number_does_not_come_back(service: httpx2.AsyncClient, field: str) -> None:
    question = {
        "items": body(scope={"items": NUMBER}),
        "trials": body(trials=-NUMBER),
        "confidence": body(confidence=[NUMBER]),
        "throughput": body(history={"throughput": [NUMBER]}),
    }[field]
    response = await ask(service, question)
    assert response.status_code == 422
    assert str(NUMBER) not in response.text


NAMES: dict[str, tuple[dict[str, Any], str]] = {
    "of the request": (body(**{NAME: 1}), ""),
    "of the history": (body(history={"throughput": SEVEN, NAME: 1}), "/history"),
    "of the scope": (body(scope={"items": 1, NAME: 1}), "/scope"),
    "of the sampler": (body(sampler={"kind": "bootstrap", NAME: 1}), "/sampler"),
    "of the calendar": (body(calendar={NAME: 1}), "/calendar"),
}


@pytest.mark.parametrize("case", NAMES)
async def test_a_name_comes_back_once_and_cut_to_64_characters(service: httpx2.AsyncClient, case: str) -> None:
    question, parent = NAMES[case]
    response = await ask(service, question)
    told = problem(response, 422, "invalid_request")
    assert [error["pointer"] for error in told["errors"]] == [f"{parent}/{NAME[:64]}"]
    assert response.text.count(CANARY) == 1


async def test_a_body_that_cannot_be_read_does_not_come_back(service: httpx2.AsyncClient) -> None:
    for content in (f"{CANARY}", f'{{"{CANARY}', f'["{CANARY}"', f'"{CANARY}"'):
        response = await service.post(FORECASTS, content=content, headers=JSON)
        assert response.status_code in {400, 422}
        assert CANARY not in response.text


@pytest.mark.parametrize(
    "path",
    [
        f"/{CANARY}",
        f"{FORECASTS}/{CANARY}",
        f"{FORECASTS}?cursor={CANARY}",
        f"{FORECASTS}?limit={CANARY}",
        f"{FORECASTS}?status={CANARY}",
        f"/docs/assets/{CANARY}",
    ],
)
async def test_an_address_does_not_come_back(service: httpx2.AsyncClient, path: str) -> None:
    response = await service.get(path)
    assert response.status_code in {404, 422}
    assert CANARY not in response.text


async def test_a_header_does_not_come_back(service: httpx2.AsyncClient) -> None:
    headers = {"Content-Type": f"text/{CANARY}", "Prefer": CANARY, "X-Request-Id": CANARY}
    response = await service.post(FORECASTS, content="{}", headers=headers)
    problem(response, 415, "unsupported_media_type")
    assert CANARY not in response.text + str(response.headers)
    for more in ({"Host": CANARY}, {"Authorization": CANARY}, {"Authorization": f"Bearer ff_{CANARY}"}):
        response = await service.post(FORECASTS, content="{}", headers=headers | more)
        assert response.status_code == 401
        assert CANARY not in response.text + str(response.headers)


@pytest.mark.parametrize("path", [FORECASTS, "/v1/projects", "/docs", "/docs/assets", "/healthz"])
async def test_an_address_that_ends_with_a_slash_leads_nowhere(service: httpx2.AsyncClient, path: str) -> None:
    answer = await service.get(f"{path}/?{CANARY}=1", headers={"Host": f"{CANARY}.example"})
    problem(answer, 404, "not_found")
    assert CANARY not in answer.text + str(answer.headers)


@pytest.mark.parametrize("name", ["x" * 64, chr(1) * 64, FACE * 64], ids=["letters", "controls", "faces"])
async def test_a_place_deep_within_is_told_by_its_first_names(service: httpx2.AsyncClient, name: str) -> None:
    deep, within = json.dumps(name, ensure_ascii=False), 300
    content = f"{{{deep}: " * within + '{"a": 1, "a": 2}' + "}" * within
    response = await service.post(FORECASTS, content=content, headers=JSON)
    invalid(response, (f"/{name}" * 16, "name_twice"))


def of(names: list[str]) -> dict[str, Any]:
    return {"kind": "when"} | dict.fromkeys(names, 1)


MANY: dict[str, dict[str, Any]] = {
    "names": of([f"{number}{'x' * 900}" for number in range(99)]),
    "names that grow when written": of([f"{number:03}{chr(1) * 900}" for number in range(99)]),
    "names to be escaped": of([f"{number:03}{'~/' * 400}" for number in range(99)]),
    "names in another script": of([f"{number:03}{FACE * 200}" for number in range(99)]),
    "names that are told apart late": of([f"{'x' * 60}{number}" for number in range(99)]),
}


@pytest.mark.parametrize("case", MANY)
async def test_of_a_hundred_errors_twenty_are_told_in_16_kib(service: httpx2.AsyncClient, case: str) -> None:
    response = await service.post(FORECASTS, content=json.dumps(MANY[case], ensure_ascii=False), headers=JSON)
    told = problem(response, 422, "invalid_request")
    assert len(told["errors"]) == 20
    assert len({error["pointer"] for error in told["errors"]}) == 20
    assert len(response.content) <= MOST_PROBLEM_BYTES


TOO_MANY: dict[str, tuple[dict[str, Any], str, str]] = {
    "counts": (body(history={"throughput": [-1] * 10_000}), "/history/throughput/0", "out_of_range"),
    "days off": (body(calendar={"days_off": ["never"] * 1_000}), "/calendar/days_off/0", "invalid_date"),
    "names of the request": (of([str(number) for number in range(50_000)]), "", "too_many_fields"),
    "names of the scope": (body(scope=of([str(number) for number in range(50_000)])), "/scope", "too_many_fields"),
}


@pytest.mark.parametrize("case", TOO_MANY)
async def test_of_a_great_many_errors_the_first_is_told(service: httpx2.AsyncClient, case: str) -> None:
    question, pointer, code = TOO_MANY[case]
    invalid(await ask(service, question), (pointer, code))
