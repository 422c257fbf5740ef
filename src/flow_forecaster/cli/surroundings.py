"""Who works and when, as it is written on the command line, in the words of a request."""

import re
from collections.abc import Sequence

from flow_forecaster.cli.modelling import number_or_range, risk
from flow_forecaster.cli.texts import Refused
from flow_forecaster.schemas.capacities import MONTHS
from flow_forecaster.schemas.histories import WEEKDAYS

_NUMBER = r"\d+(?:\.\d+)?"
_CHANGE = re.compile(rf"(?P<day>\d{{4}}-\d\d-\d\d):(?P<size>{_NUMBER})", re.ASCII)
_RAMP = re.compile(
    rf"(?P<size>{_NUMBER})%?:(?P<low>{_NUMBER})-(?P<high>{_NUMBER})(?::(?P<periods>\d{{1,9}}))?", re.ASCII
)
_MONTH = re.compile(rf"(?P<name>[a-z]{{3,9}}):(?P<share>{_NUMBER})%?", re.ASCII)
_COUNTRY = re.compile(r"(?P<country>[A-Za-z]{2})(?:-(?P<part>.{1,20}))?", re.ASCII)
_FEWEST_LETTERS = 3


def working_days(
    weekdays: str | None, days_off: Sequence[str], shutdowns: Sequence[str], country: str | None
) -> dict[str, object]:
    """Write the calendar; no field at all where nothing is said of it.

    Raises:
        Refused: something is written otherwise than its option shows.
    """
    fields: dict[str, object] = {}
    if weekdays is not None:
        fields["weekdays"] = _weekdays(weekdays)
    if days_off:
        fields["days_off"] = list(days_off)
    if shutdowns:
        fields["shutdowns"] = [_shutdown(text) for text in shutdowns]
    if country is not None:
        found = _matched(_COUNTRY, country, "--country: give a country, such as DE, or a part of it, such as DE-BY")
        fields |= {"country": found["country"].upper(), "subdivision": found["part"]}
    return {"calendar": fields} if fields else {}


def risks(texts: Sequence[str]) -> list[dict[str, object]]:
    """Write the risk register."""
    return [risk(text) for text in texts]


def capacity(
    *, focus: str | None, team: float | None, changes: Sequence[str], ramp: str | None, months: Sequence[str]
) -> dict[str, object]:
    """Write how the team differs from that of the history.

    Raises:
        Refused: something is written otherwise than its option shows.
    """
    fields: dict[str, object] = {}
    if focus is not None:
        fields["focus"] = number_or_range(focus, "--focus")
    if team is not None:
        if not team > 0:
            raise Refused("--team: a team has more than 0 contributors")
        fields["team_size"] = team
    if changes:
        fields["changes"] = [_change(text) for text in changes]
    if ramp is not None:
        fields["ramp"] = _ramp(ramp)
    if months:
        fields["months"] = _months(months)
    return fields


def lead_time(cold_start: str | None, tail: str | None) -> dict[str, object] | None:
    """Write the cycle times, and where one of them passes.

    Raises:
        Refused: both are given, or one is no list of days.
    """
    if cold_start is not None and tail is not None:
        raise Refused("--tail: a lead time passes before the first item or after the last; --cold-start is given too")
    option, text, applies = ("--tail", tail, "tail") if tail is not None else ("--cold-start", cold_start, "cold_start")
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}( *, *\d{1,9})*", text.strip(), re.ASCII):
        raise Refused(f"{option}: give days with commas between them, such as 3,5,8")
    return {"cycle_times": [int(part) for part in text.split(",")], "applies": applies}


def _weekdays(text: str) -> list[str]:
    days: list[str] = []
    for part in text.lower().split(","):
        ends = [_named(name.strip(), WEEKDAYS) for name in part.split("-")]
        first, last = ends[0], ends[-1]
        if first is None or last is None or len(ends) > 2 or first > last:
            raise Refused(f"--weekdays: '{text}' is no list of days such as mon-fri or mon,wed,fri")
        days += WEEKDAYS[first : last + 1]
    return days


def _shutdown(text: str) -> dict[str, object]:
    first, dots, last = text.partition("..")
    if not dots:
        raise Refused("--shutdown: give the first and the last day, such as 2026-12-24..2027-01-03")
    return {"first": first.strip(), "last": last.strip()}


def _change(text: str) -> dict[str, object]:
    found = _matched(_CHANGE, text, "--change: give a day and a number of contributors, such as 2027-01-15:8")
    return {"date": found["day"], "team_size": float(found["size"])}


def _ramp(text: str) -> dict[str, object]:
    how = "--ramp: give a share of the way in percent and the contributors, such as 20:2-5; 20:2-5:26 for 26 periods"
    found = _matched(_RAMP, text, how)
    if not 0 < float(found["size"]) <= 50:
        raise Refused("--ramp: it takes more than 0 and at most 50 % of the way")
    periods = {} if found["periods"] is None else {"periods": int(found["periods"])}
    contributors = {"min_contributors": float(found["low"]), "max_contributors": float(found["high"])}
    return {"size": round(float(found["size"]) / 100, 12), **contributors, **periods}


def _months(texts: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, share in map(_month, texts):
        if name in found:
            raise Refused(f"--month: {name} is given twice")
        found[name] = share
    return found


def _month(text: str) -> tuple[str, float]:
    found = _MONTH.fullmatch(text.strip().lower())
    month = None if found is None else _named(found["name"], MONTHS)
    if found is None or month is None:
        raise Refused("--month: give a month and its share of the pace in percent, such as december:60")
    return MONTHS[month], round(float(found["share"]) / 100, 12)


def _named(name: str, names: Sequence[str]) -> int | None:
    """Find a name by its first letters, at least three."""
    if len(name) < _FEWEST_LETTERS:
        return None
    return next((place for place, known in enumerate(names) if known.startswith(name)), None)


def _matched(pattern: re.Pattern[str], text: str, how: str) -> re.Match[str]:
    found = pattern.fullmatch(text.strip())
    if found is None:
        raise Refused(how)
    return found
