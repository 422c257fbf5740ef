"""What operators run, read as they will read it: the image, compose, the Procfile, Fly and the page that explains them.

No engine runs here, so the files are parsed; what can be executed without one (the health probe, the processor that the
kernels are compiled for, the command line) is executed.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "FLOW_FORECASTER_"
PROGRAM = "flow-forecaster"
SHIPPED = ("Dockerfile", ".dockerignore", "docker-compose.yml", "Procfile", "fly.toml", "docs/how-to/deploy.md")
PROCESSES = ("migrate", "api", "worker")
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<word>[^}]*))?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction of a Dockerfile: its name, its flags and what follows them."""

    name: str
    flags: tuple[str, ...]
    rest: str

    @property
    def argv(self) -> list[str]:
        """Return the words of an exec form; raise when it is a shell form."""
        return [str(word) for word in json.loads(self.rest.removeprefix("CMD").strip())]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a Dockerfile, its base with build arguments replaced by their defaults."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        """Return the stage's instructions of one name, in order."""
        return [instruction for instruction in self.instructions if instruction.name == name]

    @property
    def copied(self) -> list[str]:
        """Return what the stage copies out of the repository."""
        own = [each for each in self.all("COPY") if not any(flag.startswith("--from=") for flag in each.flags)]
        return [path for each in own for path in each.rest.split()[:-1]]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def lines_of(source: str) -> list[str]:
    """Return the lines that are neither blank nor comments, each continued line as one."""
    kept = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return re.sub(r"\\\n\s*", "", "\n".join(kept)).splitlines()


def instruction_of(line: str) -> Instruction:
    match = re.fullmatch(r"(\w+)((?:\s+--[\w-]+(?:=\S+)?)*)\s+(.*)", line)
    assert match, line
    return Instruction(name=match[1], flags=tuple(match[2].split()), rest=match[3].strip())


def dockerfile() -> dict[str, Stage]:
    """Return the stages of the Dockerfile by name, in order."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    for instruction in map(instruction_of, lines_of(text("Dockerfile"))):
        if instruction.name == "FROM":
            base, _, name = instruction.rest.partition(" AS ")
            stages[name] = Stage(name=name, base=expand(base, arguments))
        elif stages:
            list(stages.values())[-1].instructions.append(instruction)
        else:
            name, _, arguments[name] = instruction.rest.partition("=")
    return stages


def image() -> Stage:
    return list(dockerfile().values())[-1]


def ancestry(stage: Stage) -> list[Stage]:
    """Return every stage that one is built on, the oldest first, and itself."""
    base = dockerfile().get(stage.base)
    return [*(ancestry(base) if base else []), stage]


def environment_of(stage: Stage) -> dict[str, str]:
    """Return what the stage's processes see: ENV of the stage and of those it is built on."""
    lines = [instruction.rest for each in ancestry(stage) for instruction in each.all("ENV")]
    return dict(pair.split("=", 1) for line in lines for pair in shlex.split(line))


def expand(value: str, environment: Mapping[str, str]) -> str:
    """Replace ${NAME}, ${NAME:-default} and ${NAME:?message} as compose does."""

    def replace(match: re.Match[str]) -> str:
        found = environment.get(match["name"], "")
        assert found or match["operator"] != ":?", f"{match['name']} is required"
        return found or match["word"] or ""

    return VARIABLE.sub(replace, value)


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(text("docker-compose.yml"))["services"])


def fly() -> dict[str, Any]:
    return tomllib.loads(text("fly.toml"))


def procfile() -> dict[str, str]:
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines_of(text("Procfile")))}


