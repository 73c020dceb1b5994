"""Points as lines of InfluxDB's line protocol, made column by column. No network here.

Each line carries two fields beside the point's own. `null_fields` lists the fields that are null,
separated by commas. InfluxDB cannot delete a field of a point: an older value stays when the point
is written again without it, and `null_fields` says that this value no longer counts.
`written_stop` is the landing offset up to which the writer had read.

https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

import json
import re
from collections.abc import Iterator
from typing import Final

import polars as pl

from energy_platform.storage.hot_store.points import FieldKind, field_kind, physical
from energy_platform.storage.hot_store.protocol import Measurement

NULL_FIELDS: Final = "null_fields"
WRITTEN_STOP: Final = "written_stop"

_RESERVED: Final = {"time", NULL_FIELDS, WRITTEN_STOP}
_NO_NAME: Final = r"[\x00-\x1f\x7f,\\]"
_UNWRITABLE_TAG: Final = r"[\x00-\x1f\x7f]|\\$"
"""The protocol can't write a line break, or a backslash at the end, into a tag."""


def check_names(measurement: Measurement) -> None:
    """Refuse a measurement that can't be written, before any of its points is.

    Raises:
        ValueError: Two columns share a name, a name can't be written, or a field can't be stored.
    """
    columns = [*measurement.tags, *measurement.fields]
    if len({*columns, measurement.time}) < len(columns) + 1:
        raise ValueError(f"{measurement.name}: two columns share a name")
    names = pl.Series([measurement.name, *columns])
    impossible = names.filter(
        (names == "") | names.str.contains(_NO_NAME) | names.str.starts_with("_")
    ).to_list()
    impossible += sorted(_RESERVED & set(columns))
    if impossible:
        raise ValueError(f"{impossible[0]!r} can't name a measurement, a tag or a field")
    for dtype in measurement.fields.values():
        field_kind(dtype)


def layout_of(measurement: Measurement) -> str:
    """Return a text that is equal for equal layouts of a measurement, and for no others."""
    kinds = {name: field_kind(dtype).value for name, dtype in measurement.fields.items()}
    return json.dumps({"tags": measurement.tags, "time": measurement.time, "fields": kinds})


def unwritable(measurement: Measurement) -> pl.Expr:
    """Return why a point has no line at all; null if it has one."""
    return (
        pl.coalesce(
            pl.when(pl.col(tag).str.contains(_UNWRITABLE_TAG)).then(
                pl.lit(f"{tag} holds a control character, or ends in a backslash")
            )
            for tag in measurement.tags
        )
        if measurement.tags
        else pl.lit(None, dtype=pl.String)
    )


def lines(measurement: Measurement, points: pl.DataFrame, *, stop: int) -> pl.Series:
    """Return a line for each point; times are in microseconds.

    Args:
        measurement: The measurement of the points.
        points: As `points.tidy` returns them, none of them `unwritable`.
        stop: The value of `written_stop`.
    """
    series = [pl.lit(_key(measurement.name)), *(_tag(tag) for tag in sorted(measurement.tags))]
    fields = [_field(name, dtype) for name, dtype in measurement.fields.items()]
    nulls = pl.format('{}="{}"', pl.lit(NULL_FIELDS), _escaped(null_fields(measurement)))
    written = pl.lit(f"{WRITTEN_STOP}={stop}i")
    return points.select(
        line=pl.format(
            "{} {} {}",
            pl.concat_str(series),
            pl.concat_str([*fields, nulls, written], separator=",", ignore_nulls=True),
            pl.col(measurement.time).to_physical(),
        )
    ).to_series()


def null_fields(measurement: Measurement) -> pl.Expr:
    """Return the names of a point's null fields, separated by commas."""
    names = [pl.when(pl.col(name).is_null()).then(pl.lit(name)) for name in measurement.fields]
    return pl.concat_str([*names, pl.lit(None, dtype=pl.String)], separator=",", ignore_nulls=True)


def not_null(field: str) -> str:
    """Return InfluxQL's condition that a field's value still counts.

    >>> print(not_null("price_eur_per_mwh"))
    "null_fields" !~ /(^|,)price_eur_per_mwh(,|$)/
    """
    return f'"{NULL_FIELDS}" !~ /(^|,){re.escape(field)}(,|$)/'


def cut(lines: pl.Series, *, most_lines: int, most_bytes: int) -> Iterator[slice]:
    """Cut lines into requests of a bounded size; a larger line goes alone."""
    ends = (lines.str.len_bytes() + 1).cum_sum()
    start, before = 0, 0
    while start < len(lines):
        fitting = int(ends.search_sorted(before + most_bytes, side="right"))
        stop = min(max(fitting, start + 1), start + most_lines, len(lines))
        yield slice(start, stop)
        start, before = stop, int(ends[stop - 1])


def _tag(name: str) -> pl.Expr:
    """Return `,key=value`, or nothing for the empty string: InfluxDB has no empty tag."""
    value = pl.col(name)
    escaped = value.str.replace_all(r"([,= ])", r"\$1")
    return (
        pl.when(value != "")
        .then(pl.format(",{}={}", pl.lit(_key(name)), escaped))
        .otherwise(pl.lit(""))
    )


def _field(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return `key=value`; null if the value is null."""
    value = physical(name, dtype).cast(pl.String)
    match field_kind(dtype):
        case FieldKind.INTEGER | FieldKind.INSTANT:
            value = value + "i"
        case FieldKind.TEXT:
            value = '"' + _escaped(value) + '"'
        case FieldKind.FLOAT | FieldKind.BOOLEAN:
            pass
    return pl.format("{}={}", pl.lit(_key(name)), value)


def _escaped(text: pl.Expr) -> pl.Expr:
    """Return the content of a quoted string."""
    return text.str.replace_all(r'(["\\])', r"\$1")


def _key(name: str) -> str:
    """Return the name of a measurement, tag or field, with its special characters escaped."""
    for character in ",= ":
        name = name.replace(character, "\\" + character)
    return name
