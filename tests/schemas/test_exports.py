"""The lines of an export: cut to the byte, and nothing in them that says two things."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.persistence.exports import copy_id
from flow_forecaster.persistence.identifiers import new_id
from flow_forecaster.schemas.exports import Ambiguous, members

NAMES = st.text(st.characters(blacklist_categories=["Cs"]), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_the_members_of_an_object_are_its_very_texts(
    given_: dict[str, object], indent: int | None, ascii_: bool
) -> None:
    written = {name: json.dumps(value, indent=indent, ensure_ascii=ascii_) for name, value in given_.items()}
    line = "{" + " , ".join(f"{json.dumps(name)} : {text}" for name, text in written.items()) + " }\n"
    assert members(line) == written


@pytest.mark.parametrize("line", ['{"a":1,"a":2}', '{"a":{"b":1,"b":1}}', '{"a":[NaN]}', '{"a":-Infinity}'])
def test_a_line_that_says_two_things_or_no_number_is_refused(line: str) -> None:
    with pytest.raises(Ambiguous):
        members(line)


def test_the_id_of_a_copy_is_the_same_each_time_and_nobody_elses() -> None:
    hers, his, original = new_id(), new_id(), new_id()
    copy = copy_id(hers, original)
    assert copy == copy_id(hers, original)
    assert (copy.version, copy.variant) == (8, original.variant)
    assert copy.int >> 80 == original.int >> 80, "it sorts by the same moment"
    assert len({original, copy, copy_id(his, original), copy_id(hers, new_id()), copy_id(hers, copy)}) == 5
