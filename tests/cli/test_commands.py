"""The commands: what they answer, that HTTP answers the same, and how they refuse."""

import json
import re
import shlex
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cli.running import Line
from flow_forecaster.cli.inputs import read_history
from flow_forecaster.schemas.results import DeadlineResult, HowManyResult, WhenResult
from routers.asking import FORECASTS, JSON, result_bytes

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TEAM = str(EXAMPLES / "team.txt")
WEEKLY = str(EXAMPLES / "team-weekly.csv")
FILES = ["team.txt", "team-weekly.csv", "team-daily.csv", "when.json", "how-many.json", "deadline.json"]

QUESTIONS: dict[str, tuple[list[str], dict[str, Any], type[WhenResult | HowManyResult | DeadlineResult]]] = {
    "when": (["--items", "50"], {"scope": {"items": 50}}, WhenResult),
    "how-many": (["--until", "2027-01-31"], {"until": "2027-01-31"}, HowManyResult),
    "deadline": (
        ["--items", "50", "--by", "2027-01-31"],
        {"scope": {"items": 50}, "deadline": "2027-01-31"},
        DeadlineResult,
    ),
}
COMMON = ["--start", "2026-11-23", "--seed", "42", "--trials", "5000"]


@pytest.mark.parametrize("command", QUESTIONS)
@pytest.mark.parametrize("file", FILES)
def test_every_example_answers_every_question(line: Line, command: str, file: str) -> None:
    options, _, result = QUESTIONS[command]
    told = line.here(command, str(EXAMPLES / file), *options, *COMMON, "--json").answer()
    assert told.count("\n") == 1
    parsed = result.model_validate_json(told)
    assert parsed.model_dump(mode="json") == json.loads(told)
    assert (parsed.seed, parsed.trials) == (42, 5_000)


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_person_gets_a_table_and_a_histogram(line: Line, command: str) -> None:
    told = line.here(command, WEEKLY, *QUESTIONS[command][0], *COMMON).answer()
    assert "85%" in told
    assert "█" in told
    assert "26 periods of history, adaptive sampler, 5,000 trials, seed 42" in told
    assert "Traceback" not in told


def test_bars_that_stand_for_several_dates_name_the_first_and_the_last(line: Line) -> None:
    options = ["--items", "100", "--period", "day", "--start", "2026-11-23", "--sampler", "bootstrap", "-c", "50"]
    told = line.here("when", "-", *options, stdin=b"0\n0\n0\n5\n1\n").answer()
    bars = [row.split("█")[0].split() for row in told.splitlines() if "█" in row]
    assert 10 < len(bars) <= 20
    spans = [[int(end) for end in periods.split("..")] for _, periods in bars]
    dates = [[date.fromisoformat(end) for end in days.split("..")] for days, _ in bars]
    assert all(last > first for first, last in spans[:-1])
    assert [first for first, _ in spans[1:]] == [last + 1 for _, last in spans[:-1]]
    assert [[(day - date(2026, 11, 22)).days for day in ends] for ends in dates] == spans


def test_bars_that_stand_for_several_numbers_of_items_name_the_first_and_the_last(line: Line) -> None:
    options = ["--periods", "30", "--start", "2026-11-23", "--sampler", "bootstrap"]
    told = line.here("how-many", TEAM, *options).answer()
    assert re.search(r"^ *\d+\.\.\d+ items █+ ", told, re.MULTILINE)


@pytest.mark.parametrize("command", ["when", "deadline"])
def test_the_horizon_is_an_option_where_the_api_has_one(line: Line, command: str) -> None:
    asked = [*QUESTIONS[command][0], *COMMON]
    told = json.loads(line.here(command, TEAM, *asked, "--horizon", "12", "--json").answer())
    assert told.get("unfinished", told.get("when", {}).get("unfinished")) > 0
    assert line.here(command, TEAM, *asked, "--horizon", "0").refusal().startswith("--horizon: ")
    assert (
        line.here("deadline", TEAM, *QUESTIONS["deadline"][0], *COMMON, "--horizon", "3")
        .refusal()
        .startswith("--horizon: ")
    )


