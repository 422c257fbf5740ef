"""Bodies, queries, headers and ids written by hand to hurt, each sent to every operation on either database."""

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import httpx2

from chaos.ground import a_database, client_of, embedded, file_of
from chaos.planning import Plan
from chaos.sockets import resident
from chaos.verdicts import Verdict
from routers.asking import FORECASTS, JSON, MOST_PROBLEM_BYTES, UNKNOWN_ID, body, without
from routers.keys import a_key, bearing, keyring
from routers.operations import ENDPOINTS, KEYS, OPERATIONS, PROJECTS, PUBLIC, REQUESTS, Known

LONGEST_SECONDS, MOST_MEBIBYTES = 1.0, 64.0
_DEEP = 50_000
BODIES: Mapping[str, bytes] = MappingProxyType(
    {
        "nothing": b"",
        "half an object": b"{",
        "an array as deep as the sea": b"[" * _DEEP,
        "objects as deep": b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
        "null": b"null",
        "a text": b'"' + b"x" * 100_000 + b'"',
        "no number": b'{"items": NaN, "name": Infinity, "kind": -Infinity}',
        "a number without end": b'{"kind": ' + b"9" * 100_000 + b"}",
        "no UTF-8": b'{"name": "\xff\xfe\xed\xa0\x80"}',
        "UTF-16": json.dumps({"kind": "when"}).encode("utf-16"),
        "NUL and surrogates": json.dumps({"name\0": "\ud800", "kind": "\0", "url": "\udfff"}).encode(),
        "a name twice": b'{"name": "a", "name": "b", "kind": "when", "kind": "how_many"}',
        "names of the language": b'{"__proto__": {"x": 1}, "__class__": "x", "constructor": {"prototype": 1}}',
        "a great many names": json.dumps(dict.fromkeys(map(str, range(50_000)), 1)).encode(),
        "lists where there are none": b'{"name": [[]], "kind": [{}], "items": [], "url": {}, "events": {"a": 1}}',
        "lines": b'{"record": "export"}\n' * 10_000,
        "a table": b"id;finished\n" + b'"' * 100_000,
        "a bomb": gzip.compress(bytes(8 << 20)),
        "more than is read": b" " * (3 << 20),
    }
)
MEDIA = ("application/json", "application/x-ndjson", "text/csv", "multipart/form-data; boundary=" + "b" * 200)
QUERIES: Sequence[str] = (
    "limit=-1",
    "limit=" + "9" * 4_000,
    "limit=%D9%A1%D9%A0",
    "limit=1&limit=2&limit=%00",
    "cursor=" + "A" * 4_000,
    "cursor=%00%ff%fe",
    "name=%00",
    "tag=%00",
    "tag=a%00b%ed%a0%80",
    "type=%00",
    "status='%20OR%201=1--&kind=%3Cscript%3E",
    "with=../../etc/passwd&status=%F0%9F%98%80",
    "from=9999-99-99&to=-1&period=%E2%80%AE&start=0000-00-00",
    "&".join(f"x{number}={number}" for number in range(1_000)),
    "a[b][c]=1;d=2&=&&&%",
)
HEADERS: Sequence[Mapping[str, str]] = (
    {"Content-Type": ";;;=\xff"},
    {"Content-Encoding": "gzip, br, gzip"},
    {"Prefer": "wait=1e999, respond-async=\xff, wait=-1,,;;" + "a," * 2_000},
    {"If-Match": '"' * 4_000, "If-None-Match": "W/,,\xff"},
    {"Idempotency-Key": "\xff" * 1_000},
    {"Idempotency-Key": "k" * 16_000},
    {"Range": "bytes=-1-0,9-" + "9" * 1_000},
    {"Accept": "*/*;q=\xff," * 500, "Accept-Encoding": "gzip;q=nan", "Accept-Language": "\xff"},
    {"Host": "\xff:99999", "X-Forwarded-For": "127.0.0.1," * 500, "X-Forwarded-Proto": "\xff"},
    {"X-Request-Id": "\xff" * 500, "traceparent": "00-" + "f" * 500, "tracestate": "=" * 2_000},
    {"Last-Event-ID": "9" * 4_000},
    {"Cookie": "a=b;" * 3_000, "X-HTTP-Method-Override": "TRACE", "Origin": "null", "Expect": "the unexpected"},
)
ODD = ("\0", "a\0b", "\ud800")
"""What PostgreSQL holds in no text."""
FULL: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType(
    {
        f"POST {FORECASTS}": (
            without("history", project_id="{project_id}", selection={"types": ["Story"], "tags": ["red"]}),
            body(calendar={"country": "DE", "subdivision": "BY"}, callback_url="https://receiver.example/x"),
            body(risks=[{"name": "risk", "probability": 0.5, "items": 5}], trials=100),
        ),
        f"POST {PROJECTS}": ({"name": "full", "description": "text", "time_zone": "UTC", "tags": ["red"]},),
        f"PUT {PROJECTS}/{{project_id}}/work-items/{{item_id}}": ({"title": "text", "type": "Story", "tags": ["red"]},),
        f"POST {ENDPOINTS}": ({"url": "https://receiver.example/full", "description": "text"},),
    }
)
IDS = ("..%2f..%2fetc%2fpasswd", "%00", "%ff%fe", "x" * 4_000, quote("١٢٣\N{RIGHT-TO-LEFT OVERRIDE}"), "{0[0]}", "%")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request that is to hurt."""

    name: str
    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(slots=True, kw_only=True)
class Found:
    """What the answers were like."""

    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    long: list[str] = field(default_factory=list)
    unanswered: int = 0
    seconds: list[float] = field(default_factory=list)


async def sent(plan: Plan) -> Verdict:
    """Send every case to a process on SQLite and to one on PostgreSQL; `size` is the least number of cases."""
    verdict, found = Verdict(fault="hostile-input"), Found()
    with ExitStack() as stack:
        postgres, name = await a_database(plan, stack)
        urls = {"SQLite": _on_sqlite(plan), "PostgreSQL": postgres.url(name)}
        for number, (database, url) in enumerate(urls.items()):
            share = slice(9 * number, None, 18) if plan.hurried else slice(None)
            await _attack(plan, database, url, share, verdict, found)
    each = f"{len(BODIES)} bodies, {len(QUERIES)} queries, {len(HEADERS)} sets of headers and {len(IDS)} ids at each"
    verdict.did = f"{len(OPERATIONS)} operations, {each} that has them; {dict(sorted(found.statuses.items()))}"
    tried = found.statuses.total() + found.unanswered
    verdict.check("requests", tried, holds=tried >= plan.size)
    verdict.nothing("answers of 500 and above, or none", found.failed)
    verdict.nothing("refusals longer than 16 KiB", found.long)
    verdict.recovered("answers", found.seconds, within=LONGEST_SECONDS)
    verdict.recovery_seconds = []
    return verdict


async def _attack(plan: Plan, database: str, url: str, share: slice, verdict: Verdict, found: Found) -> None:
    """Send a share of the cases to a process on a database."""
    with embedded(plan, database_url=url) as service:
        async with client_of(await service.address()) as client:
            key = await key_for_all(url)
            tried = list(cases(await _furnished(client, key)))[share]
            await _send(client, key, tried[0], Found())
            before = resident(service)
            for case in tried:
                await _send(client, key, case, found)
            grown = resident(service) - before
        verdict.check(f"it lives on {database}", service.lives, holds=service.lives)
        verdict.check(f"mebibytes that it grew by on {database}", f"{grown:.0f}", holds=grown <= MOST_MEBIBYTES)


def cases(ids: Mapping[str, str]) -> Iterator[Case]:
    """Write all cases down."""
    good = {name: Known() for name in sorted(PUBLIC)} | REQUESTS
    for name, known in good.items():
        method, path = name.split()
        unknown = dict.fromkeys(ids, UNKNOWN_ID)
        target = path.format(form="csv", **(unknown if method == "DELETE" else ids))
        headers, content = _body_of(known)
        for query in QUERIES:
            yield Case(name=f"{name} ?{query[:30]}", method=method, target=f"{target}?{query}", headers=headers)
        for odd in HEADERS:
            yield Case(
                name=f"{name} {[*odd]}", method=method, target=target, headers=dict(headers) | odd, content=content
            )
        for one in IDS if "{" in path else ():
            for odd_ids in _targets(path, ids, one):
                yield Case(name=f"{name} {one[:30]}", method=method, target=odd_ids, headers=headers, content=content)
        if "requestBody" in OPERATIONS[name]:
            yield from _bodies(name, target)
            yield from _texts(name, target, ids, known)


def _targets(path: str, ids: Mapping[str, str], one: str) -> set[str]:
    """Put an odd id in the place of all ids of an address, and in the place of the last one alone."""
    form = one if "{form}" in path else "csv"
    last = path[path.rindex("{") + 1 : path.rindex("}")]
    return {path.format(form=form, **dict.fromkeys(ids, one)), path.format(**{"form": form} | dict(ids) | {last: one})}


def _texts(name: str, target: str, ids: Mapping[str, str], known: Known) -> Iterator[Case]:
    """Put what no database holds in the place of each text of a good body."""
    own = [known.sends] if isinstance(known.sends, dict) else []
    for whole in (*own, *FULL.get(name, ())):
        written = json.dumps(whole).replace("{project_id}", ids["project_id"])
        for text in sorted(set(_leaves(json.loads(written)))):
            for odd in ODD:
                content = written.replace(json.dumps(text), json.dumps(odd)).encode()
                yield Case(
                    name=f"{name}: {odd!a} for {text[:20]}",
                    method=name.partition(" ")[0],
                    target=target,
                    headers=JSON | known.carries,
                    content=content,
                )


def _leaves(value: Any) -> Iterator[str]:
    """List the texts in a JSON value."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _leaves(inner)


