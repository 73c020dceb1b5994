"""The replies of Elexon's Insights Solution (BMRS): records as JSON, in either of its two shapes.

`/datasets/X` and the balancing paths answer `{"data": [...]}`, `/datasets/X/stream` a bare array;
despite its name, "stream" is one finite reply. Each source knows what a record's fields mean.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings.answer_forms import Form, json_form
from energy_platform.encodings.json_reply import FieldType, records
from energy_platform.errors import FeedError, ParseError
from energy_platform.market.delivery_periods import delivery_start
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider, Rate

ELEXON: Final = Provider(name="Elexon", rates=(Rate(2),))
"""Elexon states no rate; two requests a second were accepted."""

BASE_URL: Final = "https://data.elexon.co.uk/bmrs/api/v1"
PRICES: Final = f"{BASE_URL}/balancing/settlement/system-prices"
_FIELDS: Final[Mapping[str, FieldType]] = {
    "createdDateTime": INSTANT,
    "measurementTime": INSTANT,
    "publishTime": INSTANT,
    "startTime": INSTANT,
    "settlementDate": pl.String,
    "settlementPeriod": pl.Int64,
    "fuelType": pl.String,
    "priceDerivationCode": pl.String,
    "frequency": pl.Float64,
    "generation": pl.Float64,
    "systemSellPrice": pl.Float64,
    "systemBuyPrice": pl.Float64,
    "netImbalanceVolume": pl.Float64,
}
"""The fields that are read, and their types; the records of a dataset have some of them."""

TERMS: Final = "BMRS data licence: free to use; contains BMRS data © Elexon Limited"

_MARKET_ZONE: Final = "Europe/London"
_SETTLEMENT_PERIOD: Final = timedelta(minutes=30)


def settlement_days(start: datetime, end: datetime) -> list[date]:
    """Return the London settlement days that a window touches."""
    first, last = (at.astimezone(ZoneInfo(_MARKET_ZONE)).date() for at in (start, end))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def settlement_start(day: pl.Expr, period: pl.Expr) -> pl.Expr:
    """Return the start of a settlement period; null if its day (as text) has no such period.

    London's days have 46, 48 or 50 periods.
    """
    local_day = day.str.to_date("%Y-%m-%d", strict=False)
    return delivery_start(local_day, period, pl.lit(_SETTLEMENT_PERIOD), _MARKET_ZONE)


def window(name: str, start: datetime, end: datetime, *, whole: timedelta) -> dict[str, str]:
    """Return the parameters `<name>From` and `<name>To` of a window; both ends are included.

    Datasets name their times differently, and Elexon silently ignores an unknown name. The end is a
    multiple of `whole`, at or after `end`, so that the question stays the same until there can be a
    new answer.
    """
    last, step = int(end.timestamp()), int(whole.total_seconds())
    until = datetime.fromtimestamp(last + -last % step, UTC)
    return {
        f"{name}From": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        f"{name}To": f"{until:%Y-%m-%dT%H:%M:%SZ}",
    }


def dataset(body: bytes, name: str | None = None, **columns: str) -> pl.DataFrame:
    """Return the records of a reply as a table of these columns, in order; no row if it is empty.

    The column `refused` names the other dataset of a record; it is null for records of this one.

    Args:
        body: The reply.
        name: The dataset that every record must name; None if records name none.
        columns: The columns, and the field of each.

    Raises:
        ParseError: The reply is a refusal, of another form, or entirely of another dataset.
    """
    fields = {field: _FIELDS[field] for field in columns.values()}
    path = () if body.lstrip()[:1] == b"[" else ("data",)
    try:
        rows = records(body, {**fields, "dataset": pl.String}, path=path)
    except ParseError:
        if (said := problem(body)) is not None:
            raise ParseError(f"the reply is a refusal: {said}") from None
        raise
    others = rows["dataset"].drop_nulls().ne_missing(name)
    if len(others) == rows.height and len(others) and others.all():
        raise ParseError(f"the reply is of {rows['dataset'][0]}, not of {name or 'this source'}")
    is_other = pl.col("dataset").is_not_null() & pl.col("dataset").ne_missing(pl.lit(name))
    other = pl.format("a record of {}, not of {}", "dataset", pl.lit(name or "this source"))
    return rows.select(**columns, refused=pl.when(is_other).then(other))


def answers(*fields: str) -> Form:
    """Return the expected form of a reply whose records have one of these fields."""
    return json_form("data", records="data", having=fields, bare=True)


def is_answer(status: int, body: bytes) -> bool:
    """Return that a reply of status 200 is to be landed.

    Raises:
        FeedError: The reply is a refusal; the message has Elexon's reasons.
    """
    if status != HTTPStatus.OK:
        raise FeedError(problem(body) or "no reason is given")
    return True


def problem(body: bytes) -> str | None:
    """Return the reasons in a problem document (RFC 9457), in one line; None for another body."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or "title" not in said:
        return None
    errors = said.get("errors")
    reasons = errors.values() if isinstance(errors, dict) else ()
    listed = [str(part) for reason in reasons for part in _listed(reason)]
    return " ".join("; ".join([str(said["title"]), *listed]).split())


def newest_instant(body: bytes, name: str, field: str) -> datetime | None:
    """Return the newest instant in a field of a dataset; None if there is none."""
    try:
        return cast("datetime | None", dataset(body, name, newest=field)["newest"].max())
    except ParseError:
        return None


def _listed(reason: Any) -> list[Any]:  # noqa: ANN401 (a JSON value may have any type)
    return reason if isinstance(reason, list) else [reason]
