"""The lines of an export, read one after the other and checked, each by itself and in their order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pydantic import ValidationError

from flow_forecaster.engine.invalid import InvalidInput
from flow_forecaster.schemas.exports import (
    EXPORT_LINE,
    Ambiguous,
    ExportedForecast,
    ExportEnd,
    ExportHead,
    ExportLine,
    members,
)

MOST_LINE = 2**25
_MOST_LINES, _MOST_BYTES = 250, 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A line of the file: its number from 1, what it holds, and of a forecast the texts of its members."""

    number: int
    value: Any
    texts: dict[str, str] = field(default_factory=dict)


class Reader:
    """Reads and checks lines, one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._number = file, 0

    def lines(self) -> Iterator[Read]:
        """Yield the lines of an export.

        Raises:
            InvalidInput: a line is not as an export writes it, or the last one is missing.
        """
        self._file.seek(0)
        kind: type[ExportLine] | None = None
        while line := self._file.readline(MOST_LINE + 1):
            self._number += 1
            if kind is ExportEnd:
                raise InvalidInput(
                    "lines", self._number, code="after_the_end", detail="The line before it was to be the last one."
                )
            read = self._read(line)
            if (kind is None) != isinstance(read.value, ExportHead):
                raise InvalidInput(
                    "lines",
                    self._number,
                    code="not_an_export",
                    detail="An export begins with a line that says so, and has one of them.",
                )
            kind = type(read.value)
            yield read
        if kind is not ExportEnd:
            self._number += 1
            raise InvalidInput(
                "lines",
                self._number,
                code="cut_off",
                detail="The file ends before its last line, which counts the others.",
            )

    def _read(self, line: bytes) -> Read:
        if len(line) > MOST_LINE:
            raise InvalidInput(
                "lines", self._number, code="line_too_long", detail=f"A line has at most {MOST_LINE:,} bytes."
            )
        try:
            value = EXPORT_LINE.validate_json(line)
            texts = members(line.decode()) if isinstance(value, ExportedForecast) else {}
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = [part for part in first["loc"] if isinstance(part, str | int)][1:]
            raise InvalidInput(
                "lines", self._number, *where, code="invalid_line", detail="The line is not as an export writes it."
            ) from None
        except (Ambiguous, ValueError, RecursionError):
            raise InvalidInput(
                "lines",
                self._number,
                code="invalid_line",
                detail="The line says something twice, or holds what is no JSON.",
            ) from None
        if isinstance(value, ExportedForecast):
            self._check(value)
        return Read(number=self._number, value=value, texts=texts)

    def _check(self, given: ExportedForecast) -> None:
        """Check that a forecast is one: its parts are of one kind, and go with how it ended."""
        parts = [given.request.kind, *([] if given.result is None else [given.result.kind])]
        if any(kind != given.kind for kind in parts):
            raise InvalidInput(
                "lines",
                self._number,
                "kind",
                code="kinds_differ",
                detail="The request or the result is of another kind.",
            )
        has = given.result is not None, given.error is not None
        if has != (given.status == "succeeded", given.status == "failed"):
            raise InvalidInput(
                "lines",
                self._number,
                "status",
                code="invalid_line",
                detail="A result belongs to what succeeded, an error to what failed.",
            )
        told = [given.actual is not None, *(part is not None for part in _days_of(given))]
        if len(set(told)) > 1 or (told[0] and given.status != "succeeded"):
            raise InvalidInput(
                "lines", self._number, "actual", code="invalid_line", detail="Of what happened, something is missing."
            )
        if given.request.seed is None or given.id.version not in {7, 8}:
            raise InvalidInput(
                "lines",
                self._number,
                "id",
                code="invalid_line",
                detail="A stored forecast has a seed, and an id that sorts by time.",
            )


def stretch(lines: Iterator[Read]) -> list[Read]:
    """Read on a little: not many lines, and not many bytes of forecasts."""
    found, size = list[Read](), 0
    for line in lines:
        found.append(line)
        size += sum(map(len, line.texts.values()))
        if len(found) >= _MOST_LINES or size >= _MOST_BYTES:
            break
    return found


def _days_of(given: ExportedForecast) -> tuple[Any, ...]:
    return given.actual_side, given.actual_made, given.actual_seen
