"""Count finished items in a Git repository: the commits on the first-parent line of its main branch."""

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

from flow_forecaster.cli.inputs import Period, ReadHistory, in_periods, parse_period
from flow_forecaster.cli.texts import InputError

MOST_WEEKS = 520
TIMEOUT = 60.0  # seconds

Commits: TypeAlias = Counter[int]
"""Commits per day, the day as its proleptic ordinal: a forged date need not be one that `date` can hold."""

_EPOCH = date(1970, 1, 1).toordinal()
_MAIN = ("refs/remotes/origin/HEAD", "refs/heads/main", "refs/heads/master", "HEAD")
# A repository brings its own configuration, and some of its keys name commands to run. None of them may run here, and
# no missing object may be fetched. The encoding is set because a log in UTF-16 would not read as numbers.
_SAFE = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_LOG = ("log", "--first-parent", "--no-show-signature", "--encoding=UTF-8", "--format=%ct")
_SAFE_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "LC_ALL": "C",
}
# What would point git at another repository than the one at the path, as a hook's environment does.
_REDIRECTING = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"}
    | {"GIT_NAMESPACE", "GIT_INDEX_FILE", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_PREFIX"}
    | {"GIT_CONFIG_PARAMETERS", "LANGUAGE"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """The days that are read, both included, and why the others are not."""

    first: int
    last: int
    notes: tuple[str, ...]


def read_git_history(path: str, *, period: str | None, until: date | None) -> ReadHistory:
    """Count the commits on the main branch of the repository at `path`, by UTC commit date, per ISO week by default.

    A merge, a squash or a direct commit counts once; weeks without one stay, as zeros. The history ends with the last
    whole period up to `until` (included; yesterday in UTC when None) and starts with the first whole week that has a
    commit. The main branch is what origin/HEAD names, else main, else master, else HEAD. Raises InputError.
    """
    wanted = "week" if period is None else parse_period(period)
    try:
        last = _last_day(until)
        branch = _main_branch(path)
        commits = _commits(_git(path, *_LOG, branch, "--"))
        read = _history(commits, last, wanted)
        about = _about(path, branch, sum(read.throughput))
        return replace(read, notes=(*about, *read.notes))
    except InputError as error:
        raise InputError(error.detail, source=path or "''") from None


def _last_day(until: date | None) -> date:
    today = datetime.now(tz=UTC).date()
    if until is not None and not _EPOCH < until.toordinal() <= today.toordinal():
        raise InputError(f"cannot be counted until {until}, which is not a day from 1970 to today")
    return until or today - timedelta(days=1)


def _git(path: str, *arguments: str, timeout: float = TIMEOUT, missing: str | None = None) -> str:
    """Run git on the repository at `path` and return what it prints, or `missing`, when given, should it refuse."""
    program = shutil.which("git")
    if program is None:
        raise InputError("cannot be read, because git is not installed (no git on the PATH)")
    if not path or "\0" in path:
        raise InputError("is not the path of a repository")
    kept = {name: value for name, value in os.environ.items() if name not in _REDIRECTING}
    try:
        done = subprocess.run(  # noqa: S603  (a list without a shell; the path is the value of -C, whatever it begins with)
            [program, *_SAFE, "-C", path, *arguments],
            env=kept | _SAFE_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"git did not answer within {timeout:g} seconds") from None
    except OSError as error:
        raise InputError(f"git cannot be run: {str(error.strerror or error).lower()}") from None
    if done.returncode and missing is not None:
        return missing
    if done.returncode:
        raise InputError(f"git says: {_reason(done.stderr) or f'exit status {done.returncode}'}")
    return done.stdout.decode("utf-8", "surrogateescape")


def _reason(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    fatal = next((line for line in lines if line.startswith(("fatal: ", "error: "))), lines[0] if lines else "")
    return fatal.removeprefix("fatal: ").removeprefix("error: ")[:300]


def _main_branch(path: str) -> str:
    _git(path, "rev-parse", "--git-dir")  # says what is wrong with the path, before a missing branch is blamed
    for name in _MAIN:
        if _git(path, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", missing=""):
            return name
    raise InputError("has no commits")


def _commits(log: str) -> Commits:
    lines = log.split()
    if not all(line.removeprefix("-").isdecimal() for line in lines):
        raise InputError("has a commit without a date that can be read")
    return Counter(_EPOCH + int(line) // 86_400 for line in lines)


def _history(commits: Commits, last: date, wanted: Period) -> ReadHistory:
    window = _window(commits, last, wanted)
    days = range(window.first, window.last + 1)
    start = date.fromordinal(window.first)
    counted = tuple(commits[day] for day in days)
    read = in_periods(ReadHistory(throughput=counted, period="day", start=start, notes=window.notes), wanted)
    newest = max(day for day in days if commits[day])
    if window.last - newest < 7:
        return read
    silent = f"no commit after {date.fromordinal(newest)}: the {window.last - newest} days since then count as 0"
    return replace(read, notes=(*read.notes, f"{silent} (a clone that was not updated looks the same)"))


def _window(commits: Commits, last: date, wanted: Period) -> _Window:
    unfinished = (last.weekday() + 1) % 7 if wanted == "week" else 0
    end = last.toordinal() - unfinished
    floor = end - 7 * MOST_WEEKS + 1
    begin = _begin(commits, floor, end, wanted)
    before = sum(count for day, count in commits.items() if day < begin)
    after = sum(count for day, count in commits.items() if day > end)
    notes = []
    if before and begin == floor:
        notes.append(f"only the last {MOST_WEEKS} weeks are read: left out {_many(before)} before them")
    elif before:
        notes.append(f"left out {_many(before)} before {date.fromordinal(begin)}, the first whole week with a commit")
    if unfinished:
        notes.append(f"left out the unfinished week after {date.fromordinal(end)}: {_many(after)} since then")
    elif after:
        notes.append(f"left out {_many(after)} after {date.fromordinal(end)}")
    return _Window(first=begin, last=end, notes=tuple(notes))


def _begin(commits: Commits, floor: int, end: int, wanted: Period) -> int:
    """Find the day to start from: `floor` where there are older commits, else the first day or whole week with one."""
    first = min(commits)
    if first >= floor and wanted == "week":
        first += (1 - first) % 7  # ordinal 1 was a Monday; the week that the repository began in was not whole
    inside = [day for day in commits if max(first, floor) <= day <= end]
    if not inside:
        raise InputError(
            f"has no commit in a whole {'week' if wanted == 'week' else 'day'} up to {date.fromordinal(end)}"
        )
    if first < floor:
        return floor
    return min(inside) - ((min(inside) - 1) % 7 if wanted == "week" else 0)


def _many(commits: int) -> str:
    return f"{commits} commit{'' if commits == 1 else 's'}"


def _about(path: str, branch: str, counted: int) -> list[str]:
    name = _git(path, "rev-parse", "--abbrev-ref", branch, missing="").strip() or branch
    notes = [f"counted {_many(counted)} on the first-parent line of {name}"]
    if _git(path, "rev-parse", "--show-prefix", missing="").strip():
        notes.append("the path is a folder inside the repository: the commits of the whole repository are counted")
    if _git(path, "rev-parse", "--is-shallow-repository", missing="").strip() == "true":
        notes.append("the clone is shallow: older commits may be missing (git fetch --unshallow brings them)")
    return notes