def own_commands() -> list[tuple[str, ...]]:
    """Return every use of the program in the shipped files as its words after the program's name."""
    page = text("docs/how-to/deploy.md")
    blocks = re.findall(r"^```sh\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    written = [*lines_of("".join(blocks)), *re.findall(rf"`({PROGRAM} [^`]+)`", page)]
    written += [*procfile().values(), *fly()["processes"].values(), fly()["deploy"]["release_command"]]
    lines = [shlex.split(line) for line in written] + [services()[name]["command"] for name in PROCESSES]
    lines += [each.argv for each in (*image().all("CMD"), *image().all("RUN"))]
    return sorted({tuple(words[1:]) for words in lines if words[0].rpartition("/")[2] == PROGRAM})


def probes() -> dict[str, str]:
    """Return for every health check of our own processes the path that it calls."""
    tests = {name: services()[name].get("healthcheck", {}).get("test") for name in PROCESSES}
    tests["Dockerfile"] = image().all("HEALTHCHECK")[0].argv
    found = {name: re.findall(r"http://127\.0\.0\.1:.*?(/\w+)'", test[-1]) for name, test in tests.items() if test}
    return {name: path for name, (path,) in found.items()} | {"fly": fly()["http_service"]["checks"][0]["path"]}


def python(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in a process of its own and return how it ended."""
    seen = {**os.environ, **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=seen, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Answer one request on a free local port with a status; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output to itself."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = 60
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield str(server.server_port)
        thread.join()


def ignored(path: str) -> bool:
    """Say whether .dockerignore keeps a path out of the build: the last line that fits it or a parent decides."""
    verdict = False
    for line in lines_of(text(".dockerignore")):
        pattern = line.removeprefix("!").replace(".", r"\.").replace("**/", "(?:.+/)?").replace("*", "[^/]*")
        if re.fullmatch(rf"{pattern}(?:/.*)?", path):
            verdict = not line.startswith("!")
    return verdict


# Names that must exist on our side


@pytest.mark.parametrize("path", SHIPPED)
def test_every_setting_that_a_file_names_exists(path: str) -> None:
    from flow_forecaster.settings import Settings

    named = {name.lower() for name in re.findall(PREFIX + r"([A-Z][A-Z0-9_]*)", text(path))}
    assert named <= set(Settings.model_fields), sorted(named - set(Settings.model_fields))


@pytest.mark.parametrize("process", ["image", *PROCESSES, "fly"])
def test_the_settings_that_a_process_gets_are_valid(process: str) -> None:
    given = fly()["env"] if process == "fly" else services().get(process, {}).get("environment", {})
    seen = environment_of(image()) | {
        key: expand(value, {"POSTGRES_PASSWORD": "abc123"}) for key, value in given.items()
    }
    ours = {key: value for key, value in seen.items() if key.startswith(PREFIX)}
    ended = python("-c", "from flow_forecaster.settings import Settings; Settings()", environment=ours)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("words", own_commands(), ids=" ".join)
def test_every_command_that_a_file_runs_exists_with_its_options(words: tuple[str, ...]) -> None:
    named = words[: 2 if words[0] == "keys" else 1]
    ended = python("-m", "flow_forecaster", *named, "--help", environment={"COLUMNS": "200", "NO_COLOR": "1"})
    assert ended.returncode == 0, ended.stderr
    assert {word for word in words[1:] if word.startswith("--")} <= set(re.findall(r"--[\w-]+", ended.stdout))


def test_every_health_check_calls_a_route_that_exists() -> None:
    routes = set(json.loads(text("openapi.json"))["paths"])
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    routes |= {path for path in ("/healthz", "/readyz") if f'"{path}"' in sources}
    assert set(probes().values()) <= routes


def test_liveness_and_readiness_are_asked_where_they_belong() -> None:
    assert probes() == {"Dockerfile": "/healthz", "api": "/readyz", "fly": "/readyz"}


def test_the_three_processes_run_everywhere() -> None:
    release = fly()["deploy"]["release_command"]
    by_fly = {shlex.split(each)[1] for each in (*fly()["processes"].values(), release)}
    by_procfile = {shlex.split(each)[1] for each in procfile().values()}
    by_compose = {services()[name]["command"][1] for name in PROCESSES}
    assert by_fly == by_procfile == by_compose == {"migrate", "serve", "worker"}
    assert release == procfile()["release"] == f"{PROGRAM} migrate"


# The image


def test_base_images_are_pinned_to_a_minor_version() -> None:
    before: set[str] = set()
    for stage in dockerfile().values():
        assert stage.base in before or re.fullmatch(r"[a-z0-9/]+:\d+\.\d+(\.\d+)?(-[\w.-]+)?", stage.base), stage.base
        sources = [flag for each in stage.all("COPY") for flag in each.flags if flag.startswith("--from=")]
        assert {flag.removeprefix("--from=") for flag in sources} <= before
        before.add(stage.name)


def test_the_image_runs_as_a_numeric_user_that_is_not_root() -> None:
    names = [each.name for each in image().instructions]
    (user,) = image().all("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.rest)
    assert names.index("USER") < names.index("RUN") < names.index("CMD")


def test_the_folders_that_the_image_writes_belong_to_its_user() -> None:
    uid, gid = image().all("USER")[0].rest.split(":")
    runs = [each.rest for stage in ancestry(image()) for each in stage.all("RUN")]
    (made,) = [words for words in map(shlex.split, runs) if "--directory" in words]
    environment = environment_of(image())
    database = Path(environment[PREFIX + "DATABASE_URL"].partition("///")[2])
    folders = {str(database.parent), environment[PREFIX + "KERNEL_CACHE_DIR"]}
    assert folders | {f"--owner={uid}", f"--group={gid}"} <= set(made)


def test_whatever_the_build_copies_exists_and_is_not_ignored() -> None:
    copied = [path for stage in dockerfile().values() for path in stage.copied]
    assert copied
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert [path for path in copied if ignored(path)] == []


def test_the_builder_has_every_file_that_the_wheel_is_made_of() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], project["tool"]["hatch"]["version"]["path"]}
    needed |= {*wheel["packages"], *wheel["force-include"]}
    copied = set(dockerfile()["builder"].copied)
    assert {path for path in needed if not {path, *map(str, Path(path).parents)} & copied} == set()


def test_dependencies_come_from_the_lock_and_the_project_without_an_index() -> None:
    steps = [step for each in dockerfile()["builder"].all("RUN") for step in each.rest.split("&&")]
    installs = [step for step in steps if re.search(r"\bpip\b.* (install|wheel) ", step)]
    assert ["--require-hashes" in step for step in installs] == [True, True, False, False]
    assert all("--no-index" in step for step in installs[2:])
    runs = [each.rest for stage in ancestry(image()) for each in stage.all("RUN")]
    assert [run for run in runs if re.search(r"\b(pip|apt|apt-get|gcc|curl)\b", run)] == []


def test_signals_reach_the_process_itself() -> None:
    assert image().all("ENTRYPOINT") == []
    assert [each.argv for each in image().all("CMD")] == [[PROGRAM, "serve"]]
    assert all(isinstance(services()[name]["command"], list) for name in PROCESSES)
    assert fly()["kill_signal"] == "SIGTERM"


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_of_the_image_says_what_the_service_says(status: int, code: int) -> None:
    (check,) = image().all("HEALTHCHECK")
    with answering(status) as port:
        proxied = {"http_proxy": "http://127.0.0.1:9", PREFIX + "PORT": port}
        ended = python(*check.argv[1:], environment=proxied)
    assert ended.returncode == code, ended.stderr


@pytest.mark.parametrize("name", ["x86-64-v3", "generic"])
def test_kernels_of_a_named_processor_take_nothing_from_the_machine_that_builds(name: str) -> None:
    pinned = environment_of(dockerfile()[f"cpu-{name}"])
    numba = {key: value for key, value in pinned.items() if key.startswith("NUMBA_")}
    target = "from numba.core.registry import cpu_target as cpu; print(cpu.target_context.codegen().magic_tuple()[1:])"
    assert python("-c", target, environment=numba).stdout.strip() == str((name, ""))


def test_kernels_are_compiled_into_the_image_by_the_user_who_reads_them() -> None:
    assert [each.argv for each in image().all("RUN")] == [[PROGRAM, "kernels"]]
    assert dockerfile()["cpu-native"].instructions == []
    given = [fly()["build"]["args"], services()["api"]["build"]["args"]]
    assert {f"cpu-{expand(each['NUMBA_CPU_NAME'], {})}" for each in given} == {image().base}


@pytest.mark.parametrize(
    "path",
    [
        *(".git/config", ".venv/bin/python", ".env", "tests/contracts/test_shipping.py", "var/flow-forecaster.db"),
        *("src/flow_forecaster/__pycache__/app.pyc", "alembic/__pycache__", "docs/how-to/deploy.md", ".ci/run"),
    ],
)
def test_what_is_not_shipped_stays_out_of_the_build(path: str) -> None:
    assert ignored(path)


# Compose


def test_the_api_and_the_workers_wait_for_the_schema_and_for_healthy_servers() -> None:
    healthy = {"condition": "service_healthy"}
    wanted = {"migrate": {"condition": "service_completed_successfully"}, "db": healthy, "valkey": healthy}
    assert services()["api"]["depends_on"] == services()["worker"]["depends_on"] == wanted
    assert services()["migrate"]["depends_on"] == {"db": healthy}
    assert all(services()[name]["healthcheck"]["test"][0] == "CMD" for name in ("db", "valkey"))


def test_two_workers_run() -> None:
    assert services()["worker"]["deploy"] == {"replicas": 2}


def test_processes_without_http_do_not_inherit_the_check_of_the_api() -> None:
    assert all(services()[name]["healthcheck"] == {"disable": True} for name in ("migrate", "worker"))


def test_everything_but_the_migration_is_restarted() -> None:
    policies = {name: service["restart"] for name, service in services().items()}
    assert policies == dict.fromkeys(services(), "unless-stopped") | {"migrate": "no"}


def test_images_name_their_version() -> None:
    images = {name: service["image"] for name, service in services().items()}
    assert not any(each.endswith(":latest") or ":" not in each for each in images.values())
    assert images["db"].startswith("postgres:17-")
    assert images["valkey"].startswith("valkey/valkey:8.")
    assert len({images[name] for name in PROCESSES}) == 1


def test_only_the_api_is_reachable_and_only_from_the_host_itself() -> None:
    ports = [(name, expand(port, {})) for name, each in services().items() for port in each.get("ports", [])]
    assert ports == [("api", "127.0.0.1:8000:8000")]


def test_no_password_is_written_down() -> None:
    address = services()["api"]["environment"][PREFIX + "DATABASE_URL"]
    assert VARIABLE.fullmatch(services()["db"]["environment"]["POSTGRES_PASSWORD"])
    assert (
        expand(address, {"POSTGRES_PASSWORD": "x"}) == "postgresql+asyncpg://flow_forecaster:x@db:5432/flow_forecaster"
    )
    with pytest.raises(AssertionError, match="POSTGRES_PASSWORD is required"):
        expand(address, {})


# Platforms


def test_requests_reach_the_web_process_on_the_port_it_listens_on() -> None:
    assert shlex.split(procfile()["web"])[-2:] == ["--port", "$PORT"]
    assert fly()["http_service"]["processes"] == ["web"]
    assert fly()["http_service"]["internal_port"] == int(fly()["env"][PREFIX + "PORT"])
    assert [each.rest for each in image().all("EXPOSE")] == [environment_of(image())[PREFIX + "PORT"]]


def test_processes_do_not_migrate_at_their_start_where_a_release_step_does() -> None:
    environments = [fly()["env"], *(services()[name]["environment"] for name in PROCESSES)]
    assert {each[PREFIX + "MIGRATE_ON_START"] for each in environments} == {"false"}
