"""The command line. It answers at once: what computes or serves is imported only by the command that needs it."""

from flow_forecaster.cli import observing
from flow_forecaster.cli.commands import app, main

for _command in observing.COMMANDS:
    app.command()(_command)

__all__ = ["main"]
