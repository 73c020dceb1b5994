"""ENTSO-E's Transparency Platform: how it is asked, how it refuses, and its documents' points.

A document (IEC 62325) holds TimeSeries, each of one or more Periods of one resolution, whose Points
are numbered by position. Two facts decide what a position that is not listed means, and they must
not be confused: under curve type A03 the value before holds on, to the end of the period; under
A01 the value is not known. Elements are found by their local names, as namespaces change with the
version. What a series is about is told by the source that asks for it; outages have a module of
their own.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl
from lxml import etree

from energy_platform.encodings.answer_forms import Form, either, xml_form
from energy_platform.encodings.json_reply import number
from energy_platform.encodings.xml_document import read_xml
from energy_platform.errors import FeedError, ParseError, RefusedError
from energy_platform.market.provider import Provider, Rate
from energy_platform.market.rows import INSTANT

ENTSOE: Final = Provider(
    name="ENTSO-E",
    rates=(Rate(300, per=timedelta(minutes=1)),),  # of the 400 that a token may ask
    ban=timedelta(minutes=10),
)
POWER: Final = {"quantity_Measure_Unit.name": "MAW"}
"""What series of powers say of their unit: MW."""
TERMS: Final = "ENTSO-E Transparency Platform terms: free with attribution; some data CC BY 4.0"

_MARKET_TIME: Final = ZoneInfo("Europe/Brussels")
_ACKNOWLEDGEMENT: Final = "Acknowledgement_MarketDocument"
ACKNOWLEDGEMENT: Final = xml_form(_ACKNOWLEDGEMENT)
_ROOTS: Final = {"A09": "Publication", "A11": "Publication", "A44": "Publication"}
"""How the root is named of documents that tell of neither generation nor load, by their type."""
_NOTHING: Final = "no matching data found"
_TROUBLE: Final = re.compile(
    r"unavailable|unexpected|internal|temporar|time-?d? ?out|try again|later|maintenance",
    re.IGNORECASE,
)
"""Words of a reason that blame the platform and not the question."""
_HEAD_BYTES: Final = 2_000
_MOST_ROWS: Final = 5_000_000
"""More than any reply holds: a year of quarter-hours for a hundred series is 3.5 million."""

_RESOLUTION: Final = re.compile(r"PT(\d{1,4})([HM])|P(\d{1,3})([DWMY])")
_CALENDAR_UNITS: Final = {"D": "d", "W": "w", "M": "mo", "Y": "y"}
_CALENDARS: Final = ("Europe/Brussels", "Europe/Helsinki", "Europe/London", "UTC")
"""Zones by whose midnights the days and months of a document may begin."""

# What differs between two answers that say the same: each is a new document, made just now.
_MADE_ANEW: Final = re.compile(rb"<(?:\w+:)?(mRID|createdDateTime)>[^<]*</(?:\w+:)?\1>", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a document must be, for its points to be what a source is about.

    Attributes:
        type: Its type, e.g. A75.
        value: The element of a point that holds the value.
        processes: The process types it may be of; any if empty.
        units: Elements of every series and what they must say: a unit or currency that is another
            makes a value wrong.
    """

    type: str
    value: str
    units: Mapping[str, str]
    processes: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """How the positions of a Period, counted from 1, lie in time.

    Attributes:
        resolution: How long one is, as ENTSO-E writes it; minutes where it may write hours.
        start: Start of the first (UTC).
        length: How many there are.
        step: How long one is; None for days and longer, which follow a calendar.
        edges: For these, their starts and the last one's end (UTC).
    """

    resolution: str
    start: datetime
    length: int
    step: timedelta | None = None
    edges: list[datetime] | None = None

    def columns(self) -> dict[str, object]:
        """Return all of it by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def at(self, position: int) -> datetime | None:
        """Return when a position starts; one behind the last is the end, any other is none."""
        if not 1 <= position <= self.length + 1:
            return None
        if self.step is not None:
            return self.start + (position - 1) * self.step
        return self.edges[position - 1] if self.edges else None


def window(start: datetime, end: datetime) -> dict[str, str]:
    """Return the parameters that ask for `start` to `end`.

    The window begins with a quarter of a day (UTC) and ends with an hour, so that the same question
    is asked for a while, and values that come late are met again.
    """
    first = start.replace(hour=start.hour // 6 * 6, minute=0, second=0, microsecond=0)
    last = (end + timedelta(hours=1, microseconds=-1)).replace(minute=0, second=0, microsecond=0)
    return {"periodStart": stamp(first), "periodEnd": stamp(last)}


def market_days(start: datetime, end: datetime) -> dict[str, str]:
    """Return the parameters that ask for the market days of `start` to the day after `end`'s."""
    first, last = (at.astimezone(_MARKET_TIME).date() for at in (start, end))
    midnights = (
        datetime(day.year, day.month, day.day, tzinfo=_MARKET_TIME)
        for day in (first, last + timedelta(days=2))
    )
    return dict(zip(("periodStart", "periodEnd"), map(stamp, midnights), strict=True))


