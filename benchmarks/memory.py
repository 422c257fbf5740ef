"""Memory: the peak of a process that simulates few trials, and of one that simulates many.

`python -m benchmarks.memory TRIALS THREADS` is such a process; it prints its peak in MiB.
"""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Figure, Measure, Target, in_turn
from benchmarks.planning import ROOT, Plan, question
from flow_forecaster.engine.samplers import Bootstrap
from flow_forecaster.engine.simulation import Machine
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.settings import Settings

_STATUS = Path("/proc/self/status")


def figures(plan: Plan) -> Iterator[Figure]:
    """Measure the peak of many trials beside that of few."""
    few, many = 10**6, plan.either(10**9, 10**7)
    pairs = in_turn(_peak_of(many), _peak_of(few), plan.either(2, 1), discarded=0)
    name, rival = f"peak memory of {many:,} trials", f"{few:,} trials"
    yield Figure.of(name, "MiB", rival, pairs, Target(of="ratio", at_most=1.02))


def _peak_of(trials: int) -> Measure:
    command = [sys.executable, "-m", "benchmarks.memory", str(trials), "2"]
    return lambda: float(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def peak() -> float:
    """Read the peak of this program alone; what getrusage says may come from the process that started it."""
    if _STATUS.exists():
        fields = dict(line.split(":", 1) for line in _STATUS.read_text(encoding="ascii").splitlines())
        return int(fields["VmHWM"].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def _simulate(trials: int, threads: int) -> None:
    make_ready(Settings().kernel_cache_dir)
    question(Bootstrap(), 100, method="monte_carlo", trials=trials).answer(Machine(threads=threads))


if __name__ == "__main__":
    _simulate(*(int(argument) for argument in sys.argv[1:]))
    print(peak())
