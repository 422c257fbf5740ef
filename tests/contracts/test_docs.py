"""What the documents say is run: requests, commands, outputs, names, links."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import annotated_types
import httpx2
import pytest

from flow_forecaster.settings import PREFIX, Settings
from pages import (
    PAGES,
    PROGRAM,
    ROOT,
    SERVICE,
    Reader,
    assert_known,
    blocks,
    codes,
    commands,
    holds,
    inline,
    is_part,
    options,
    request_of,
    rows,
    section,
    targets,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT_PAGES = ["AGENTS.md", "CHANGELOG.md", "CLAUDE.md", "CODEX.md", "README.md"]
# Its commands are for machines with containers; test_shipping.py reads them.
NOT_RUN = {"back-up.md", "deploy.md", "manage-api-keys.md", "receive-webhooks.md"}  # other modules follow some of them
RUN = [page for page in PAGES if page.removeprefix("docs/how-to/") not in NOT_RUN]
CLOSING = ["docs/how-to/manage-api-keys.md"]
"""After the first key a service lets nobody in without one."""
A_REPOSITORY = "~/src/my-project"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, kernel_cache: Path) -> dict[str, str]:
    """A user with a terminal of 80 columns, a database, and a repository in the home folder."""
    home = tmp_path_factory.mktemp("home")
    make_repository(home / A_REPOSITORY.removeprefix("~/"))
    return {
        "HOME": str(home),
        "COLUMNS": "80",
        "NO_COLOR": "1",
        f"{PREFIX}DATABASE_URL": f"sqlite:///{home / 'forecasts.db'}",
        f"{PREFIX}KERNEL_CACHE_DIR": str(kernel_cache),
    }


def make_repository(folder: Path) -> None:
    """Make a repository with two commits in each of the last ten weeks."""
    folder.mkdir(parents=True)
    git = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.org",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run([*git, "init", "--quiet", "--initial-branch=main"], check=True)
    for days in range(70, 0, -4):
        moment = f"{int(time.time()) - days * 86_400} +0000"
        dates = {**os.environ, "GIT_COMMITTER_DATE": moment, "GIT_AUTHOR_DATE": moment}
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=work"], env=dates, check=True)


@pytest.fixture(scope="module")
def served(environment: dict[str, str]) -> Iterator[tuple[httpx2.Client, str]]:
    """What `make run` starts, on a free port: a client of it, and what it printed."""
    with serving(environment) as told:
        yield told


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[httpx2.Client, str]]:
    seen = {**os.environ, **environment, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "flow_forecaster", "serve", "--port", "0"]
    with subprocess.Popen(
        command, env=seen, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    ) as process:
        assert process.stdout
        welcome = "".join(iter(process.stdout.readline, "\n")) + process.stdout.readline()
        match = re.search(r"serves on (\S+) ", welcome)
        assert match, welcome
        with httpx2.Client(base_url=match[1], timeout=30, trust_env=False) as client:
            yield client, welcome
        process.terminate()


@pytest.fixture
def reader(served: tuple[httpx2.Client, str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Reader:
    return _at_home(served, environment, monkeypatch)


def _at_home(served: tuple[httpx2.Client, str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.chdir(ROOT)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Reader(client=served[0])


@pytest.mark.parametrize("page", CLOSING)
def test_whoever_makes_keys_by_a_page_gets_in_with_them(
    page: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a database of its own, because the service of the other pages stays open."""
    own = environment | {f"{PREFIX}DATABASE_URL": f"sqlite:///{tmp_path / 'keys.db'}", "API_KEY": ""}
    with serving(own) as served:
        _at_home(served, own, monkeypatch).follow(page)
        assert served[0].get("/v1/forecasts", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize("page", RUN)
def test_whoever_follows_a_page_gets_what_it_shows(page: str, reader: Reader) -> None:
    reader.follow(page)


@pytest.mark.parametrize("page", RUN)
def test_commands_inside_sentences_work(page: str, reader: Reader) -> None:
    for code in inline(page):
        if code.startswith("make ") and " " not in code[5:]:
            assert code[5:] in targets(), code
        elif code.startswith("curl ") or (code.startswith(f"{PROGRAM} ") and "examples/" in code):
            reader.type(code)
        elif code.startswith(f"{PROGRAM} "):
            assert_known(shlex.split(code))


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*.json")))
def test_the_readme_shows_a_true_part_of_the_answer_to_each_request(name: str, reader: Reader) -> None:
    (row,) = [line for line in text("README.md").splitlines() if f"(examples/{name})" in line]
    (shown,) = re.findall(r"`(\{.*?\})`", row)
    reader.type(f"curl -s {SERVICE}/v1/forecasts -H 'Content-Type: application/json' -d @examples/{name}")
    while reader.answer["result"] is None:  # a busy machine leaves to a worker what took too long
        reader.type(f"curl -s {SERVICE}/v1/forecasts/$ID -H 'Prefer: wait=5'")
    assert holds(json.loads(shown), reader.answer["result"])


def test_the_service_prints_the_readmes_first_request(served: tuple[httpx2.Client, str]) -> None:
    client, welcome = served
    (printed,) = [line for line in welcome.splitlines() if line.startswith("curl ")]
    (shown,) = [command for block in blocks("README.md") for command in block.commands if command.startswith("curl ")]
    printed_request = request_of(shlex.split(printed.replace(str(client.base_url), SERVICE)))
    assert is_part(json.loads(printed_request.content), json.loads(request_of(shlex.split(shown)).content))


def test_a_shortened_document_must_agree_with_the_whole_one() -> None:
    whole = {"a": [{"b": 1, "c": 2}], "d": None}
    assert is_part({"a": [{"b": 1}]}, whole)
    assert holds({"c": 2}, whole)
    assert not any(is_part(wrong, whole) for wrong in ({"a": [{"b": 2}]}, {"a": []}, {"e": None}, {"d": 0}))
    assert not holds({"b": 2}, whole)


# Reference pages against the source


def default_of(name: str) -> str:
    value = Settings.model_fields[name].default
    if Settings.model_fields[name].default_factory is not None:
        return "computed"
    return "not set" if value is None else value if isinstance(value, str) else json.dumps(value)


def bounds_of(name: str) -> tuple[float, ...]:
    found = Settings.model_fields[name].metadata
    least = [each.ge for each in found if isinstance(each, annotated_types.Ge)]
    above = [each.gt for each in found if isinstance(each, annotated_types.Gt)]
    most = [each.le for each in found if isinstance(each, annotated_types.Le)]
    return tuple(float(str(each)) for each in (*least, *above, *most))


def test_every_setting_is_listed_with_its_default_and_bounds() -> None:
    listed = {cells[0].strip("`"): cells for cells in rows(text("docs/reference/settings.md"))}
    assert [*listed] == [PREFIX + name.upper() for name in Settings.model_fields]
    for name in Settings.model_fields:
        _, default, allowed, meaning = listed[PREFIX + name.upper()]
        computed = default_of(name) == "computed" and "`" not in default
        assert computed or default.strip("`") == default_of(name), name
        if bounds_of(name):
            assert tuple(map(float, re.findall(r"\d+(?:\.\d+)?", allowed))) == bounds_of(name), name
        assert meaning


def test_every_command_is_listed_with_its_options() -> None:
    headings = re.findall(r"^## (.*)$", text("docs/reference/cli.md"), flags=re.MULTILINE)
    assert [title for title in headings if title != "Options of a forecast"] == [*commands()]
    for command in commands():
        (usage,) = re.findall(
            r"^```text\n(.*?)^```$", section("docs/reference/cli.md", command), re.MULTILINE | re.DOTALL
        )
        long = {name for name in options(command) if name.startswith("--")} - {"--help"}
        assert set(re.findall(r"--[\w-]+", usage)) == long, command


def test_every_option_of_a_forecast_is_explained_with_its_default() -> None:
    known = options("when") | options("how-many") | options("deadline")
    listed = rows(section("docs/reference/cli.md", "Options of a forecast"))
    names = [name for cells in listed for name in re.findall(r"`(-[\w-]+)`", cells[0])]
    assert sorted(names) == sorted(known.keys() - {"--help"})
    for cells in listed:
        option = known[re.findall(r"`(--[\w-]+)`", cells[0])[0]]
        assert (cells[1] == "needed") == option.required, cells
        if isinstance(option.default, int | str) and not isinstance(option.default, bool):
            assert cells[1].strip("`") == str(option.default), cells


def test_every_route_is_listed_with_statuses_that_the_document_has() -> None:
    paths = json.loads(text("openapi.json"))["paths"]
    operations = {
        f"{method.upper()} {path}": each for path, methods in paths.items() for method, each in methods.items()
    }
    headings = re.findall(r"^## ([A-Z]+ /.*)$", text("docs/reference/api.md"), flags=re.MULTILINE)
    assert sorted(headings) == sorted(operations)
    for heading in headings:
        told = {status for cells in rows(section("docs/reference/api.md", heading)) for status in cells[0].split(", ")}
        assert told <= operations[heading]["responses"].keys(), heading


def constants(tree: ast.AST) -> set[str]:
    """Return the names with underscores, or the single words, that stand as texts in a piece of source."""
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {each for each in found if re.fullmatch(r"[a-z]+(?:_[a-z]+)*", each)}


@cache
def source() -> list[ast.AST]:
    paths = sorted((ROOT / "src").rglob("*.py"))
    return [node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]


def given_to(callee: str) -> set[str]:
    """Return the codes that calls of a name are given by keyword."""
    calls = [node for node in source() if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    keywords = [word for call in calls if getattr(call.func, "id", "") == callee for word in call.keywords]
    return {code for word in keywords if word.arg == "code" for code in constants(word.value)}


def answered() -> set[str]:
    """Return the codes of problems that are answered by position: after the request and the status."""
    calls = [node for node in source() if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    named = [call for call in calls if getattr(call.func, "id", "") in {"_answer", "problem_response"}]
    return {code for call in named for argument in call.args[2:3] for code in constants(argument)}


def assigned(name: str) -> set[str]:
    """Return the values of a table of codes, and the one that its get() falls back on."""
    tables = [node.value for node in source() if isinstance(node, ast.AnnAssign | ast.Assign) and node.value]
    owners = [node for node in source() if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == name]
    assert owners, name
    fallbacks = [
        node.args[1]
        for value in tables
        for node in ast.walk(value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.get" and len(node.args) > 1
    ]
    values = [value for owner in owners if isinstance(owner.value, ast.Dict) for value in owner.value.values]
    return {code for part in (*values, *fallbacks) for code in constants(part)}


def of_errors() -> set[str]:
    """Return the codes of the service's own errors."""
    tree = ast.parse(text("src/flow_forecaster/errors.py"))
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    return {code for node in plain if ast.unparse(node.targets[0]) == "code" for code in constants(node.value)}


def of_failures() -> set[str]:
    """Return the codes of failures that are written down as documents."""
    documents = [node for node in source() if isinstance(node, ast.Dict)]
    pairs = [pair for node in documents for pair in zip(node.keys, node.values, strict=True)]
    return {
        code
        for key, value in pairs
        if isinstance(key, ast.Constant) and key.value == "code"
        for code in constants(value)
    }


ERRORS = "docs/reference/errors.md"


def test_every_problem_is_listed() -> None:
    from flow_forecaster.routers.problems import _HTTP, BROKEN

    of_http = {code for code, _ in [*_HTTP.values(), *BROKEN.values()]}
    assert codes(ERRORS, "Problems") == of_errors() | answered() | of_http | {"http_error"}


def test_the_statuses_of_problems_are_right() -> None:
    from flow_forecaster.routers.problems import _HTTP, BROKEN, STATUSES

    listed = {cells[0].strip("`"): cells[1] for cells in rows(section(ERRORS, "Problems"))}
    right = {error.code: str(int(status)) for error, status in STATUSES.items()}
    right |= {code: str(status) for status, (code, _) in [*_HTTP.items(), *BROKEN.items()]}
    assert {code: listed[code] for code in right} == right


def test_every_code_of_a_field_is_listed() -> None:
    from flow_forecaster.routers.problems import POINTERS

    told = {error.code for error in POINTERS}
    assert (
        codes(ERRORS, "Fields")
        == given_to("InvalidInput") | given_to("FieldError") | (assigned("_CODES") - answered()) | told
    )


def test_every_warning_and_every_assumption_is_listed() -> None:
    assert codes(ERRORS, "Warnings") | codes(ERRORS, "Assumptions") == given_to("Caveat")


def test_every_failure_is_listed() -> None:
    assert codes(ERRORS, "Failures") == of_failures()


# Names, links, and what must not be there


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert "://" in target or found.exists(), target
        if anchor and found.suffix == ".md":
            titles = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("page", PAGES)
def test_files_and_settings_that_a_page_names_exist(page: str) -> None:
    for code in inline(page):
        if re.fullmatch(r"(src|tests|docs|examples|scripts|requirements|alembic|benchmarks|\.ci)(/[\w./-]+)?", code):
            assert (ROOT / code).exists(), code
    named = {name.lower() for name in re.findall(PREFIX + r"([A-Z][A-Z0-9_]*)", text(page))}
    assert named <= set(Settings.model_fields)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_no_machine_and_no_host(page: str) -> None:
    assert re.findall(r"(?<![\w.~-])/(?:work|root|home|tmp)/", text(page)) == []
    hosts = {host.rpartition("@")[2] for host in re.findall(r"\w+://([^/\s`'\"):]+)", text(page))}
    assert hosts <= {"127.0.0.1", "localhost", "host", "user", "…", "redis"}, hosts


def test_every_page_is_reached_from_the_first_one_of_its_folder() -> None:
    index = text("docs/README.md")
    reached = {str((Path("docs") / target).as_posix()) for target in re.findall(r"\]\(([^)#\s]+)\)", index)}
    pages = {page for page in PAGES if page.startswith("docs/") and not page.startswith("docs/adr/")}
    assert pages - {"docs/README.md"} <= reached
    assert "docs/adr" in reached


def test_only_known_pages_stand_at_the_top() -> None:
    assert sorted(path.name for path in ROOT.glob("*.md")) == ROOT_PAGES


@pytest.mark.parametrize("page", ["AGENTS.md", "CLAUDE.md"])
def test_agents_are_pointed_to_the_one_text(page: str) -> None:
    (line,) = text(page).splitlines()
    assert "(CODEX.md)" in line


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/adr/")])
def test_a_decision_is_short_and_whole(page: str) -> None:
    lines = text(page).splitlines()
    assert len(lines) < 60
    assert lines[0].startswith(f"# {int(Path(page).name[:4])}. ")
    assert {"## Context", "## Decision", "## Consequences"} <= set(lines)
    assert any("lternative" in line or "instead of" in line for line in lines)


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [Path(page).name[:4] for page in PAGES if page.startswith("docs/adr/")]
    assert len(set(numbers)) == len(numbers)
