"""What counts as a finished item in a Git repository, on repositories that these tests make."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow_forecaster.cli.git_history import MOST_WEEKS, _git, read_git_history
from flow_forecaster.cli.inputs import InputError

MONDAY = date(2026, 1, 5)
SUNDAY = MONDAY + timedelta(days=20)  # the end of the third week

Import = Callable[[list[str]], Path]


class Repository:
    """A repository in a folder of a test, with no configuration but its own and every date given."""

    def __init__(self, path: Path, *arguments: str) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", *arguments)

    def git(self, *arguments: str, at: str = "2026-01-05T12:00:00Z", feed: str | None = None) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z",  # the author's date is not the one that counts
            "GIT_COMMITTER_DATE": at,
        }
        command = ["git", "-C", str(self.path), *arguments]
        return subprocess.run(command, env=environment, input=feed, capture_output=True, text=True, check=True).stdout

    def commit(self, at: str, *arguments: str) -> None:
        self.git("commit", "--quiet", "--allow-empty", "-m", "work", *arguments, at=at)

    def commit_many(self, days: list[date], branch: str = "main") -> "Repository":
        """Write one commit per day, in this order, all by one process."""
        stamps = [int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) for day in days]
        commits = [f"commit refs/heads/{branch}\ncommitter a <a@b> {stamp} +0000\ndata 1\nx\n" for stamp in stamps]
        self.git("fast-import", "--quiet", "--force", feed="\n".join(commits))
        return self


def read(path: Path, period: str | None = None, until: date = SUNDAY) -> tuple[tuple[int, ...], date | None]:
    history = read_git_history(str(path), period=period, until=until)
    return history.throughput, history.start


def notes(path: Path, period: str | None = None, until: date = SUNDAY) -> tuple[str, ...]:
    return read_git_history(str(path), period=period, until=until).notes


def refusal(path: Path | str, until: date | None = SUNDAY, period: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_git_history(str(path), period=period, until=until)
    line = str(caught.value)
    assert line.isprintable()
    return line.removeprefix(f"{path}: ")


def test_a_merge_a_squash_and_a_direct_commit_count_once_each_and_the_work_of_a_branch_does_not(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    repository.commit("2026-01-05T12:00:00Z")
    repository.git("checkout", "--quiet", "-b", "feature")
    for day in (6, 7, 8):
        repository.commit(f"2026-01-{day:02}T12:00:00Z")
    (repository.path / "file").write_text("x")
    repository.git("add", "file")
    repository.commit("2026-01-09T12:00:00Z")
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "-m", "merge", "feature~1", at="2026-01-13T12:00:00Z")
    repository.git("merge", "--quiet", "--squash", "feature")
    repository.commit("2026-01-14T12:00:00Z")
    repository.git("checkout", "--quiet", "-b", "unmerged")
    repository.commit("2026-01-15T12:00:00Z")
    assert read(repository.path) == ((1, 2, 0), MONDAY)
    assert read(repository.path, "day")[0] == (1, *[0] * 7, 1, 1, *[0] * 11)
    assert notes(repository.path)[0] == "counted 3 commits on the first-parent line of main"


@pytest.mark.parametrize(
    ("at", "weeks"),
    [
        ("2026-01-11T23:59:59Z", (2, 0, 1)),
        ("2026-01-12T00:00:00Z", (1, 1, 1)),
        ("2026-01-12T01:30:00+02:00", (2, 0, 1)),
        ("2026-01-11T20:00:00-05:00", (1, 1, 1)),
    ],
)
def test_the_day_of_a_commit_is_that_of_utc(tmp_path: Path, at: str, weeks: tuple[int, ...]) -> None:
    repository = Repository(tmp_path / "r")
    for stamp in ("2026-01-05T00:00:00Z", at, "2026-01-25T23:59:59Z"):
        repository.commit(stamp)
    assert read(repository.path) == (weeks, MONDAY)


@settings(max_examples=15, deadline=None)
@given(offsets=st.lists(st.integers(0, 60), min_size=1, max_size=30), until=st.integers(6, 80))
def test_weeks_hold_every_commit_between_the_first_whole_week_and_the_last(
    tmp_path_factory: pytest.TempPathFactory, offsets: list[int], until: int
) -> None:
    days = [MONDAY + timedelta(days=2 + offset) for offset in [0, *offsets]]  # the first week is not whole
    repository = Repository(tmp_path_factory.mktemp("laws") / "r").commit_many(days)
    last = MONDAY + timedelta(days=until)
    weeks = [(day - MONDAY).days // 7 for day in days]
    end = (until + 1) // 7
    inside = [week for week in weeks if 1 <= week < end]
    if not inside:
        assert refusal(repository.path, last).startswith("has no commit in a whole week up to")
        return
    expected = tuple(weeks.count(week) for week in range(min(inside), end))
    assert read(repository.path, until=last) == (expected, MONDAY + timedelta(weeks=min(inside)))


def test_the_week_a_repository_began_in_and_the_one_still_running_are_left_out_with_notes(tmp_path: Path) -> None:
    begun, first_whole, running = date(2026, 1, 7), date(2026, 1, 21), date(2026, 1, 26)
    repository = Repository(tmp_path / "r").commit_many([begun, begun, first_whole, running])
    assert read(repository.path, until=date(2026, 1, 27)) == ((1,), date(2026, 1, 19))
    assert notes(repository.path, until=date(2026, 1, 27))[1:] == (
        "left out 2 commits before 2026-01-19, the first whole week with a commit",
        "left out the unfinished week after 2026-01-25: 1 commit since then",
    )
    assert notes(repository.path, until=date(2026, 1, 25))[2] == "left out 1 commit after 2026-01-25"


def test_weeks_without_a_commit_stay_zeros_and_a_silent_end_is_pointed_out(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit_many([MONDAY, MONDAY + timedelta(weeks=2)])
    assert read(repository.path, until=MONDAY + timedelta(days=34))[0] == (1, 0, 1, 0, 0)
    assert len(notes(repository.path, until=MONDAY + timedelta(days=20))) == 1
    assert notes(repository.path, until=MONDAY + timedelta(days=34))[-1] == (
        "no commit after 2026-01-19: the 20 days since then count as 0 (a clone that was not updated looks the same)"
    )


def test_days_and_periods_of_days_end_with_the_last_day(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit_many([MONDAY + timedelta(days=at) for at in range(25)])
    assert read(repository.path, "day", MONDAY + timedelta(days=9)) == ((1,) * 10, MONDAY)
    assert read(repository.path, "10", MONDAY + timedelta(days=24)) == ((10, 10), MONDAY + timedelta(days=5))


def test_at_most_ten_years_of_weeks_are_read(tmp_path: Path) -> None:
    days = [MONDAY - timedelta(weeks=week) for week in reversed(range(MOST_WEEKS + 3))]
    repository = Repository(tmp_path / "r").commit_many([*days[:3], *days[5:]])
    last = MONDAY + timedelta(days=6)
    assert read(repository.path, until=last) == ((0, 0, *[1] * (MOST_WEEKS - 2)), days[3])
    assert notes(repository.path, until=last)[1:] == (
        "only the last 520 weeks are read: left out 3 commits before them",
    )
    assert len(read(repository.path, "day", last)[0]) == MOST_WEEKS * 7


def test_the_main_branch_is_origins_head_then_main_then_master_then_head(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit_many([MONDAY], "topic")
    repository.git("symbolic-ref", "HEAD", "refs/heads/topic")
    for number, branch in enumerate(("topic", "master", "main"), start=1):
        if branch != "topic":
            repository.commit_many([MONDAY] * number, branch)
        assert read(repository.path)[0] == (number, 0, 0)
        assert notes(repository.path)[0].endswith(f"on the first-parent line of {branch}")
    repository.git("symbolic-ref", "HEAD", "refs/heads/topic")
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", str(repository.path), str(clone))
    assert read(clone)[0] == (1, 0, 0)
    assert notes(clone)[0] == "counted 1 commit on the first-parent line of origin/topic"


def test_a_detached_head_is_counted_where_no_branch_is_the_main_one(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit_many([MONDAY, MONDAY], "topic")
    repository.git("checkout", "--quiet", "--detach", "topic~1")
    repository.git("branch", "--quiet", "-D", "topic")
    assert read(repository.path)[0] == (1, 0, 0)


def test_a_bare_repository_and_a_folder_inside_a_work_tree_do_as_well(tmp_path: Path) -> None:
    bare = Repository(tmp_path / "bare.git", "--bare").commit_many([MONDAY])
    assert read(bare.path) == ((1, 0, 0), MONDAY)
    tree = Repository(tmp_path / "tree").commit_many([MONDAY])
    (folder := tree.path / "deep" / "er").mkdir(parents=True)
    assert read(folder) == ((1, 0, 0), MONDAY)
    assert "the path is a folder inside the repository: the commits of the whole repository are counted" in notes(
        folder
    )


def test_a_shallow_clone_gets_a_note(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit_many([MONDAY, MONDAY])
    clone = tmp_path / "clone"
    repository.git("clone", "--quiet", "--depth=1", repository.path.as_uri(), str(clone))
    assert read(clone)[0] == (1, 0, 0)
    assert any(note.startswith("the clone is shallow: older commits may be missing") for note in notes(clone))
    assert not any("shallow" in note for note in notes(repository.path))


def test_a_path_may_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Repository(tmp_path / "-c").commit_many([MONDAY])
    monkeypatch.chdir(tmp_path)
    assert read(Path("-c"))[0] == (1, 0, 0)


def test_the_environment_of_a_hook_does_not_lead_to_another_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(tmp_path / "other").commit_many([MONDAY] * 5)
    repository = Repository(tmp_path / "r").commit_many([MONDAY])
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other.path / ".git" / "objects"))
    assert read(repository.path)[0] == (1, 0, 0)


def test_no_command_that_a_repository_configures_is_run(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r")
    (trap := tmp_path / "trap").write_text(f"#!/bin/sh\necho >> {tmp_path}/sprung\n")
    trap.chmod(0o755)
    signed = f"tree {repository.git('mktree', feed='').strip()}\ncommitter a <a@b> {1767614400} +0000\n"
    signed = signed.replace("committer", "author a <a@b> 0 +0000\ncommitter")
    signed += "gpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\nwork\n"
    repository.git(
        "update-ref",
        "refs/heads/main",
        repository.git("hash-object", "-t", "commit", "-w", "--stdin", feed=signed).strip(),
    )
    for name in ("core.fsmonitor", "gpg.program", "core.pager", "pager.log", "core.sshCommand", "diff.external"):
        repository.git("config", name, str(trap))
    for name, value in {
        "log.showSignature": "true",
        "i18n.logOutputEncoding": "UTF-16",
        "alias.log": f"!{trap}",
    }.items():
        repository.git("config", name, value)
    repository.git("log", "-1")
    sprung = tmp_path / "sprung"
    assert sprung.exists(), "the trap does not work"
    sprung.unlink()
    assert read(repository.path)[0] == (1, 0, 0)
    assert not sprung.exists()


def test_a_missing_commit_of_a_partial_clone_is_not_fetched_by_the_command_it_names(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "r").commit_many([MONDAY, MONDAY])
    (trap := tmp_path / "trap").write_text(f"#!/bin/sh\necho >> {tmp_path}/sprung\nexit 1\n")
    trap.chmod(0o755)
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(repository.path),
        "remote.origin.uploadpack": str(trap),
    }.items():
        repository.git("config", name, value)
    tip = repository.git("cat-file", "commit", "main").replace("parent ", "parent 1234")
    broken = "\n".join(line[:47] if line.startswith("parent") else line for line in tip.split("\n"))
    name = repository.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", feed=broken).strip()
    repository.git("update-ref", "--no-deref", "refs/heads/main", name)
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("log", "main")
    sprung = tmp_path / "sprung"
    assert sprung.exists(), "the trap does not work"
    sprung.unlink()
    assert refusal(repository.path).startswith("git says: ")
    assert not sprung.exists()


def test_what_is_no_repository_with_a_whole_week_of_commits_gets_one_line(tmp_path: Path) -> None:
    (plain := tmp_path / "plain").mkdir()
    (file := tmp_path / "file").write_text("x")
    assert refusal(plain).startswith("git says: not a git repository")
    assert refusal(file) == f"git says: cannot change to '{file}': Not a directory"
    assert refusal(tmp_path / "none") == f"git says: cannot change to '{tmp_path}/none': No such file or directory"
    assert refusal("") == "'': is not the path of a repository"
    assert "is not the path of a repository" in refusal("a\0b")
    assert refusal(Repository(tmp_path / "empty").path) == "has no commits"
    young = Repository(tmp_path / "young").commit_many([date(2026, 1, 7)])
    assert refusal(young.path) == "has no commit in a whole week up to 2026-01-25"
    assert refusal(young.path, date(2026, 1, 6), "day") == "has no commit in a whole day up to 2026-01-06"
    assert refusal(young.path, date(2026, 1, 9), "10") == "covers no whole period of 10 days"
    for until in (date.min, date(1969, 1, 1), date.max):
        assert refusal(young.path, until) == f"cannot be counted until {until}, which is not a day from 1970 to today"
    assert refusal(young.path, period="month").startswith("--period: 'month' is not a period")


def test_without_an_end_the_days_up_to_yesterday_count(tmp_path: Path) -> None:
    yesterday = datetime.now(tz=UTC).date() - timedelta(days=1)
    repository = Repository(tmp_path / "r").commit_many([yesterday, yesterday + timedelta(days=1)])
    history = read_git_history(str(repository.path), period="day", until=None)
    assert (history.throughput, history.start) == ((1,), yesterday)


def test_a_missing_git_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(tmp_path) == "cannot be read, because git is not installed (no git on the PATH)"


def test_a_git_that_does_not_answer_or_cannot_start_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program := tmp_path / "git").write_text("#!/bin/sh\nexec sleep 30\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(InputError, match=r"git did not answer within 0\.1 seconds"):
        _git(str(tmp_path), "log", timeout=0.1)
    program.write_text("#!/nowhere/sh\n")
    assert refusal(tmp_path) == "git cannot be run: no such file or directory"


def test_reading_a_history_loads_no_array_library() -> None:
    load = "import sys, flow_forecaster.cli.inputs, flow_forecaster.cli.git_history;"
    show = "print(sorted({'numpy', 'numba', 'pandas', 'scipy', 'pydantic'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", load + show], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
