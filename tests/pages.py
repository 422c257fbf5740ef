"""Read the documents of this repository, and follow them as a person would."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import typer
from typer.testing import CliRunner, Result

from flow_forecaster.cli.commands import app

ROOT = Path(__file__).parents[1]
SERVICE = "http://127.0.0.1:8000"
PROGRAM = "flow-forecaster"
SHOWN = ["|", "python3", "-m", "json.tool"]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
)
LASTING = {"serve", "worker"}
PREPARING = {".", "python3", "docker"}


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page: its language and its text."""

    language: str
    body: str

    @property
    def commands(self) -> list[str]:
        return [line for line in self.body.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


def blocks(page: str) -> list[Block]:
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text(page), flags=re.MULTILINE | re.DOTALL)
    return [Block(language=language, body=body) for language, body in fences]


def inline(page: str) -> list[str]:
    """Return the code inside the sentences and tables of a page."""
    prose = re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", prose)


def section(page: str, title: str) -> str:
    """Return what stands under a heading of the second order."""
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text(page), flags=re.MULTILINE | re.DOTALL)
    assert match, f"{page} has no section {title}"
    return match[1]


def rows(passage: str) -> list[list[str]]:
    """Return the cells of the table rows in a passage, without header and rule."""
    lines = [line for line in passage.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def codes(page: str, title: str) -> set[str]:
    return {cells[0].strip("`") for cells in rows(section(page, title))}


# Running what they say


@dataclass(slots=True, kw_only=True)
class Reader:
    """Someone who follows a page from the top: types its commands, sends its requests, compares what comes back."""

    client: httpx2.Client
    answer: dict[str, Any] = field(default_factory=dict)
    output: str | None = None

    def follow(self, page: str) -> None:
        for block in blocks(page):
            match block.language:
                case "sh":
                    for command in block.commands:
                        self.type(command)
                case "json" if "kind" in block.document and "result" not in block.document:
                    self.send(httpx2.Request("POST", f"{SERVICE}/v1/forecasts", json=block.document))
                case "json":
                    assert is_part(block.document, self.answer), self.answer
                case "python":
                    program = block.body.replace(SERVICE, str(self.client.base_url).rstrip("/"))
                    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
                case "console":
                    typed, *said = block.body.splitlines()
                    ended = run(typed.removeprefix("$ "))
                    assert (ended.exit_code, ended.stdout, ended.stderr.splitlines()) == (2, "", said)
                case "text" if self.output is not None:
                    assert block.body.splitlines() == [line.rstrip() for line in self.output.splitlines()]
                    self.output = None

    def type(self, command: str) -> None:
        self.output = None
        words = shlex.split(command)
        if words[0] == "curl":
            self.send(request_of(words))
        elif words[0] == "make":
            assert words[1] in targets(), command
            self.output = output(demo()) if words[1] == "demo" else None
        elif words[:1] == [PROGRAM] and words[1] in LASTING:
            assert_known(words)
        elif words[0] not in PREPARING:
            self.output = output(command)
            if words[:3] == [PROGRAM, "keys", "create"]:
                os.environ["API_KEY"] = os.environ.get("API_KEY") or self.output.strip()

    def send(self, request: httpx2.Request) -> None:
        path = str(request.url).removeprefix(SERVICE).replace("$ID", str(self.answer.get("id")))
        answer = self.client.request(request.method, path, headers=request.headers, content=request.content)
        assert answer.status_code in {200, 201, 202, 204, 304}, answer.text
        if answer.content:
            self.answer = answer.json()


@cache
def output(line: str) -> str:
    """Type a line that succeeds, and return what it prints."""
    ended = run(line)
    assert ended.exit_code == 0, f"{line}\n{ended.output}"
    return ended.stdout


def run(line: str) -> Result:
    """Run a line of ours in this process; what stands before a pipe is run by the shell."""
    before, _, ours = line.rpartition("|")
    words = [str(Path(word).expanduser()) if word.startswith("~") else word for word in shlex.split(ours)]
    assert words[0] == PROGRAM, line
    piped = subprocess.run(["/bin/sh", "-c", before], stdout=subprocess.PIPE, check=True).stdout if before else None
    return CliRunner().invoke(app, words[1:], input=piped, prog_name=PROGRAM)


def is_part(shown: Any, real: Any) -> bool:
    """Say whether a shortened document agrees with the whole one: keys may be left out, list entries may not."""
    if isinstance(shown, dict) and isinstance(real, dict):
        return all(key in real and is_part(value, real[key]) for key, value in shown.items())
    if isinstance(shown, list) and isinstance(real, list):
        return len(shown) == len(real) and all(map(is_part, shown, real))
    return bool(shown == real)


def holds(shown: Any, real: Any) -> bool:
    """Say whether a document occurs anywhere inside another."""
    inside = real.values() if isinstance(real, dict) else real if isinstance(real, list) else ()
    return is_part(shown, real) or any(holds(shown, each) for each in inside)


def request_of(words: list[str]) -> httpx2.Request:
    """Read a curl command of the forms that the pages use."""
    headers, method, body, url = {"User-Agent": "curl"}, "GET", None, ""
    if words[-len(SHOWN) :] == SHOWN:
        words = words[: -len(SHOWN)]
    rest = iter(words[1:])
    for word in rest:
        if word in {"-H", "-X", "-d", "--data-binary"}:
            value = next(rest)
            if word == "-H":
                name, _, content = value.partition(": ")
                headers[name] = content
            elif word == "-X":
                method = value
            else:
                method, body = "POST", text(value[1:]) if value.startswith("@") else value
        elif word not in {"-s", "-i", "--fail"}:
            url = word
    assert url.startswith(SERVICE), words
    return httpx2.Request(method, url, headers=headers, content=body)


def targets() -> set[str]:
    (line,) = re.findall(r"^\.PHONY: (.*)$", text("Makefile"), flags=re.MULTILINE)
    return set(line.split())


def demo() -> str:
    (command,) = re.findall(r"^demo:.*\n\t@\"\$\(BIN\)/flow-forecaster\" (.*)$", text("Makefile"), flags=re.MULTILINE)
    return f"{PROGRAM} {command}"


def assert_known(words: list[str]) -> None:
    command = next((name for name in (" ".join(words[1:3]), words[1]) if name in commands()), "")
    assert command, words
    assert {word for word in words if word.startswith("-") and word != "-"} <= options(command).keys(), words


@cache
def commands() -> dict[str, Any]:
    """Return every command by its name; those of a group by the names of both."""
    whole: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in whole.commands.items():
        inner = getattr(command, "commands", None)
        found |= {name: command} if inner is None else {f"{name} {each}": inner[each] for each in inner}
    return found


def options(command: str) -> dict[str, Any]:
    """Return the options of a command by each of their names."""
    named = [each for each in commands()[command].params if each.param_type_name == "option"]
    return {name: each for each in named for name in each.opts}
