"""AGSI+, GIE's inventory of gas storage: questions for gas days, and the records of replies.

Numbers are texts; a dash or an empty text stands for a missing one. A refusal may have status 200.
"""

import json
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

from energy_platform.encodings.answer_forms import json_form
from energy_platform.encodings.json_reply import decoded, json_object, number, text
from energy_platform.errors import FeedError, ParseError, RefusedError
from energy_platform.market.instants import INSTANT
from energy_platform.market.provider import Provider, Rate

AGSI: Final = Provider(name="GIE AGSI+", rates=(Rate(60, timedelta(minutes=1)),))
URL: Final = "https://agsi.gie.eu/api"
MOST_DAYS: Final = timedelta(days=145)
"""A page has at most 300 records, and the question for an aggregate brings two per gas day."""

ANSWER: Final = json_form("data", records="data", having=("gasDayStart",))

_NUMBERS: Final = {
    "gas_in_storage_twh": "gasInStorage",
    "working_gas_volume_twh": "workingGasVolume",
    "full_pct": "full",
    "trend_pct": "trend",
    "injection_gwh_per_d": "injection",
    "withdrawal_gwh_per_d": "withdrawal",
    "net_withdrawal_gwh_per_d": "netWithdrawal",
    "injection_capacity_gwh_per_d": "injectionCapacity",
    "withdrawal_capacity_gwh_per_d": "withdrawalCapacity",
}
"""Columns, in the units that AGSI+ documents, and the fields of their numbers."""
_PAGE: Final = {"page": "1", "size": "300"}
_LOCAL_TIME: Final = "Europe/Brussels"
_DAY_STARTS: Final = timedelta(hours=6)
_TEXTS: Final = ("code", "url", "gasDayStart", "updatedAt", "status")
_GAS_DAY: Final = r"^\s*(\d{4}-\d{2}-\d{2})(?:[T ].*)?$"


def question(country: str, start: datetime, end: datetime) -> dict[str, str]:
    """Return the query for the gas days of one country that a window touches."""
    zone = ZoneInfo(_LOCAL_TIME)
    first, last = (at.astimezone(zone).replace(tzinfo=None) - _DAY_STARTS for at in (start, end))
    return {"country": country, "from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", **_PAGE}


def is_answer(_status: int, body: bytes) -> bool:
    """Return whether a reply is to be landed: it has a record, or it has another form.

    Raises:
        FeedError: The reply reports an error, whatever its status.
        RefusedError: The reply has more than one page.
    """
    try:
        reply = json_object(body)
    except ParseError:
        return True
    if "error" in reply:
        raise FeedError(_refusal(reply))
    pages = reply.get("last_page", 1)
    if str(pages) not in ("0", "1"):
        raise RefusedError(f"there are {pages} pages where one was expected")
    return reply.get("data") != []


def gas_days(body: bytes) -> pl.DataFrame:
    """Return one row per record: `code`, `url`, the gas day, `published_at`, `status`, and numbers.

    A gas day starts at 06:00 local time. The time of a record's update is local, too: null in the
    hour that comes twice. Records inside other records (`children`) are rows as well. An element
    that is no record is a row without a code or a gas day.

    Raises:
        ParseError: The reply is a refusal, or of another form.
    """
    shape = pl.List(pl.Struct(dict.fromkeys((*_TEXTS, *_NUMBERS.values()), pl.String)))
    found = decoded(json.dumps(_with_children(_data(body))).encode(), shape)
    frame = found.explode(empty_as_null=False).struct.unnest().with_columns(text(pl.col(_TEXTS)))
    day = pl.col("gasDayStart").str.extract(_GAS_DAY).str.to_date("%Y-%m-%d", strict=False)
    updated = (
        pl.col("updatedAt")
        .str.strip_chars()
        .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
    )
    code = _said("code").str.to_uppercase()
    url = _said("url").str.to_uppercase()
    return frame.select(
        code=pl.coalesce(code, url),
        url=pl.coalesce(url, code),
        delivery_start=_starts(day),
        delivery_end=_starts(day.dt.offset_by("1d")),
        published_at=_utc(updated),
        status=_said("status"),
        **{column: number(_said(field)) for column, field in _NUMBERS.items()},
    )


def _data(body: bytes) -> list[Any]:
    reply = json_object(body)
    if "error" in reply:
        raise ParseError(_refusal(reply))
    data = reply.get("data")
    if not isinstance(data, list):
        raise ParseError("the reply has no array 'data'")
    return data


def _refusal(reply: dict[str, Any]) -> str:
    return f"refused: {str(reply['error'])[:60]}"


def _with_children(found: list[Any]) -> list[Any]:
    """Return records, each followed by those inside it; other elements stay, to be refused."""
    flat = []
    for record in found:
        children = record.get("children") or [] if isinstance(record, dict) else []
        inside = children if isinstance(children, list) else [children]
        flat += [record, *_with_children(inside)]
    return flat


def _said(field: str) -> pl.Expr:
    """Return a text; null if it stands for a missing value."""
    text = pl.col(field).str.strip_chars()
    return pl.when(~text.is_in(["", "-"])).then(text)


def _starts(day: pl.Expr) -> pl.Expr:
    return _utc(day.cast(pl.Datetime("us")) + _DAY_STARTS)


def _utc(local: pl.Expr) -> pl.Expr:
    placed = local.dt.replace_time_zone(_LOCAL_TIME, ambiguous="null", non_existent="null")
    return placed.dt.convert_time_zone("UTC").cast(INSTANT)