def test_flags_take_no_value_in_the_help(line: Line) -> None:
    for command in ([], ["when"], ["serve"], ["keys"], ["keys", "list"], ["projects", "list"], ["chart"], ["restore"]):
        shown = line.here(*command, "--help").answer()
        assert "--help" in shown
        assert "bool" not in shown


@pytest.mark.parametrize("command", QUESTIONS)
@pytest.mark.parametrize("sampler", ["bootstrap", "adaptive"])
@pytest.mark.parametrize("file", ["team.txt", "team-daily.csv"])
async def test_http_and_the_command_line_answer_with_the_same_bytes(
    line: Line, client: httpx2.AsyncClient, command: str, sampler: str, file: str
) -> None:
    options, question, _ = QUESTIONS[command]
    read = read_history(str(EXAMPLES / file), period="day" if "daily" in file else None, stdin=None)
    history = {"throughput": list(read.throughput), "period": read.period, "start": read.start and str(read.start)}
    common = {"start": "2026-11-23", "seed": 42, "trials": 5_000, "sampler": {"kind": sampler}, "history": history}
    asked = json.dumps({"kind": command.replace("-", "_"), **question, **common})
    response = await client.post(FORECASTS, content=asked, headers=JSON)
    assert response.status_code == 201, response.text
    period = ["--period", "day"] if "daily" in file else []
    told = line.here(command, str(EXAMPLES / file), *period, *options, *COMMON, "--sampler", sampler, "--json")
    assert told.answer().strip().encode() == result_bytes(response)


def test_the_same_seed_gives_the_same_answer_and_no_seed_a_fresh_one(line: Line) -> None:
    seeded = [line.here("when", TEAM, "--items", "50", *COMMON, "--json").answer() for _ in range(2)]
    assert seeded[0] == seeded[1]
    fresh = [json.loads(line.here("when", TEAM, "--items", "50", "--json").answer())["seed"] for _ in range(2)]
    assert fresh[0] != fresh[1]


def test_ten_items_at_one_a_day_are_done_on_the_tenth_day(line: Line) -> None:
    options = ["--period", "day", "--items", "10", "--start", "2026-01-01", "--sampler", "bootstrap", "--json"]
    told = json.loads(line.here("when", "-", *options, stdin=b"1\n" * 8).answer())
    assert {answer["date"] for answer in told["answers"]} == {"2026-01-10"}
    assert told["method"] == "exact"


def test_a_history_is_read_from_standard_input(line: Line) -> None:
    from_file = line.here("when", TEAM, "--items", "50", *COMMON, "--json")
    piped = line.here("when", "-", "--items", "50", *COMMON, "--json", stdin=Path(TEAM).read_bytes())
    assert piped.answer() == from_file.answer()


def test_confidence_is_asked_for_in_percent(line: Line) -> None:
    told = json.loads(line.here("when", TEAM, "--items", "50", "-c", "99.9, 50%,85", *COMMON, "--json").answer())
    assert [answer["confidence"] for answer in told["answers"]] == [0.999, 0.5, 0.85]


def test_how_many_takes_periods_too(line: Line) -> None:
    told = json.loads(line.here("how-many", TEAM, "--periods", "6", *COMMON, "--json").answer())
    assert (told["periods"], told["until"]) == (6, "2027-01-03")