def stamp(instant: datetime) -> str:
    """Return an instant as the platform wants it in a parameter."""
    return f"{instant.astimezone(UTC):%Y%m%d%H%M}"


def answers(document: Document) -> Form:
    """Return what a document looks like; an acknowledgement is an answer too."""
    processes = "|".join(sorted(document.processes))
    of_process = rf"(?=.*processType>(?:{processes})<)" if processes else ""
    root = f"{_ROOTS.get(document.type, 'GL')}_MarketDocument"
    wanted = xml_form(root, head=rf"(?=.*[<:]type>{document.type}<){of_process}")
    return either(wanted, ACKNOWLEDGEMENT)


def is_answer(_status: int, body: bytes) -> bool:
    """Say whether a reply is to be landed; false if it says that there is no data (yet).

    Raises:
        RefusedError: It is an acknowledgement that refuses the question.
        FeedError: It is one that blames the platform, or can't be read.
    """
    if _ACKNOWLEDGEMENT.encode() not in body[:_HEAD_BYTES]:
        return True
    try:
        said = _reasons(read_xml(body))
    except ParseError as error:
        raise FeedError(f"an acknowledgement that can't be read: {error}") from error
    if _NOTHING in said.lower():
        return False
    raise FeedError(said) if _TROUBLE.search(said) else RefusedError(said)


def essence(body: bytes) -> bytes:
    """Return what of a document tells it from one that says something else.

    Every answer has a new name and time of making, though it may say what the last one said.
    """
    return _MADE_ANEW.sub(b"", body[:_HEAD_BYTES], count=2) + body[_HEAD_BYTES:]


def read_document(body: bytes) -> etree._Element:
    """Return the root of a document that is no acknowledgement.

    Raises:
        ParseError: It is no XML, or an acknowledgement: the message is what that says.
    """
    root = read_xml(body)
    if etree.QName(root).localname == _ACKNOWLEDGEMENT:
        raise ParseError(f"an acknowledgement without data: {_reasons(root)}")
    return root


def text_of(element: etree._Element, path: str) -> str | None:
    """Return the text at a path of local names below an element; None if it has none."""
    return element.findtext(_qualified(path, _namespace(element))) or None


def children(element: etree._Element, *names: str) -> list[etree._Element]:
    """Return an element's children with one of these local names, in order."""
    namespace = _namespace(element)
    return list(element.iterchildren(*(namespace + name for name in names)))


