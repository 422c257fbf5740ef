"""Options for what is known only roughly: 40-60, or 40-45-60 with the likeliest in the middle; risks with a name."""

import re
from collections.abc import Mapping, Sequence

from flow_forecaster.cli.texts import Refused

_NUMBER = r"\d+(?:\.\d+)?"
_RANGE = re.compile(rf"(-?{_NUMBER})(?:-({_NUMBER}))?(?:-({_NUMBER}))?", re.ASCII)
_RATE = re.compile(rf"(?:(?P<team>{_NUMBER})x)?(?P<rate>{_NUMBER})")
_DELAY = re.compile(rf"(?P<paid>{_NUMBER})(?:@(?P<after>\S+))?")
_RISK = re.compile(rf"(?P<name>[^:]+):(?P<chance>{_NUMBER})%?:(?P<impact>[\d.-]+)(?P<delay>p?)", re.ASCII)


def number_or_range(text: str, option: str, *, whole: bool = False) -> float | dict[str, float]:
    """Read a number, LOW-HIGH, or LOW-LIKELY-HIGH.

    Raises:
        Refused: it is none of them.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise Refused(f"{option}: '{text}' is neither a number nor a range such as 40-60 or 40-45-60")
    numbers = [float(part) for part in found.groups() if part is not None]
    if len(numbers) == 1:
        return int(numbers[0]) if whole and numbers[0].is_integer() else numbers[0]
    return dict(zip(("low", "high") if len(numbers) == 2 else ("low", "likely", "high"), numbers, strict=True))


def risk(text: str) -> dict[str, object]:
    """Read NAME:PERCENT:ITEMS, or NAME:PERCENT:PERIODSp for a delay.

    Raises:
        Refused: it is neither.
    """
    found = _RISK.fullmatch(text.strip())
    if found is None:
        detail = "give a name, a chance in percent and items, such as 'new vendor:30:10-15'; 2-4p for periods of delay"
        raise Refused(f"--risk: {detail}")
    impact = number_or_range(found["impact"], "--risk")
    chance = round(float(found["chance"]) / 100, 12)
    return {"name": found["name"].strip(), "probability": chance, "delay" if found["delay"] else "items": impact}


def observed(text: str) -> dict[str, object]:
    """Read split rates of the past, with commas between them.

    Raises:
        Refused: one is no number.
    """
    if not re.fullmatch(rf" *{_NUMBER}( *, *{_NUMBER})* *", text, re.ASCII):
        raise Refused(f"--split: '{text}' is no list of rates such as 1.2,1,1.4")
    return {"observed": [float(part) for part in text.split(",")]}


def scope(items: str, split: str | None, growth: str | None) -> dict[str, object]:
    """Write the scope of a request."""
    fields: dict[str, object] = {"items": number_or_range(items, "--items", whole=True)}
    if split is not None:
        fields["split_rate"] = observed(split) if "," in split else number_or_range(split, "--split")
    if growth is not None:
        fields["growth"] = number_or_range(growth, "--growth")
    return fields


def together(parts: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Join the parts of a request; what two of them say of the capacity is one capacity.

    Raises:
        Refused: --rate and --team give the team different sizes.
    """
    capacities = [dict(found) for part in parts if isinstance(found := part.get("capacity"), Mapping)]
    sizes = {found["team_size"] for found in capacities if "team_size" in found}
    if len(sizes) > 1:
        raise Refused("--team: --rate says another number of contributors")
    fields = {name: value for part in parts for name, value in part.items() if name != "capacity"}
    capacity = {name: value for found in capacities for name, value in found.items()}
    return fields | ({"capacity": capacity} if capacity else {})


def ahead(until: str | None, periods: int | None) -> dict[str, object]:
    """Write how far to look ahead.

    Raises:
        Refused: neither or both are given.
    """
    if until is None and periods is None:
        raise Refused("give either --until YYYY-MM-DD or --periods N")
    if until is not None and periods is not None:
        raise Refused("--until: --periods is given too, and says how far to look ahead as well")
    return {"until": until, "periods": periods}


def costs(rate: str | None, fixed: float, delay: str | None) -> dict[str, object]:
    """Write what is paid: MONEY or CONTRIBUTORSxMONEY each period, once, and MONEY or MONEY@DATE for delay.

    Raises:
        Refused: it is written otherwise.
    """
    paid: dict[str, object] = {"fixed": fixed}
    fields: dict[str, object] = {"costs": paid}
    if rate is not None:
        found = _RATE.fullmatch(rate.strip())
        if found is None:
            raise Refused("--rate: give money for each period, such as 4000, or 6x4000 for a team of six")
        paid["per_contributor_period"] = float(found["rate"])
        if found["team"] is not None:
            if not float(found["team"]):
                raise Refused("--rate: a team has more than 0 contributors")
            fields["capacity"] = {"team_size": float(found["team"])}
    if delay is not None:
        found = _DELAY.fullmatch(delay.strip())
        if found is None:
            raise Refused("--delay: give money for each period, such as 5000, or 5000@2027-01-15 for those after a day")
        paid["delay"] = {"per_period": float(found["paid"]), "after": found["after"]}
    return fields
