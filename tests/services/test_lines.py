"""Lines take turns, lose nothing, and remember nobody who does not wait."""

from collections import deque
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.errors import TooManyAtOnce
from flow_forecaster.services.lines import Lines

PLACES = 6
TENANTS = [UUID(int=number) for number in range(4)]
A, B, C, _ = TENANTS
WHO = st.sampled_from(TENANTS)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), WHO, st.sampled_from([1, 3])),
        st.tuples(st.just("leave"), WHO, st.integers(0, PLACES)),
        st.tuples(st.sampled_from(["next", "more", "had_turn"]), WHO, st.just(0)),
    ),
    max_size=80,
)


class Twin:
    """Lines and what is known of them from outside: what should wait, and who was served while whom waited."""

    def __init__(self) -> None:
        self.lines = Lines[int](places=PLACES)
        self.waiting: dict[UUID, deque[tuple[int, int]]] = {tenant: deque() for tenant in TENANTS}
        self.served: dict[UUID, set[UUID]] = {tenant: set() for tenant in TENANTS}
        self.number = 0

    def join(self, tenant: UUID, places: int) -> None:
        self.number += 1
        fits = sum(taken for _, taken in self.waiting[tenant]) + places <= PLACES
        assert self.lines.has_room(tenant, places) is fits
        if not fits:
            with pytest.raises(TooManyAtOnce):
                self.lines.join(tenant, self.number, places)
            return
        if not self.waiting[tenant]:
            self.served[tenant] = set()
        self.lines.join(tenant, self.number, places)
        self.waiting[tenant].append((self.number, places))

    def leave(self, tenant: UUID, place: int) -> None:
        if place >= len(self.waiting[tenant]):
            self.lines.leave(tenant, -1)
            return
        self.lines.leave(tenant, self.waiting[tenant][place][0])
        del self.waiting[tenant][place]

    def next(self, _: UUID, __: int) -> None:
        taken = self.lines.next()
        if taken is None:
            assert not any(self.waiting.values())
            return
        tenant, one = taken
        assert one == self.waiting[tenant].popleft()[0]
        for other, served in self.served.items():
            if other != tenant and self.waiting[other]:
                assert tenant not in served, "served twice while another waited for its first turn"
                served.add(tenant)
        self.served[tenant] = set()

    def more(self, tenant: UUID, _: int) -> None:
        first = self.waiting[tenant][0] if self.waiting[tenant] else None
        assert self.lines.more(tenant) == (first[0] if first and first[1] == 1 else None)
        if first and first[1] == 1:
            self.waiting[tenant].popleft()

    def had_turn(self, tenant: UUID, _: int) -> None:
        self.lines.had_turn(tenant)
        self.served[tenant] = set()


@given(steps=STEPS)
def test_nobody_is_served_twice_while_another_waits_for_its_turn_and_nothing_is_lost(
    steps: list[tuple[str, UUID, int]],
) -> None:
    twin = Twin()
    for what, tenant, number in steps:
        getattr(twin, what)(tenant, number)
        assert len(twin.lines) == sum(map(len, twin.waiting.values()))
    while any(twin.waiting.values()):
        twin.next(A, 0)
    assert twin.lines.next() is None
    assert twin.lines._lines == {}


def test_who_comes_while_another_has_its_turn_is_next() -> None:
    lines = Lines[int](places=PLACES)
    for number in range(3):
        lines.join(A, number)
    assert lines.next() == (A, 0)
    lines.join(B, 10)
    lines.had_turn(A)
    assert [lines.next() for _ in range(4)] == [(B, 10), (A, 1), (A, 2), None]


def test_all_that_waits_is_given_back_at_the_end() -> None:
    lines = Lines[int](places=PLACES)
    for number, tenant in enumerate((A, B, A)):
        lines.join(tenant, number)
    assert sorted(lines.clear()) == [0, 1, 2]
    assert (len(lines), lines.next()) == (0, None)
