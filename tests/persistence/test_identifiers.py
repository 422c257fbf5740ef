"""Ids that sort by time."""

import time
from uuid import RFC_4122, UUID

from flow_forecaster.persistence.identifiers import new_id


def test_an_id_is_a_uuid_of_version_7() -> None:
    for _ in range(1_000):
        made = new_id()
        assert made.version == 7
        assert made.variant == RFC_4122


def test_an_id_begins_with_the_millisecond_it_was_made_in() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert before <= made.int >> 80 <= after


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [_after_a_new_millisecond() for _ in range(50)]
    assert made == sorted(made)
    assert [str(one) for one in made] == sorted(str(one) for one in made)


def test_ids_made_at_once_all_differ() -> None:
    assert len({new_id() for _ in range(20_000)}) == 20_000


def test_every_bit_that_is_free_takes_both_values() -> None:
    sometimes = always = new_id().int
    for _ in range(500):
        made = new_id().int
        sometimes, always = sometimes | made, always & made
    fixed = UUID(int=(2**80 - 1) & ~(sometimes & ~always))
    assert fixed == UUID("00000000-0000-f000-c000-000000000000"), "only version and variant never change"


def _after_a_new_millisecond() -> UUID:
    start = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == start:
        pass
    return new_id()
