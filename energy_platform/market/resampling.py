"""Brings the values of a series to other periods, by the kind of quantity that they are.

Every value holds for a stretch of time: its delivery period, the time until the next instant, or,
for sums and means of a table of instants, the time since the one before. A bucket's value is made
of the stretches that it has in common with them: prices and powers are averaged by time, energy is
summed and split in proportion, a level is the last one. Pure functions over frames.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market.quantity import Quantity

OF_INSTANTS: Final = {
    Quantity.PRICE,
    Quantity.INSTANT,
    Quantity.LEVEL,
    Quantity.OPENING,
    Quantity.DIRECTION,
}
"""Kinds whose value at an instant holds from then on; others are of the time before."""

STRETCHES: Final = {
    "since": pl.Datetime("us", "UTC"),
    "until": pl.Datetime("us", "UTC"),
    "value": pl.Float64(),
}
"""A series as stretches of time with a value each."""

_SPAN: Final = pl.col("_to") - pl.col("_from")
_LENGTH: Final = pl.col("until") - pl.col("since")
_VALUE: Final = pl.col("value")


def of_instants(
    values: pl.DataFrame, quantity: Quantity, max_gap: timedelta | None
) -> pl.DataFrame:
    """Return a series of instants as stretches.

    Args:
        values: `at` and `value`.
        quantity: Its kind.
        max_gap: How long a value holds at most; as long as values usually are apart, unless given.
    """
    ordered = values.sort("at")
    apart = ordered.select(pl.col("at").diff().drop_nulls().median()).item()
    longest = max_gap if max_gap is not None else apart
    if longest is None:  # one value alone doesn't tell how long it holds
        return pl.DataFrame(schema=STRETCHES)
    at = pl.col("at")
    if quantity in OF_INSTANTS:
        since, until = at, pl.min_horizontal(at.shift(-1), at + longest)
    else:
        since, until = pl.max_horizontal(at.shift(1), at - longest), at
    return ordered.select(
        since=since.cast(STRETCHES["since"]), until=until.cast(STRETCHES["until"]), value=_VALUE
    )


def resampled(
    stretches: pl.DataFrame, buckets: pl.DataFrame, quantity: Quantity, *, max_missing: float
) -> pl.DataFrame:
    """Return the value of each bucket, null where too much of it has none.

    Args:
        stretches: The series, whose stretches do not overlap; a value may be null.
        buckets: `bucket_start` and `bucket_end` of buckets that touch each other, in order.
        quantity: The series' kind.
        max_missing: Which share of a bucket may lack a value.

    Raises:
        UsageError: The kind can't be aggregated, or would have to be split and can't be.
    """
    require_arithmetic(quantity)
    if buckets.is_empty():
        return buckets.with_columns(value=pl.lit(None, dtype=pl.Float64))
    parts = _parts(stretches.drop_nulls("value"), buckets)
    if quantity in _WHOLE and parts.select((_SPAN < _LENGTH).any()).item():
        raise UsageError(f"a {quantity} of a longer period can't be split; ask for longer buckets")
    values = parts.group_by("_bucket").agg(
        value=_AGGREGATES.get(quantity, _mean)(), covered=_SPAN.sum()
    )
    wanted = pl.col("bucket_end") - pl.col("bucket_start")
    enough = pl.col("covered").dt.total_microseconds() >= (
        wanted.dt.total_microseconds() * (1 - max_missing)
    )
    return (
        buckets.with_row_index("_bucket")
        .cast({"_bucket": pl.Int64})
        .join(values, on="_bucket", how="left", maintain_order="left")
        .select("bucket_start", "bucket_end", value=pl.when(enough).then(_VALUE))
    )


def require_arithmetic(quantity: Quantity) -> None:
    """Refuse a kind whose values can't be averaged or summed.

    Raises:
        UsageError: They can't.
    """
    if quantity in _NAMES:
        raise UsageError(f"its values are of the kind {quantity.value!r}, which no period sums up")


def _parts(stretches: pl.DataFrame, buckets: pl.DataFrame) -> pl.DataFrame:
    """Return what each stretch has in common with each bucket."""
    bounds = buckets["bucket_start"].extend(buckets["bucket_end"][-1:])
    edges, last = pl.lit(bounds), buckets.height - 1
    first_of = edges.search_sorted(pl.col("since"), side="right").cast(pl.Int64) - 1
    last_of = edges.search_sorted(pl.col("until"), side="left").cast(pl.Int64) - 1
    inside = stretches.filter(
        pl.col("until") > bounds[0], pl.col("since") < bounds[-1], pl.col("since") < pl.col("until")
    )
    return (
        inside.with_columns(_first=first_of.clip(0, last), _last=last_of.clip(0, last))
        .with_columns(_bucket=pl.int_ranges("_first", pl.col("_last") + 1, dtype=pl.Int64))
        .explode("_bucket")
        .with_columns(
            _from=pl.max_horizontal("since", edges.gather("_bucket")),
            _to=pl.min_horizontal("until", edges.gather(pl.col("_bucket") + 1)),
        )
        .sort("_from")
    )


def _mean() -> pl.Expr:
    """Return the mean by time; of equal stretches the plain mean, which rounds nothing."""
    span = _SPAN.dt.total_microseconds()
    weighted = (_VALUE * span).sum() / span.sum()
    return pl.when(span.min() == span.max()).then(_VALUE.mean()).otherwise(weighted)


def _sum() -> pl.Expr:
    """Return the sum, of a stretch that reaches beyond the bucket only its share."""
    share = _SPAN.dt.total_microseconds() / _LENGTH.dt.total_microseconds()
    return pl.when(share == 1.0).then(_VALUE).otherwise(_VALUE * share).sum()


def _bearing() -> pl.Expr:
    """Return the direction of the mean vector; null where the vectors cancel out."""
    span = _SPAN.dt.total_microseconds()
    east = (_VALUE.radians().sin() * span).sum() / span.sum()
    north = (_VALUE.radians().cos() * span).sum() / span.sum()
    bearing = pl.arctan2(east, north).degrees() % 360
    is_clear = (east**2 + north**2) > 1e-12  # noqa: PLR2004 (what rounding leaves of nothing)
    return pl.when(_VALUE.min() == _VALUE.max()).then(_VALUE.first()).when(is_clear).then(bearing)


_AGGREGATES: Final[dict[Quantity, Callable[[], pl.Expr]]] = {
    Quantity.ENERGY: _sum,
    Quantity.AMOUNT: _sum,
    Quantity.COUNT: _VALUE.sum,
    Quantity.VOLUME: _VALUE.sum,
    Quantity.LEVEL: _VALUE.last,
    Quantity.OPENING: _VALUE.first,
    Quantity.MAXIMUM: _VALUE.max,
    Quantity.MINIMUM: _VALUE.min,
    Quantity.DIRECTION: _bearing,
}
"""How a bucket's value is made of its parts, in their order; the others by their mean."""

_WHOLE: Final = {Quantity.COUNT, Quantity.VOLUME}
"""Kinds that can't be split."""

_NAMES: Final = {
    Quantity.NUMBER,
    Quantity.PLACE,
    Quantity.LABEL,
    Quantity.FLAG,
    Quantity.TIME,
}