def points(
    body: bytes,
    document: Document,
    columns: Mapping[str, str],
    *,
    defaults: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return one row per market time unit of each series for which the document says a value.

    Columns: `delivery_start`, `delivery_end` (UTC), `resolution` (`PT15M`, `PT60M`, ...), `process`
    (the document's process type, may be null), `value`, and the `columns` asked for as text, null
    where a series lacks the element. What a series says twice is one row. A point whose position
    its period does not have has no `delivery_start`; a value that is no number is NaN, and one
    that is empty is null.

    Args:
        body: The reply.
        document: What it must be.
        columns: Columns to make, and the paths of the elements of a TimeSeries that they hold.
        defaults: What a column says of a series that lacks the element.

    Raises:
        ParseError: The reply is another document, in another unit, of a form that is not known,
            or gives one market time unit of one series two values.
    """
    root = read_document(body)
    _expect("document", "type", text_of(root, "type"), {document.type})
    process = text_of(root, "process.processType")
    if document.processes:
        _expect("document", "process.processType", process, document.processes)
    periods = _periods(root, document, columns, defaults or {})
    found = _points(root, document.value, periods)
    rows = _market_time_units(found, periods)
    return rows.join(
        periods.select("period", "resolution", *columns), on="period", maintain_order="left"
    ).select(
        "delivery_start",
        "delivery_end",
        "resolution",
        "value",
        *columns,
        process=pl.lit(process, dtype=pl.String),
    )


def _reasons(acknowledgement: etree._Element) -> str:
    reasons = [
        f"{text_of(reason, 'code')} {' '.join((text_of(reason, 'text') or '').split())}".strip()
        for reason in children(acknowledgement, "Reason")
    ]
    return "; ".join(reasons) or "no reason given"


def _expect(where: str, element: str, found: str | None, wanted: Collection[str]) -> None:
    if found not in wanted:
        raise ParseError(f"{where} with {element} {found}, not {' or '.join(sorted(wanted))}")


def _namespace(element: etree._Element) -> str:
    """Return the namespace that an element is in, in its braces; empty if it is in none."""
    return element.tag[: element.tag.rfind("}") + 1]


@lru_cache(maxsize=256)
def _qualified(path: str, namespace: str) -> str:
    return "/".join(namespace + name for name in path.split("/"))


def _xpath(element: etree._Element, path: str) -> Any:  # noqa: ANN401 (a number, or elements)
    """Evaluate an XPath in which `n:` stands for the element's namespace."""
    return _compiled(path, _namespace(element))(element)


@lru_cache(maxsize=64)
def _compiled(path: str, namespace: str) -> etree.XPath:
    if not namespace:
        return etree.XPath(path.replace("n:", ""))
    return etree.XPath(path, namespaces={"n": namespace[1:-1]})


def _periods(
    root: etree._Element,
    document: Document,
    columns: Mapping[str, str],
    defaults: Mapping[str, str],
) -> pl.DataFrame:
    """Return one row per Period: what its series is, when it is, and how many points it has."""
    found = []
    numbers: dict[tuple[object, ...], int] = {}
    for series in children(root, "TimeSeries"):
        namespace = _namespace(series)
        said = {child.tag: child.text for child in series.iterchildren()}
        for unit, wanted in document.units.items():
            _expect("a series", unit, said.get(namespace + unit), {wanted})
        curve = said.get(f"{namespace}curveType") or "A01"
        _expect("a series", "curveType", curve, {"A01", "A03"})
        about = {
            name: (text_of(series, path) if "/" in path else said.get(namespace + path))
            or defaults.get(name)
            for name, path in columns.items()
        }
        for period in children(series, "Period"):
            when = timing(period)
            # Series are told apart by what is asked of them, not by their place in the document.
            number = numbers.setdefault((*about.values(), when.resolution), len(numbers))
            found.append(
                {
                    **about,
                    **when.columns(),
                    "series": number,
                    "holds": curve == "A03",
                    "points": int(_xpath(period, "count(n:Point)")),
                }
            )
    if not found:
        raise ParseError(f"a document of type {document.type} without a period")
    schema = {
        **dict.fromkeys(columns, pl.String()),
        "series": pl.Int64(),
        "holds": pl.Boolean(),
        "resolution": pl.String(),
        "start": INSTANT,
        "step": pl.Duration("us"),
        "edges": pl.List(INSTANT),
        "length": pl.Int64(),
        "points": pl.Int64(),
    }
    return pl.DataFrame(found, schema=schema).with_row_index("period")


def timing(period: etree._Element) -> Timing:
    """Return how a Period's positions lie in time.

    Raises:
        ParseError: It has no interval, or one that its resolution doesn't divide.
    """
    start, end = (
        as_instant(text_of(period, f"timeInterval/{edge}"), edge) for edge in ("start", "end")
    )
    name = text_of(period, "resolution") or ""
    match = _RESOLUTION.fullmatch(name)
    if match is None or end <= start:
        raise ParseError(f"a period from {start} to {end} by {name or 'no resolution'}")
    count, unit, days, calendar_unit = match.groups()
    if unit is None:
        edges = _calendar_edges(start, end, f"{int(days)}{_CALENDAR_UNITS[calendar_unit]}")
        return Timing(name, start, len(edges) - 1, edges=edges)
    step = timedelta(minutes=int(count) * (60 if unit == "H" else 1))
    if not step or (end - start) % step:
        raise ParseError(f"a period from {start} to {end} is no multiple of {name}")
    return Timing(f"PT{step // timedelta(minutes=1)}M", start, (end - start) // step, step=step)


def _calendar_edges(start: datetime, end: datetime, interval: str) -> list[datetime]:
    """Return the starts of a Period's steps and its end, by the zone whose midnights both are."""
    for zone in _CALENDARS:
        first, last = (at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in (start, end))
        if first.time() == last.time() == time():
            local = pl.datetime_range(first, last, interval, time_zone=zone, eager=True)
            edges: list[datetime] = local.dt.convert_time_zone("UTC").to_list()
            if edges[-1] == end:
                return edges
    raise ParseError(f"a period from {start} to {end} is no multiple of {interval} in any zone")


def as_instant(said: str | None, what: str) -> datetime:
    """Return what a document says of an instant as one (UTC).

    Raises:
        ParseError: It is none, or has no zone.
    """
    try:
        instant = datetime.fromisoformat(said or "")
    except ValueError:
        raise ParseError(f"{what} is {said}, no instant") from None
    if instant.tzinfo is None:
        raise ParseError(f"{what} is {said}, without a zone")
    return instant.astimezone(UTC)


def _points(root: etree._Element, value: str, periods: pl.DataFrame) -> pl.DataFrame:
    """Return `period`, `position` and `value` of every point, in the document's order."""
    total = int(periods["points"].sum())
    if not total:
        raise ParseError("a document without a point")
    position, amount = (_texts(root, name, total) for name in ("position", value))
    texts = pl.DataFrame(
        {"position": position, "value": amount},
        schema={"position": pl.String, "value": pl.String},
    )
    return texts.select(
        period=periods["period"].repeat_by(periods["points"]).explode(empty_as_null=False),
        position=pl.col("position").str.strip_chars().cast(pl.Int64, strict=False),
        value=number(pl.col("value")),
    )


def _texts(root: etree._Element, name: str, total: int) -> list[str | None]:
    """Return the text of the one element of this name in each of all points; None if it is empty.

    No more is done per point than this list; what follows is done in columns.
    """
    tag = _namespace(root) + name
    if _xpath(root, f"count(//n:Point/n:{name}[1])") < total:
        for point in _xpath(root, f"//n:Point[not(n:{name})]"):
            etree.SubElement(point, tag)
    texts = [element.text for element in root.iter(tag)]
    if len(texts) != total:
        raise ParseError(f"{total} points with {len(texts)} of {name}")
    return texts


def _market_time_units(found: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return `period`, `delivery_start`, `delivery_end` and `value`, a row per market time unit."""
    placed = found.join(
        periods.select("period", "series", "holds", "start", "step", "edges", "length"),
        on="period",
        maintain_order="left",
    ).sort("period", "position", nulls_last=True, maintain_order=True)
    position, length = pl.col("position"), pl.col("length")
    exists = position.is_between(1, length).fill_null(value=False)
    in_period = pl.col("period") == pl.col("period").shift(-1)
    until = pl.min_horizontal(pl.when(in_period).then(position.shift(-1)), length + 1)
    placed = placed.with_columns(
        exists=exists,
        # A position that comes twice keeps both rows, of which one value must be left in the end.
        steps=pl.when(exists & pl.col("holds"))
        .then((until - position).clip(lower_bound=1))
        .otherwise(1),
    )
    if (rows := int(placed["steps"].sum())) > _MOST_ROWS:
        raise ParseError(f"a document of {rows} rows is too large")
    index = pl.int_ranges(position - 1, position - 1 + pl.col("steps"))
    units = placed.with_columns(index=index).explode("index")
    start, end = (
        pl.coalesce(
            pl.col("start") + (pl.col("index") + later) * pl.col("step"),
            pl.col("edges").list.get(pl.col("index") + later, null_on_oob=True),
        )
        for later in (0, 1)
    )
    return _one_value_each(
        units.select(
            "period",
            "series",
            "value",
            delivery_start=pl.when("exists").then(start),
            delivery_end=pl.when("exists").then(end),
        )
    )


def _one_value_each(units: pl.DataFrame) -> pl.DataFrame:
    """Drop what is said twice; refuse what is said in two ways.

    Raises:
        ParseError: A series has two values for one market time unit.
    """
    fact = pl.struct("series", "delivery_start")
    repeated = fact.is_duplicated() & pl.col("delivery_start").is_not_null()
    if not units.select(repeated.any()).item():
        return units
    distinct = pl.struct("series", "delivery_start", "value").is_first_distinct()
    told = units.filter(distinct | pl.col("delivery_start").is_null())
    torn = told.filter(repeated)
    if not torn.is_empty():
        first = torn.row(0, named=True)
        raise ParseError(
            f"{torn.height} values for market time units that have another, "
            f"the first {first['value']} at {first['delivery_start']}"
        )
    return told
