"""Replies that are decoded together say what each of them says alone, whatever is beside them."""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy_platform.encodings.json_reply import decoded, decoded_each
from energy_platform.errors import ParseError

ELEMENT = pl.Struct(
    {"name": pl.String, "value": pl.String, "parts": pl.List(pl.Struct({"n": pl.String}))}
)
GOOD = [
    b"[]",
    b'[{"name": "a", "value": 1}]',
    b'[{"name": "b", "parts": [{"n": 1}, {"n": 2}]}, {"name": null}]',
    b'[{"name": "c", "unknown": [1, 2]}]',
    b"null",
]
BAD = [
    b"",
    b"[],[]",
    b"[],null,[]",
    b"[null]",
    b'[{"name": "a", "unknown": [1',
    b"2]}]",
    b'[{"name": "a',
    b'b"}]',
    b'[{"name": {}}]',
    b"[1]",
    b"{}",
    b'[]],"x":[[',
    b"\xff",
    b"nonsense",
]


OBJECT = pl.Struct({"times": pl.List(pl.String), "unit": pl.String})
GOOD_OBJECTS = [
    b"{}",
    b'{"times": [1, 2], "unit": "Hz"}',
    b'{"unit": null, "times": [null], "unknown": {"times": []}}',
    b"null",
]
BAD_OBJECTS = [
    b"",
    b"{},{}",
    b"{},null,{}",
    b'{"times": [1',
    b'2], "unit": "Hz"}',
    b'{"unit": "a',
    b'b"}',
    b'{"times": {}}',
    b"[]",
    b"1",
    b"\xff",
    b"nonsense",
]


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@example([BAD[4], BAD[5], BAD[2]])
@example([BAD[4], BAD[5], BAD[1], BAD[1]])
@given(st.lists(st.sampled_from(GOOD + BAD), max_size=8))
def test_arrays_together_are_those_of_each_alone(bodies: list[bytes]) -> None:
    hold_to_each_alone(bodies, pl.List(ELEMENT))


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@example([BAD_OBJECTS[3], BAD_OBJECTS[4], BAD_OBJECTS[1]])
@given(st.lists(st.sampled_from(GOOD_OBJECTS + BAD_OBJECTS), max_size=8))
def test_objects_together_are_those_of_each_alone(bodies: list[bytes]) -> None:
    hold_to_each_alone(bodies, OBJECT)


def hold_to_each_alone(bodies: list[bytes], shape: pl.List | pl.Struct) -> None:
    each = [alone(body, shape) for body in bodies]
    if refusals := [one for one in each if isinstance(one, str)]:
        with pytest.raises(ParseError) as refused:
            decoded_each(bodies, shape)
        assert str(refused.value) in refusals
        return
    together = decoded_each(bodies, shape)
    assert together.to_list() == [one.to_list()[0] for one in each if isinstance(one, pl.Series)]
    assert together.dtype == shape


def alone(body: bytes, shape: pl.List | pl.Struct) -> pl.Series | str:
    """Return what a body says, or why it can't be read."""
    try:
        return decoded(body, shape)
    except ParseError as error:
        return str(error)
