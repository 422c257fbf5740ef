"""The command line as processes of its own: serving, setting up, and the way it is really started."""

import json
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import httpx2
import pytest

import flow_forecaster
from cli.running import COMMAND, Line
from flow_forecaster.schemas.results import WhenResult

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi.json"
STARTS_WITHIN_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 20.0
ENDS_AT_ONCE_SECONDS = 10.0
REFUSES_WITHIN_SECONDS = 10.0


class Serving:
    """A service that runs as `flow-forecaster serve`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []

    def wait_for(self, beginning: str) -> str:
        """Read what it prints up to a line that begins so; return that line."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(STARTS_WITHIN_SECONDS, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith(beginning):
                break
        watchdog.cancel()
        watchdog.join()
        assert self.said[-1].startswith(beginning), self.said
        return self.said[-1]

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Ask it to end; return its exit code and its log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=ENDS_WITHIN_SECONDS)
        return self.process.returncode, log


@contextmanager
def serving(line: Line, *options: str) -> Iterator[Serving]:
    command = [*COMMAND, "serve", *options]
    process = subprocess.Popen(
        command, env=line.of_a_process(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield Serving(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def pasted(curl: str) -> httpx2.Response:
    """Do what a curl line says."""
    curl, pipe, shown = curl.partition(" | ")
    assert (pipe, shown) == (" | ", "python3 -m json.tool")
    program, *words = shlex.split(curl)
    assert program == "curl"
    address, headers, data = "", {}, None
    while words:
        match words.pop(0):
            case "-s":
                pass
            case "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-d":
                data = words.pop(0)
            case word:
                assert not word.startswith("-")
                address = word
    assert data is not None
    return httpx2.post(address, headers=headers, content=data)


def test_serve_says_where_it_is_and_the_line_to_paste_gives_dated_answers(line: Line) -> None:
    with serving(line, "--port", "0") as service:
        curl = service.wait_for("curl ")
        address = next(word for word in service.said[0].split() if word.startswith("http://"))
        assert f"documentation: {address}/docs" in service.said
        assert httpx2.get(f"{address}/docs").status_code == 200
        assert httpx2.get(f"{address}/readyz").json()["ready"] is True
        response = pasted(curl)
        assert response.status_code == 201
        answers = response.json()["result"]["answers"]
        assert [answer["confidence"] for answer in answers] == [0.5, 0.7, 0.85, 0.95]
        dates = [date.fromisoformat(answer["date"]) for answer in answers]
        assert dates == sorted(dates)
        assert dates[0] > datetime.now(UTC).date()
        assert httpx2.get(address + response.headers["Location"]).json() == response.json()
        code, log = service.end(signal.SIGTERM)
    assert code == 0, log
    assert "Traceback" not in log
    assert "route=/v1/forecasts status=201" in log


def test_a_log_that_nobody_reads_fails_nothing(line: Line) -> None:
    with serving(line, "--port", "0") as service:
        address = shlex.split(service.wait_for("curl "))[2].removesuffix("/v1/forecasts")
        assert service.process.stderr is not None
        service.process.stderr.close()
        small = {"kind": "when", "history": {"throughput": [5, 6, 7]}, "scope": {"items": 50}}
        for _ in range(2):
            asked = httpx2.post(f"{address}/v1/forecasts", json=small, headers={"Prefer": "respond-async"})
            assert asked.status_code == 202
            location = address + asked.headers["Location"]
            waiting = {"Prefer": f"wait={ENDS_WITHIN_SECONDS:.0f}"}
            done = httpx2.get(location, headers=waiting, timeout=2 * ENDS_WITHIN_SECONDS)
            assert done.json()["status"] == "succeeded"


def test_serve_ends_in_good_order_while_it_computes(line: Line) -> None:
    with serving(line, "--port", "0", "--json") as service:
        address = shlex.split(service.wait_for("curl "))[2].removesuffix("/v1/forecasts")
        endless = {
            "kind": "when",
            "history": {"throughput": [5, 6, 7]},
            "scope": {"items": 1_000},
            "trials": 1_000_000_000,
        }
        location = httpx2.post(f"{address}/v1/forecasts", json=endless).headers["Location"]
        while httpx2.get(address + location).json()["status"] == "queued":
            time.sleep(0.05)
        code, log = service.end(signal.SIGINT)
    assert code == 0, log
    events = [json.loads(entry) for entry in log.splitlines()]
    assert "forecast_released" in {entry["event"] for entry in events}
    assert [entry for entry in events if "exception" in entry] == []


def test_serve_ends_at_once_though_somebody_waits_and_somebody_follows(line: Line) -> None:
    with serving(line, "--port", "0", "--json") as service:
        address = shlex.split(service.wait_for("curl "))[2].removesuffix("/v1/forecasts")
        endless = {
            "kind": "when",
            "history": {"throughput": [5, 6]},
            "scope": {"items": 1_000},
            "trials": 1_000_000_000,
        }
        location = address + httpx2.post(f"{address}/v1/forecasts", json=endless).headers["Location"]
        with ThreadPoolExecutor() as pool, httpx2.stream("GET", f"{location}/events", timeout=30) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry: ")
            waiting = pool.submit(httpx2.get, location, headers={"Prefer": "wait=60"}, timeout=90)
            time.sleep(0.5)
            begun = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            assert waiting.result().json()["status"] in {"queued", "running"}
            assert not any(line.startswith("event: end") for line in lines)
            assert time.monotonic() - begun < ENDS_AT_ONCE_SECONDS
        code, log = service.end(signal.SIGTERM)
    assert code == 0, log
    assert [entry for entry in map(json.loads, log.splitlines()) if "exception" in entry] == []


def test_a_port_in_use_is_told_and_ends_with_2(line: Line) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ended = line.apart("serve", "--port", str(port))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1].startswith(f"error: could not serve on 127.0.0.1:{port}")
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("port", ["99999", "-1"])
def test_a_port_that_is_none_is_refused(line: Line, port: str) -> None:
    """99999 must not become 34463, which is what is left of it in 16 bits."""
    with serving(line, f"--port={port}") as service:
        out, err = service.process.communicate(timeout=REFUSES_WITHIN_SECONDS)
        code = service.process.returncode
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert "--port" in err.splitlines()[-1] or port in err.splitlines()[-1]
    assert "Traceback" not in err


def test_the_package_runs_as_a_module(line: Line) -> None:
    told = line.apart("when", "-", "--items", "10", "--start", "2026-01-01", "--json", stdin=b"2\n1\n2\n3\n1\n2\n")
    assert len(WhenResult.model_validate_json(told.answer()).answers) == 4
    assert line.apart("--version").answer() == f"flow-forecaster {flow_forecaster.__version__}\n"
    assert line.apart("when", "nowhere", "--items", "5").refusal().startswith("nowhere: ")


def test_migrate_brings_a_database_up_to_date_and_then_does_nothing(line: Line) -> None:
    first = json.loads(line.apart("migrate", "--json").answer())
    assert first["revision"]
    again = line.apart("migrate")
    assert first["revision"] in again.answer()


@pytest.mark.parametrize("url", ["postgresql://nobody:secret@127.0.0.1:1/nothing", "sqlite:///{file}/nothing.db"])
def test_a_database_that_cannot_be_reached_is_told_in_one_line(line: Line, tmp_path: Path, url: str) -> None:
    (tmp_path / "file").write_text("no folder")
    ended = line.apart("migrate", FLOW_FORECASTER_DATABASE_URL=url.format(file=tmp_path / "file"))
    assert "secret" not in ended.refusal()


def test_kernels_says_where_they_are(line: Line, kernel_cache: Path) -> None:
    told = json.loads(line.apart("kernels", "--json").answer())
    assert told["folder"] == str(kernel_cache)


def test_openapi_prints_the_document_and_compares_it(line: Line, tmp_path: Path) -> None:
    printed = line.here("openapi").answer()
    assert json.loads(printed)["openapi"].startswith("3.1.")
    (tmp_path / "same.json").write_text(printed, encoding="utf-8")
    assert line.here("openapi", "--check", str(tmp_path / "same.json")).answer() == ""
    (tmp_path / "other.json").write_text(printed.replace("3.1.0", "3.1.1"), encoding="utf-8")
    for file in ("other.json", "nowhere.json"):
        assert file in line.here("openapi", "--check", str(tmp_path / file)).refusal()


def test_the_committed_document_passes_the_check(line: Line) -> None:
    assert line.here("openapi", "--check", str(OPENAPI)).answer() == ""


def test_a_worker_without_redis_says_what_it_needs(line: Line) -> None:
    assert "FLOW_FORECASTER_REDIS_URL" in line.apart("worker").refusal()
