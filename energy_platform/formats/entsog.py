"""The operational data of ENTSOG's Transparency Platform: a flat list of records, as JSON.

Both sides of a point report, so each flow appears twice. Each source decides which indicators to
ask for.
"""

import json
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import FieldType, instant, records
from energy_platform.errors import FeedError, ParseError
from energy_platform.market.provider import Provider

ENTSOG: Final = Provider(name="ENTSOG")
URL: Final = "https://transparency.entsog.eu/api/v1/operationalData"
HOURLY: Final = {"periodType": "hour", "timeZone": "UCT", "limit": "-1", "offset": "0"}
"""The query for every record of hourly values, in UTC as the platform spells it."""
INDICATORS: Final = ("Physical Flow", "Nomination", "Renomination", "Allocation", "GCV")
ANSWER: Final = json_form(
    "operationalData", records="operationalData", having=("indicator", "pointKey")
)
COLUMNS: Final = {
    "kWh/h": "energy_flow_kwh_per_h",
    "kWh/d": "energy_flow_kwh_per_d",
    "kWh/Nm3": "calorific_value_kwh_per_nm3",
}
"""Units, and the column for the values in each."""
VALUES: Final = pl.col(*COLUMNS.values())

_FIELDS: Final[dict[str, FieldType]] = {
    "indicator": pl.String,
    "periodType": pl.String,
    "periodFrom": pl.String,
    "periodTo": pl.String,
    "operatorKey": pl.String,
    "pointKey": pl.String,
    "directionKey": pl.String,
    "unit": pl.String,
    "value": pl.Float64,
    "flowStatus": pl.String,
    "lastUpdateDateTime": pl.String,
}
_WITH_OFFSET: Final = r"T.*(Z|[+-]\d\d:?\d\d)$"
_GAS_DAY_ZONE: Final = ZoneInfo("Europe/Berlin")
_GAS_DAY_STARTS: Final = timedelta(hours=6)


def gas_days(start: datetime, end: datetime) -> list[date]:
    """Return the gas days that [start, end] touches, and the calendar day of `end`.

    A gas day starts at 06:00 local time, with some operators earlier.
    """
    first = (start.astimezone(_GAS_DAY_ZONE) - _GAS_DAY_STARTS).date()
    last = end.astimezone(_GAS_DAY_ZONE).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def values_by_unit(body: bytes) -> pl.DataFrame:
    """Return the records of a reply that have a value, in the columns of a market's table.

    A value is in its unit's column of `COLUMNS`; a value in another unit is in none. A record
    without a value (`isNA`) may be filled later, and is no row. Instants are UTC; one without an
    offset is null. Empty texts are null.

    Raises:
        ParseError: The reply is of another form, or no record has a field for the value.
    """
    found = records(body, _FIELDS, path=("operationalData",))
    if not found.is_empty() and b'"value"' not in body:
        raise ParseError("no record has a field 'value'")
    found = found.drop_nulls("value")
    texts = [name for name, dtype in _FIELDS.items() if dtype == pl.String]
    stripped = found.with_columns(pl.col(texts).str.strip_chars().replace("", None))
    unit = pl.col("unit").str.replace("³", "3", literal=True)
    return stripped.select(
        delivery_start=_instant("periodFrom"),
        delivery_end=_instant("periodTo"),
        indicator="indicator",
        period_type="periodType",
        operator_key="operatorKey",
        point_key="pointKey",
        direction="directionKey",
        **{column: pl.when(unit == known).then("value") for known, column in COLUMNS.items()},
        flow_status="flowStatus",
        published_at=_instant("lastUpdateDateTime"),
    )


def is_answer(status: int, body: bytes) -> bool:
    """Return whether a reply has records; 404 with "No result found" means that there are none.

    Raises:
        FeedError: The platform is in trouble, or the address is wrong.
    """
    if status == HTTPStatus.NOT_FOUND:
        try:
            said = json.loads(body)["message"]
        except (ValueError, LookupError, TypeError):
            said = None
        if said != "No result found":
            raise FeedError("it doesn't know the address")
        return False
    if status != HTTPStatus.OK:
        raise FeedError("the platform is in trouble")
    return True


def _instant(name: str) -> pl.Expr:
    return instant(pl.when(pl.col(name).str.contains(_WITH_OFFSET)).then(name))
