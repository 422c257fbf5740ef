"""Waiting lines, one for each tenant, which take turns: a flood of one tenant is in nobody's way but its own."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from flow_forecaster.errors import TooManyAtOnce

Waiting = TypeVar("Waiting")


@dataclass(slots=True)
class _Line(Generic[Waiting]):
    """What waits in order of time, each with the places it takes up, and how many all of it takes up."""

    waiting: deque[tuple[Waiting, int]] = field(default_factory=deque)
    taken: int = 0


class Lines(Generic[Waiting]):
    """Holds what waits: within a line first come, first served; among the lines that are not empty in turn.

    A line has so many `places`. One that is empty is forgotten.
    """

    def __init__(self, *, places: int) -> None:
        self._places = places
        self._lines: OrderedDict[UUID, _Line[Waiting]] = OrderedDict()  # whose turn is next comes first

    def __len__(self) -> int:
        return sum(len(line.waiting) for line in self._lines.values())

    def has_room(self, tenant_id: UUID, places: int = 1) -> bool:
        """Tell whether so many places are free in the line of a tenant."""
        line = self._lines.get(tenant_id)
        return line is None or line.taken + places <= self._places

    def join(self, tenant_id: UUID, one: Waiting, places: int = 1) -> None:
        """Wait at the end of the line of a tenant, where it takes up so many places.

        Raises:
            TooManyAtOnce: they are not free.
        """
        if not self.has_room(tenant_id, places):
            raise TooManyAtOnce
        line = self._lines.setdefault(tenant_id, _Line())
        line.waiting.append((one, places))
        line.taken += places

    def leave(self, tenant_id: UUID, one: Waiting) -> None:
        """Wait no longer; nothing if its turn has come already."""
        line = self._lines.get(tenant_id)
        if line is None:
            return
        for found in [each for each in line.waiting if each[0] is one]:
            line.waiting.remove(found)
            self._freed(tenant_id, line, found[1])

    def next(self) -> tuple[UUID, Waiting] | None:
        """Take what is first in the line whose turn it is, which then has the last turn of all; None if none waits."""
        if not self._lines:
            return None
        tenant_id = next(iter(self._lines))
        self._lines.move_to_end(tenant_id)
        return tenant_id, self._first(tenant_id, self._lines[tenant_id])

    def had_turn(self, tenant_id: UUID) -> None:
        """Let the line of a tenant have the last turn of all, as its turn has just ended: others came meanwhile."""
        if tenant_id in self._lines:
            self._lines.move_to_end(tenant_id)

    def more(self, tenant_id: UUID) -> Waiting | None:
        """Take what is first in the line of a tenant in the same turn, if it takes up a single place."""
        line = self._lines.get(tenant_id)
        if line is None or line.waiting[0][1] > 1:
            return None
        return self._first(tenant_id, line)

    def clear(self) -> list[Waiting]:
        """Take all that waits."""
        waiting = [one for line in self._lines.values() for one, _ in line.waiting]
        self._lines.clear()
        return waiting

    def _first(self, tenant_id: UUID, line: _Line[Waiting]) -> Waiting:
        one, places = line.waiting.popleft()
        self._freed(tenant_id, line, places)
        return one

    def _freed(self, tenant_id: UUID, line: _Line[Waiting], places: int) -> None:
        line.taken -= places
        if not line.waiting:
            del self._lines[tenant_id]
