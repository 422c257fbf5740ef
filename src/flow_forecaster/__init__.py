"""Probabilistic delivery forecasts from a team's own throughput."""

__version__ = "0.1.0"
