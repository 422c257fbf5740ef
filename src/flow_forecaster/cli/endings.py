"""How a command ends that cannot do what was asked: one line, and exit code 2."""

import sys
from collections.abc import Callable
from typing import NoReturn

USAGE = 2


def settled(run: Callable[[], None]) -> None:
    """Run a command; what the user can mend is told in one line with exit code 2."""
    from flow_forecaster.cli.texts import Refused  # noqa: PLC0415 - --help answers before anything is imported

    try:
        run()
    except Refused as error:  # told without importing what words the others
        leave(str(error))
    except Exception as error:
        from flow_forecaster.cli.complaints import complaint  # noqa: PLC0415 - most commands have none

        line = complaint(error)
        if line is None:
            raise
        leave(line)


def leave(line: str) -> NoReturn:
    """End with one line."""
    sys.stderr.write(f"error: {line}\n")
    sys.exit(USAGE)
