"""Tables as German publishers write them."""

import math

import polars as pl
import pytest

from energy_platform.encodings import german_csv
from energy_platform.errors import ParseError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0),
        ("-1142,535", -1142.535),
        (" 12,5 ", 12.5),
        ("+3", 3.0),
        ("1.234,56", 1234.56),
        ("-1.234.567,8", -1234567.8),
        ("60947,210", 60947.21),
    ],
)
def test_a_comma_is_the_decimal_sign(text: str, number: float) -> None:
    assert pl.select(german_csv.number(pl.lit(text))).item() == number


@pytest.mark.parametrize(
    "text", ["", "x", "1.234", "12.5", "1,234.5", "12.34,5", "1,2,3", "NaN", "inf", "1e5", "--1"]
)
def test_what_may_be_another_number_is_none(text: str) -> None:
    assert math.isnan(pl.select(german_csv.number(pl.lit(text))).item())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252"])
def test_umlauts_are_read_in_any_encoding(encoding: str) -> None:
    table = german_csv.text_table("Zeit;AEP-Schätzer\n1;ü\n".encode(encoding))
    said = {"Zeit": ["1"], "AEP-Schätzer": ["ü"], "refused": [None]}
    assert table.to_dict(as_series=False) == said


@pytest.mark.parametrize("body", [b"a;b\n1;2\n3\n5;6\n", b"a;b\n3;4;5\n1;2\n5;6\n"])
def test_a_line_of_another_length_is_refused_alone(body: bytes) -> None:
    table = german_csv.text_table(body)
    assert table.filter(pl.col("refused").is_null()).rows() == [("1", "2", None), ("5", "6", None)]
    assert "fields, not 2" in table["refused"].drop_nulls().item()


def test_a_table_whose_lines_are_none_of_its_own_is_none() -> None:
    with pytest.raises(ParseError, match="1 to 3 fields"):
        german_csv.text_table(b"a;b\n1;2;3\n4\n")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_line_endings_and_blank_lines_do_not_count(ending: str) -> None:
    table = german_csv.text_table(f"a;b{ending}1;2{ending}3;4{ending}".encode())
    assert table.drop("refused").rows() == [("1", "2"), ("3", "4")]
