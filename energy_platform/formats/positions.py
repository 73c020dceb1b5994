"""Positions as a desk hands them in: CSV as a spreadsheet writes it, or JSON.

One row says what a portfolio buys or generates (+), sells or consumes (-) in an area during a
delivery period, under one name. docs/positions.md describes the form for those who write it. Rows
that can't be understood are refused one by one, with the reason.
"""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

import polars as pl

from energy_platform.encodings import german_csv, json_reply
from energy_platform.errors import ParseError
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import REFUSED
from energy_platform.market.source import each_message

SENDER: Final = "sender"
"""The name of the context that says who sent a document."""
LINE: Final = "line"
"""The column that `read` adds: the line of a CSV document, or the number of a JSON record."""
MOST_ROWS: Final = 50_000

NAMES: Final = ("portfolio", "area", "kind", "name")
_TIMES: Final = ("delivery_start", "delivery_end")
COLUMNS: Final = (*NAMES, *_TIMES, "power_mw")
"""What every row says."""
OPTIONAL: Final = ("zone", "changed_by")
"""What a row may say: the zone of local times, and who changed it, if that is not the sender."""

_POINT: Final = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?$"
_CLOCK: Final = r"[T ](\d{2}:\d{2})(:\d{2})?(?:\.0+)?"
_WITH_OFFSET: Final = rf"^(\d{{4}}-\d{{2}}-\d{{2}}){_CLOCK} ?(?:[Zz]|([+-]\d{{2}}):?(\d{{2}}))$"
_ISO_LOCAL: Final = rf"^(\d{{4}}-\d{{2}}-\d{{2}}){_CLOCK}$"
_GERMAN_LOCAL: Final = r"^(\d{1,2})\.(\d{1,2})\.(\d{4}) +(\d{1,2}):(\d{2})(:\d{2})?$"
_SHOWN: Final = 60