def test_notes_go_to_standard_error_and_leave_the_json_alone(line: Line) -> None:
    told = line.here("when", TEAM, "--items", "50", "--json")
    json.loads(told.answer())
    assert told.err.startswith("note: ")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with two commits a week on main, for the last ten whole weeks."""
    path = tmp_path / "repository"
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday() + 70)
    days = [monday + timedelta(days=7 * week + extra) for week in range(10) for extra in (1, 3)]
    stamps = [int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) for day in days]
    feed = "\n".join(f"commit refs/heads/main\ncommitter a <a@b> {stamp} +0000\ndata 1\nx\n" for stamp in stamps)
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", path], check=True)
    subprocess.run(["git", "-C", path, "fast-import", "--quiet"], input=feed, text=True, check=True)
    return path


def test_a_repository_is_a_history_too(line: Line, repository: Path) -> None:
    told = line.here("when", "--git", str(repository), "--items", "10", "--sampler", "bootstrap", "--json")
    result = WhenResult.model_validate_json(told.answer())
    assert {answer.periods for answer in result.answers} == {5}
    assert "note: " in told.err
    options = ["--items", "9", "--period", "14", "--start", "2026-11-23", "--json"]
    fortnights = line.here("when", "--git", str(repository), *options).answer()
    for answer in WhenResult.model_validate_json(fortnights).answers:
        assert answer.date == date(2026, 11, 22) + timedelta(days=14 * (answer.periods or 0))


REFUSED: dict[str, tuple[str, str]] = {
    "a file that is not there": ("when nowhere.csv --items 5", "nowhere.csv: cannot be read"),
    "a folder": (f"when {EXAMPLES} --items 5", "cannot be read"),
    "a repository that is not there": ("when --git nowhere --items 5", "nowhere"),
    "no history": ("when --items 5", "give either a FILE, --git PATH or --project NAME"),
    "a file and a repository": (f"when {TEAM} --git . --items 5", "give either a FILE, --git PATH or --project NAME"),
    "no items": (f"when {TEAM} --items 0", "--items: "),
    "negative items": (f"when {TEAM} --items -3", "--items: Input should be greater than or equal to 1"),
    "too many items": (f"when {TEAM} --items 1000001", "--items: "),
    "items that are no number": (f"when {TEAM} --items NaN", "--items"),
    "half an item": (f"deadline {TEAM} --items 1.5 --by 2030-01-01", "--items"),
    "items left out": (f"when {TEAM}", "--items"),
    "a deadline left out": (f"deadline {TEAM} --items 5", "--by"),
    "a deadline before the start": (
        f"deadline {TEAM} --items 5 --by 2026-01-01 --start 2026-02-01",
        "--by: It lies before the start",
    ),
    "until before the start": (f"how-many {TEAM} --until 2026-01-01 --start 2026-02-01", "--until: "),
    "neither until nor periods": (f"how-many {TEAM}", "give either --until YYYY-MM-DD or --periods N"),
    "until and periods": (f"how-many {TEAM} --until 2030-01-01 --periods 4", "--until: --periods is given too"),
    "no periods": (f"how-many {TEAM} --periods 0", "--periods: "),
    "a day that is none": (f"when {TEAM} --items 5 --start 2026-02-30", "--start: "),
    "a day in other words": (f"deadline {TEAM} --items 5 --by tomorrow", "--by: "),
    "a day without dashes": (f"when {TEAM} --items 5 --start 20260101", "--start: "),
    "a day after days": (
        f"when {TEAM} --items 5 --start 9999-12-31",
        "--start: Input should be less than or equal to 2199-12-31.",
    ),
    "a day before days": (f"when {TEAM} --items 5 --start 1969-12-31", "--start: "),
    "an unknown sampler": (f"when {TEAM} --items 5 --sampler dice", "--sampler: "),
    "an unknown method": (f"when {TEAM} --items 5 --method guess", "--method: "),
    "exact where there is none": (
        f"when {TEAM} --items 5 --method exact",
        "the method 'auto' or 'monte_carlo', or the sampler",
    ),
    "too many trials": (f"when {TEAM} --items 5 --trials 1000000001", "--trials: "),
    "no trials": (f"when {TEAM} --items 5 --trials 0", "--trials: "),
    "a negative seed": (f"when {TEAM} --items 5 --seed=-1", "--seed: "),
    "a seed too large": (f"when {TEAM} --items 5 --seed {2**53}", "--seed: "),
    "more than certain": (f"when {TEAM} --items 5 --confidence 150", "--confidence: "),
    "certain": (f"when {TEAM} --items 5 --confidence 100", "--confidence: "),
    "a confidence that is no number": (f"when {TEAM} --items 5 --confidence NaN", "--confidence: "),
    "a confidence in words": (f"when {TEAM} --items 5 --confidence very", "--confidence: "),
    "a confidence twice": (f"when {TEAM} --items 5 --confidence 50,50", "--confidence: "),
    "an unknown period": (f"when {TEAM} --items 5 --period month", "--period"),
    "an unknown option": (f"when {TEAM} --items 5 --colour red", "--colour"),
    "an unknown command": ("wen", "wen"),
    "two files": (f"when {TEAM} {TEAM} --items 5", "team.txt"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused_in_one_line(line: Line, case: str) -> None:
    command, reason = REFUSED[case]
    assert reason in line.here(*shlex.split(command)).refusal()


HISTORIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "standard input: is empty"),
    "zeros": (b"0\n0\n0\n0\n", "Nothing was finished"),
    "a negative count": (b"3\n-1\n4\n", "line 2"),
    "NaN": (b"3\nNaN\n", "line 2"),
    "infinity": (b"3\ninf\n", "line 2"),
    "half an item": (b"3\n2.5\n", "line 2"),
    "NaN in JSON": (b"[3, NaN]", "NaN"),
    "malformed JSON": (b"[3,", "JSON"),
    "too much": (b"1\n" * 10_001, "10,000"),
    "a huge count": (b"3\n" + b"9" * 400, "at most"),
    "no text": (b"\xff\xfe\x00\xd8", "standard input"),
    "NUL": (b"3\n\0\n", "NUL"),
    "another table": (b"week;done\n1;2\n", "number"),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_a_history_that_cannot_be_read_is_refused_in_one_line(line: Line, case: str) -> None:
    content, reason = HISTORIES[case]
    assert reason in line.here("when", "-", "--items", "5", stdin=content).refusal()


SETTINGS = {
    "FLOW_FORECASTER_PORT": "abc",
    "FLOW_FORECASTER_THREADS": "0",
    "FLOW_FORECASTER_LOG_LEVEL": "chatty",
    "FLOW_FORECASTER_DATABASE_URL": "mysql://root@localhost/x",
    "FLOW_FORECASTER_REDIS_URL": "http://localhost",
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("command", ["serve", "worker", "migrate", "kernels"])
def test_a_bad_setting_is_named_in_one_line(line: Line, name: str, command: str) -> None:
    setting: dict[str, Any] = {name: SETTINGS[name]}
    refusal = line.here(command, **setting).refusal()
    assert refusal.startswith(f"{name}: ")
    assert SETTINGS[name] not in refusal


def test_an_address_that_is_none_is_refused(line: Line) -> None:
    assert line.here("serve", FLOW_FORECASTER_HOST="").refusal().startswith("FLOW_FORECASTER_HOST: is empty; name an")
    assert line.here("serve", "--host", "").refusal().startswith("--host: name an address")


def test_settings_that_do_not_fit_together_are_named(line: Line) -> None:
    refusal = line.here("serve", FLOW_FORECASTER_LEASE_SECONDS="2").refusal()
    assert "LEASE_SECONDS must be more than twice HEARTBEAT_SECONDS" in refusal


def test_a_folder_for_kernels_that_cannot_be_made_is_told_in_one_line(line: Line, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = str(tmp_path / "file" / "kernels")
    refusal = line.here("when", WEEKLY, "--items", "5", FLOW_FORECASTER_KERNEL_CACHE_DIR=folder).refusal()
    assert folder in refusal