def _bodies(name: str, target: str) -> Iterator[Case]:
    method = name.partition(" ")[0]
    for number, (what, content) in enumerate(BODIES.items()):
        for media in (JSON["Content-Type"], MEDIA[number % len(MEDIA)]):
            yield Case(
                name=f"{name}: {what} as {media[:20]}",
                method=method,
                target=target,
                headers={"Content-Type": media},
                content=content,
            )


def _body_of(known: Known) -> tuple[dict[str, str], bytes]:
    """Write the body of a good request, and the headers that go with it."""
    parts = known.sends if isinstance(known.sends, list) else [] if known.sends is None else [known.sends]
    content = "\n".join(map(json.dumps, parts)).encode()
    return (JSON if content else {}) | known.carries, content


async def _send(client: httpx2.AsyncClient, key: str, case: Case, found: Found) -> None:
    headers = bearing(key) | dict(case.headers)
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    started = time.monotonic()
    try:
        response = await client.request(case.method, case.target, headers=encoded, content=case.content or None)
    except httpx2.TransportError as error:
        found.unanswered += 1
        found.failed.append(f"{case.name}: {type(error).__name__} {error}")
        return
    found.seconds.append(time.monotonic() - started)
    found.statuses[response.status_code] += 1
    if response.status_code >= 500:
        found.failed.append(f"{case.name}: {response.status_code} {response.text[:100]}")
    if response.status_code >= 400 and len(response.content) > MOST_PROBLEM_BYTES:
        found.long.append(f"{case.name}: {len(response.content)}")