def read(message: RawMessage) -> pl.DataFrame:
    """Return a document's rows in its order: `COLUMNS`, `changed_by`, `line` and `refused`.

    Raises:
        ParseError: It is no such document, has no row or too many, or was not taken whole.
        ContextMissingError: Neither the document nor its context says who changed a row.
    """
    if REFUSED in message.context:
        raise ParseError(message.context[REFUSED])
    is_json = message.body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{")
    texts = _json(message.body) if is_json else _csv(message.body)
    if texts.is_empty():
        raise ParseError("there is no row")
    if texts.height > MOST_ROWS:
        raise ParseError(f"there are {texts.height:,} rows; {MOST_ROWS:,} is the most")
    return _typed(_signed(texts, message))


@each_message
def positions(message: RawMessage) -> pl.DataFrame:
    """Parse a document."""
    return read(message).drop(LINE)


def _csv(body: bytes) -> pl.DataFrame:
    """Return a CSV document as texts, with its numbers written with a point."""
    text = german_csv.decoded(body)
    if _first_line(text).lower().startswith("sep="):  # a spreadsheet's note to itself
        text = text.replace(_first_line(text), "", 1)
    separator = ";" if ";" in _first_line(text) else ","
    table = german_csv.text_table(text.encode(), separator=separator, quote='"', line=LINE)
    table = table.rename(lambda name: name.lower() if name != REFUSED else name)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise ParseError(f"the first line has no column {', '.join(missing)}")
    texts = _chosen(table.sort(LINE))
    is_empty = pl.all_horizontal(pl.col(*COLUMNS, *OPTIONAL, REFUSED).is_null())
    power = pl.col("power_mw")
    if separator == ";":
        point = power.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        power = pl.when(german_csv.number(power).is_not_nan()).then(point)
        reason = _said("power_mw", "is no number with a decimal comma")
        malformed = power.is_null() & pl.col("power_mw").is_not_null()
        refused = pl.coalesce(REFUSED, pl.when(malformed).then(reason))
        texts = texts.with_columns(power_mw=power, refused=refused)
    return texts.filter(~is_empty)


def _first_line(text: str) -> str:
    return next((line for line in text.split("\n") if line.strip()), "")


def _json(body: bytes) -> pl.DataFrame:
    """Return a JSON document, an array of objects or an object with one in `rows`, as texts."""
    fields = dict.fromkeys((*COLUMNS, *OPTIONAL), pl.String)
    path = ["rows"] if body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else []
    table = json_reply.records(body, fields, path=path)
    return _chosen(table.with_row_index(LINE, offset=1).with_columns(pl.col(LINE).cast(pl.Int64)))


def _chosen(table: pl.DataFrame) -> pl.DataFrame:
    """Return the known columns as texts without blanks around them; nothing is null."""
    texts = [
        (pl.col(name) if name in table.columns else pl.lit(None, dtype=pl.String).alias(name))
        for name in (*COLUMNS, *OPTIONAL)
    ]
    refused = pl.col(REFUSED) if REFUSED in table.columns else pl.lit(None, dtype=pl.String)
    return table.select(LINE, *texts, refused.alias(REFUSED)).with_columns(
        pl.col(*COLUMNS, *OPTIONAL).str.strip_chars().replace("", None)
    )


def _signed(texts: pl.DataFrame, message: RawMessage) -> pl.DataFrame:
    """Return rows that all say who changed them: the sender, unless they say it themselves."""
    by = pl.col("changed_by")
    if texts["changed_by"].has_nulls():
        by = by.fill_null(message.asked(SENDER))
    return texts.with_columns(changed_by=by)


def _typed(texts: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the columns' types, with the reason for each that can't be understood."""
    zones = _known_zones(texts)
    power = pl.col("power_mw")
    times = {name: _instant(name, zones) for name in _TIMES}
    number = pl.when(power.str.contains(_POINT)).then(power.cast(pl.Float64, strict=False))
    malformed = [
        *(pl.when(pl.col(name).is_null()).then(pl.lit(f"{name} is missing")) for name in COLUMNS),
        *(_fault(name, instant, zones) for name, instant in times.items()),
        pl.when(number.is_null() & power.is_not_null()).then(
            _said("power_mw", "is no number with a decimal point")
        ),
    ]
    typed = texts.select(
        LINE,
        *NAMES,
        **times,
        power_mw=number,
        changed_by="changed_by",
        refused=pl.coalesce(REFUSED, *malformed),
    )
    return typed.with_columns(refused=pl.coalesce(REFUSED, _repeated()))


def _instant(name: str, zones: list[str]) -> pl.Expr:
    """Return a text as an instant; null without an offset and without a known zone."""
    text = pl.col(name)
    offset = pl.concat_str(
        text.str.extract(_WITH_OFFSET, 4).fill_null("+00"),
        text.str.extract(_WITH_OFFSET, 5).fill_null("00"),
    )
    stated = pl.concat_str(_local(text, _WITH_OFFSET), offset).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False
    )
    padded = [text.str.extract(_GERMAN_LOCAL, part).str.zfill(2) for part in (3, 2, 1, 4, 5)]
    seconds = text.str.extract(_GERMAN_LOCAL, 6).fill_null(":00")
    german = pl.concat_str(pl.format("{}-{}-{}T{}:{}", *padded), seconds)
    local = pl.coalesce(_local(text, _ISO_LOCAL), german).str.to_datetime(
        "%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False
    )
    placed = [
        pl.when(pl.col("zone") == zone).then(
            local.dt.replace_time_zone(
                zone, ambiguous="null", non_existent="null"
            ).dt.convert_time_zone("UTC")
        )
        for zone in zones
    ]
    return pl.coalesce(stated, *placed, pl.lit(None, dtype=INSTANT))


def _local(text: pl.Expr, form: str) -> pl.Expr:
    """Return the date and the time of day of a text of a form, to the second."""
    seconds = text.str.extract(form, 3).fill_null(":00")
    return pl.concat_str(pl.format("{}T{}", text.str.extract(form, 1), text.str.extract(form, 2)),
                         seconds)  # fmt: skip


def _fault(name: str, instant: pl.Expr, zones: list[str]) -> pl.Expr:
    """Return why a text is no instant; null if it is one, or missing."""
    text, zone = pl.col(name), pl.col("zone")
    is_local = text.str.contains(_ISO_LOCAL) | text.str.contains(_GERMAN_LOCAL)
    reason = (
        pl.when(is_local & zone.is_null())
        .then(_said(name, "has no offset: write 2026-10-25T02:15+02:00, or a column zone"))
        .when(is_local & ~zone.is_in(zones))
        .then(_said("zone", "is no time zone: write one like Europe/Berlin"))
        .when(is_local)
        .then(_said(name, "is no hour of that zone, or comes twice: write it with its offset"))
        .otherwise(_said(name, "is no time: write 2026-10-25T02:15+02:00"))
    )
    return pl.when(instant.is_null() & text.is_not_null()).then(reason)


def _repeated() -> pl.Expr:
    """Return why a row says what another one of the document says too."""
    is_known = pl.col(*NAMES, *_TIMES).is_not_null()
    counts = pl.all_horizontal(is_known, pl.col(REFUSED).is_null())
    start, end = (pl.when(counts).then(pl.col(name)) for name in _TIMES)
    before = end.cum_max().shift().over(NAMES, order_by=start)
    after = start.shift(-1).over(NAMES, order_by=start)
    overlaps = (start < before).fill_null(value=False) | (end > after).fill_null(value=False)
    reason = pl.lit("delivery_start: another row has the same portfolio, area, kind and name,"
                    " and delivers at the same time")  # fmt: skip
    return pl.when(overlaps).then(reason)


def _said(name: str, why: str) -> pl.Expr:
    shown = pl.col(name).str.slice(0, _SHOWN).fill_null("")
    return pl.format("{} '{}' {}", pl.lit(name), shown, pl.lit(why))


def _known_zones(texts: pl.DataFrame) -> list[str]:
    named = texts["zone"].drop_nulls().unique(maintain_order=True)
    return [zone for zone in named if zone in _all_zones()]


@cache
def _all_zones() -> frozenset[str]:
    return frozenset(available_timezones())
