"""What is decoded together, or in portions, says what each reply says alone and whole."""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy_platform.encodings import json_reply
from energy_platform.encodings.json_reply import FieldType, decoded, decoded_each, records
from energy_platform.errors import ParseError
from tests.support.effort import examples

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


@settings(max_examples=examples(75), derandomize=True, database=None, deadline=None)
@example([BAD[4], BAD[5], BAD[2]])
@example([BAD[4], BAD[5], BAD[1], BAD[1]])
@given(st.lists(st.sampled_from(GOOD + BAD), max_size=8))
def test_arrays_together_are_those_of_each_alone(bodies: list[bytes]) -> None:
    hold_to_each_alone(bodies, pl.List(ELEMENT))


@settings(max_examples=examples(75), derandomize=True, database=None, deadline=None)
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


FIELDS: dict[str, FieldType] = {"name": pl.String, "value": pl.Float64}
RECORDS: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["a", None, "},{", "[", "]}", '"', "\\", {}, ["},{"]])},
        optional={
            "value": st.sampled_from([1, 2.5, "3", "x", None, [{}, {}], {"n": [{"m": 1}, {}]}]),
            "other": st.sampled_from([[{}, {}], [[], []], "},{"]),
        },
    ),
    st.sampled_from([None, 1, "},{", [], {}]),
)
AROUND = ["%s", '{"meta": 1, "data": %s}', '{"data": %s, "more": [{},{}]}', '{"data": %s', "%s,[]"]


@settings(max_examples=examples(150), derandomize=True, database=None, deadline=None)
@given(
    st.lists(RECORDS, max_size=8),
    st.sampled_from(AROUND),
    st.sampled_from([(), ("data",), ("meta", "data")]),
    st.integers(1, 40),
)
def test_an_array_in_portions_is_the_array_as_a_whole(
    rows: list[Any], around: str, path: Sequence[str], portion: int
) -> None:
    body = (around % json.dumps(rows, separators=(",", ":"))).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reply, "_PORTION", portion)
        in_portions = read(body, path)
    assert in_portions == read(body, path)


def read(body: bytes, path: Sequence[str]) -> list[tuple[object, ...]] | str:
    """Return a reply's records, or why it has none."""
    try:
        return [tuple(map(str, row)) for row in records(body, FIELDS, path=path).rows()]
    except ParseError as error:
        return str(error)


def test_a_large_array_is_read_in_portions() -> None:
    rows = [{"name": f"{number}", "value": number} for number in range(20)]
    body = json.dumps({"data": rows}, separators=(",", ":")).encode()
    array = pl.List(pl.Struct({"name": pl.String, "value": pl.String}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_reply, "_PORTION", 100)
        found = json_reply._decoded_in_portions(body, array, ["data"])
    assert found is not None
    assert found.list.len().to_list() == [5, 5, 5, 5]
