"""Run the battery: every fault in full, or those that are named in a chosen size."""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from chaos import reporting
from chaos.faults import FAULTS
from chaos.planning import SEED, Plan
from chaos.verdicts import Verdict
from flow_forecaster.logging import set_up_logging
from flow_forecaster.services.kernels import make_ready
from flow_forecaster.settings import Settings


def main() -> None:
    """Run what was asked for, print what came of it, and end with 1 unless all of it held."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--only", nargs="+", default=list(FAULTS), choices=list(FAULTS), metavar="FAULT")
    parser.add_argument("--size", type=int, help="how large, in what the fault counts; without, as in the table")
    parser.add_argument("--seed", type=int, default=SEED, help="what the dice are thrown with")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the logs of all processes in a new folder DIR")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write what came of it into FILE")
    options = parser.parse_args()
    set_up_logging(level="error", form="console")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that whoever ends us ends our processes too
    kernels = Settings().kernel_cache_dir
    make_ready(kernels)
    print(f"{reporting.machine()}\n{reporting.moment()}", flush=True)
    verdicts = [_run(name, options, kernels) for name in options.only]
    sys.exit(not all(verdict.holds for verdict in verdicts))


def _run(name: str, options: argparse.Namespace, kernels: Path) -> Verdict:
    fault = FAULTS[name]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        plan = Plan(size=options.size or fault.full, folder=Path(folder), kernels=kernels, seed=options.seed, say=_say)
        started = time.monotonic()
        try:
            verdict = asyncio.run(fault.run(plan))
        finally:
            if options.keep:
                shutil.copytree(folder, options.keep / name)
    print(f"{verdict.summary()}\n  {time.monotonic() - started:.0f} s", flush=True)
    if options.page:
        reporting.fill(options.page, reporting.Row.of(fault, verdict, plan.size, time.monotonic() - started))
    return verdict


def _say(line: str) -> None:
    print(f"  … {line}", flush=True)


if __name__ == "__main__":
    main()