async def key_for_all(url: str) -> str:
    """Make a key that may do everything, in a database of the service."""
    async with keyring(url) as keys:
        return (await a_key(keys)).text


def _on_sqlite(plan: Plan) -> str:
    return f"sqlite+aiosqlite:///{file_of(plan)}"


async def _furnished(client: httpx2.AsyncClient, text: str) -> dict[str, str]:
    """Make something of each sort; return their ids."""
    key = bearing(text)
    project = await _made(client, PROJECTS, REQUESTS[f"POST {PROJECTS}"].sends, key)
    items = f"{PROJECTS}/{project['id']}/work-items"
    await client.put(f"{items}/PAY-1", json={"finished": "2026-01-09"}, headers=key)
    endpoint = await _made(client, ENDPOINTS, {"url": "https://receiver.example/"}, key)
    forecast = await _made(client, FORECASTS, REQUESTS[f"POST {FORECASTS}"].sends, key)
    other = await _made(client, KEYS, {"name": "other", "scopes": ["forecasts:read"]}, key)
    found = {"project": project, "endpoint": endpoint, "forecast": forecast, "key": other}
    ids = {f"{name}_id": str(one["id"]) for name, one in found.items()}
    return ids | {"item_id": "PAY-1", "import_id": UNKNOWN_ID, "delivery_id": UNKNOWN_ID}


async def _made(client: httpx2.AsyncClient, path: str, sends: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    response = await client.post(path, json=sends, headers=headers)
    response.raise_for_status()
    made: dict[str, Any] = response.json()
    return made
