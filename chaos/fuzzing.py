"""Requests that schemathesis makes of openapi.json, to every operation and from answer to request, with its checks."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos.ground import a_database, embedded
from chaos.hostile import key_for_all
from chaos.planning import Plan
from chaos.sockets import resident
from chaos.verdicts import Verdict
from routers.operations import DOCUMENT, OPERATIONS, PROJECTS

PHASES = ("examples", "coverage", "fuzzing", "stateful")
MAKING = ("fuzzing", "stateful")
"""Phases that find other cases with other dice."""
BY_HAND = 15_000
"""About so many cases follow from the document alone, in the phase `coverage`."""
VARIED = sum("parameters" in operation or "requestBody" in operation for operation in OPERATIONS.values())
"""So many operations can be asked in more than one way; of the others each run makes one case, whatever it is told."""
MOST_RUNS, SPARE = 6, 1.12
MOST_TOLD = 20_000
_DETAILS = re.compile(r"^=+ (?:ERRORS|FAILURES) =+\n(.*?)^=+ SUMMARY =+$", re.DOTALL | re.MULTILINE)
MOST_MEBIBYTES = 200.0
_FEW = (f"POST {PROJECTS}", f"GET {PROJECTS}", f"GET {PROJECTS}/{{project_id}}")
"""Operations for a hurry: each phase has something to do at them. At all of them, the coverage alone takes minutes."""
_COMMAND = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run")
UNCHECKED = "positive_data_acceptance"
"""The one check that is left out: no schema can say that a deadline comes after its start."""
_SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, 431, "5xx"]
"""
"""Its own list of what refuses, with 413 and 431: it takes a request for accepted that is refused for its length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of schemathesis: with which dice, through which phases, how many cases of each operation at most."""

    number: int
    phases: Sequence[str]
    examples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of a run: its report, what it said, and how the service took it."""

    report: Mapping[str, Any] | None
    said: str
    grown: float
    lives: bool


async def tried(plan: Plan) -> Verdict:
    """Let it make `size` cases, at least, against processes on PostgreSQL, which refuses what SQLite takes."""
    verdict, found = Verdict(fault="schemathesis"), list[Found]()
    while made(found) < plan.size and len(found) < MOST_RUNS and all(each.report for each in found):
        found += await _side_by_side(plan, further(plan, found))
    for each in found:
        if told := details(each.said):
            plan.say(told)
    verdict.nothing("reports that were not written", [each.said[-300:] for each in found if each.report is None])
    if verdict.holds:
        read(verdict, [each.report for each in found if each.report], at_least=plan.size)
    grown = sum(each.grown for each in found)
    verdict.check("mebibytes that it grew by", f"{grown:.0f}", holds=grown <= MOST_MEBIBYTES)
    lives = all(each.lives for each in found)
    verdict.check("it lives", lives, holds=lives)
    return verdict


def details(said: str) -> str:
    """Take from what it said each failure and error: why, and a line of curl that repeats the request."""
    section = _DETAILS.search(said)
    return "" if section is None else section[1].strip()[:MOST_TOLD]


def made(found: Sequence[Found]) -> int:
    """Count the cases of all runs."""
    return sum(each.report["test_cases"]["generated"] for each in found if each.report)


def further(plan: Plan, found: Sequence[Found]) -> list[Run]:
    """Say which two runs come next, of about the same length, as there are two cores: what is missing, and some more.

    The first one of all goes through the document; the others would only find the same there.
    """
    number, share = len(found), (plan.size - made(found)) * SPARE / 2
    first = share if found else share - BY_HAND
    return [
        Run(number=number, phases=MAKING if found else PHASES, examples=_of_each(plan, first)),
        Run(number=number + 1, phases=MAKING, examples=_of_each(plan, share)),
    ]


def _of_each(plan: Plan, cases: float) -> int:
    return 5 if plan.hurried else max(10, int(cases / VARIED))


async def _side_by_side(plan: Plan, runs: Sequence[Run]) -> list[Found]:
    """Make some runs at once, each against a service and a database of its own, which are made one after the other."""
    with ExitStack() as stack:
        grounds = [replace(plan, folder=plan.folder / f"run-{run.number}") for run in runs]
        databases = [await _a_database(own, stack) for own in grounds]
        async with asyncio.TaskGroup() as group:
            started = zip(grounds, runs, databases, strict=True)
            tasks = [group.create_task(_fuzzed(own, run, url)) for own, run, url in started]
        return [task.result() for task in tasks]


async def _a_database(plan: Plan, stack: ExitStack) -> str:
    plan.folder.mkdir()
    postgres, name = await a_database(plan, stack)
    return postgres.url(name)


async def _fuzzed(plan: Plan, run: Run, url: str) -> Found:
    document, report = plan.folder / "openapi.json", plan.folder / "report.json"
    document.write_text(json.dumps(lenient(DOCUMENT)), encoding="utf-8")
    (plan.folder / "schemathesis.toml").write_text(_SETTINGS, encoding="utf-8")
    with embedded(plan, rate_failures=0, database_url=url) as service:
        address = await service.address()
        key, before = await key_for_all(url), resident(service)
        said = await _run(plan.folder, [str(document), "--url", address, *_options(plan, run, key, report)])
        grown, lives = resident(service) - before, service.lives
    told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None
    return Found(report=told, said=said, grown=grown, lives=lives)


def read(verdict: Verdict, reports: Sequence[Mapping[str, Any]], *, at_least: int) -> None:
    """Read what schemathesis found in all runs."""
    cases, tested = sum(each["test_cases"]["generated"] for each in reports), reports[0]["operations"]["tested"]
    version = reports[0]["schemathesis_version"]
    verdict.did = f"schemathesis {version}: {tested} operations of {len(OPERATIONS)}, {len(reports)} runs"
    verdict.check(f"test cases, at least {at_least:,}", cases, holds=cases >= at_least)
    absent = {"skip_reason": "absent"}
    skipped = [name for name in PHASES if all(each["phases"].get(name, absent)["skip_reason"] for each in reports)]
    verdict.nothing("phases that did not run", skipped)
    verdict.nothing("runs that broke off", [each["stop_reason"] for each in reports if not each["complete"]])
    failures = [
        f"{one['title']}: {one['count']} at {', '.join(one['operations'])}" for one in _all("failures", reports)
    ]
    verdict.nothing("failures of its checks", failures)
    verdict.nothing("errors", _all("errors", reports))


def _all(what: str, reports: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [one for each in reports for one in each[what]]


def lenient(document: Mapping[str, Any]) -> dict[str, Any]:
    """Say in the document's schemas what it says in words: null is absent; and events have no schema in OpenAPI 3.1."""
    copy = deepcopy(dict(document))
    for schema in _schemas(copy):
        if "text/event-stream" in schema:
            schema["text/event-stream"] = {}
        if isinstance(schema.get("properties"), dict):
            optional = schema["properties"].keys() - set(schema.get("required", ()))
            for name in optional:
                schema["properties"][name] = {"anyOf": [schema["properties"][name], {"type": "null"}]}
    return copy


def _schemas(value: Any) -> Iterator[dict[str, Any]]:
    """List every object of a document, the inner ones first."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _schemas(inner)
    if isinstance(value, dict):
        yield value


def _options(plan: Plan, run: Run, key: str, report: Path) -> Sequence[str]:
    return (
        *("--header", f"Authorization: Bearer {key}", "--checks", "all", "--exclude-checks", UNCHECKED),
        *("--phases", ",".join(run.phases), "--max-examples", str(run.examples), "--seed", str(plan.seed + run.number)),
        *("--continue-on-failure", "--no-shrink", "--request-timeout", "20", "--no-color", "--warnings", "off"),
        *("--generation-database", "none", "--suppress-health-check", "all"),
        *("--report", "json", "--report-json-path", str(report)),
        *(part for name in (_FEW if plan.hurried else ()) for part in ("--include-name", name)),
    )


async def _run(folder: Path, arguments: Sequence[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said = (await process.communicate())[0].decode(errors="replace")
    finally:
        if process.returncode is None:
            process.kill()
    (folder / "schemathesis.log").write_text(said, encoding="utf-8")
    return said
