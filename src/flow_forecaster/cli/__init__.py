"""The command line. It answers at once: what computes or serves is imported only by the command that needs it."""

from flow_forecaster.cli.commands import main

__all__ = ["main"]
