"""ENTSO-E's Transparency Platform: questions, refusals, and the points of its documents.

A document (IEC 62325) holds TimeSeries, each of one or more Periods of one resolution, whose Points
are numbered by position. The curve type decides what a missing position means, and the two must not
be confused: under A03 the value before continues, to the end of the period; under A01 the value is
not known. A document is judged series by series and period by period: a series in another unit or
currency, or a period that can't be placed in time, is refused, and the rest is read. Elements are
found by their local names, because namespaces change with the version. The source that asks knows
what a series is about; outages have a module of their own.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import polars as pl
from lxml import etree

from energy_platform.encodings.answer_forms import Form, either, xml_form
from energy_platform.encodings.json_reply import number
from energy_platform.encodings.xml_document import only_text, read_xml
from energy_platform.errors import FeedError, ParseError, RefusedError
from energy_platform.market.provider import Provider, Rate
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import INSTANT, REFUSED

ENTSOE: Final = Provider(
    name="ENTSO-E",
    rates=(Rate(300, per=timedelta(minutes=1)),),  # a token may ask 400
    ban=timedelta(minutes=10),
)
POWER: Final = {"quantity_Measure_Unit.name": "MAW"}
"""The unit that a series of powers must have: MW."""
TERMS: Final = "ENTSO-E Transparency Platform terms: free with attribution; some data CC BY 4.0"

_PROCESS: Final = "process.processType"
_MARKET_TIME: Final = ZoneInfo("Europe/Brussels")
_ACKNOWLEDGEMENT: Final = "Acknowledgement_MarketDocument"
ACKNOWLEDGEMENT: Final = xml_form(_ACKNOWLEDGEMENT)
_ROOTS: Final = {"A09": "Publication", "A11": "Publication", "A44": "Publication"}
"""The root element of documents that are about neither generation nor load, by document type."""
_NOTHING: Final = "no matching data found"
_TROUBLE: Final = re.compile(
    r"unavailable|unexpected|internal|temporar|time-?d? ?out|try again|later|maintenance",
    re.IGNORECASE,
)
"""Words of a reason that blame the platform and not the question."""
_HEAD_BYTES: Final = 2_000
_MOST_ROWS: Final = 5_000_000
"""More rows than any reply has: a year of quarter-hours for a hundred series is 3.5 million."""

_RESOLUTION: Final = re.compile(r"PT(\d{1,4})([HM])|P(\d{1,3})([DWMY])")
_CALENDAR_UNITS: Final = {"D": "d", "W": "w", "M": "mo", "Y": "y"}
_CALENDARS: Final = ("Europe/Brussels", "Europe/Helsinki", "Europe/London", "UTC")
"""Time zones at whose midnights the days and months of a document may begin."""

# These elements differ between two answers of the same content, since each is a new document.
_MADE_ANEW: Final = re.compile(rb"<(?:\w+:)?(mRID|createdDateTime)>[^<]*</(?:\w+:)?\1>", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The requirements for a document whose points a source reads.

    Attributes:
        type: Its type, e.g. A75.
        value: The element of a point that holds the value.
        processes: The process types that it may have; any if empty.
        units: Elements of every series and their required content; with another unit or currency,
            the series' values would be wrong.
    """

    type: str
    value: str
    units: Mapping[str, str]
    processes: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """How the positions of a Period, counted from 1, lie in time.

    Attributes:
        resolution: The length of a position, as ENTSO-E writes it; in minutes where it may write
            hours.
        start: Start of the first position (UTC).
        length: The number of positions.
        step: The length of a position; None for days and longer, which follow a calendar.
        edges: For these, the positions' starts and the last one's end (UTC).
    """

    resolution: str
    start: datetime
    length: int
    step: timedelta | None = None
    edges: list[datetime] | None = None

    def columns(self) -> dict[str, object]:
        """Return all fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def at(self, position: int) -> datetime | None:
        """Return the start of a position.

        The position after the last gives the end, any other None.
        """
        if not 1 <= position <= self.length + 1:
            return None
        if self.step is not None:
            return self.start + (position - 1) * self.step
        return self.edges[position - 1] if self.edges else None


def window(start: datetime, end: datetime) -> dict[str, str]:
    """Return the parameters that ask for `start` to `end`.

    The window begins with a quarter of a day (UTC) and ends with an hour, so that the question
    stays the same for a while, and late values are fetched too.
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
    """Return an instant as the platform's parameters write it."""
    return f"{instant.astimezone(UTC):%Y%m%d%H%M}"


def answers(document: Document) -> Form:
    """Return the expected form of a document; an acknowledgement is an answer too."""
    processes = "|".join(sorted(document.processes))
    of_process = rf"(?=.*processType>(?:{processes})<)" if processes else ""
    root = f"{_ROOTS.get(document.type, 'GL')}_MarketDocument"
    wanted = xml_form(root, head=rf"(?=.*[<:]type>{document.type}<){of_process}")
    return either(wanted, ACKNOWLEDGEMENT)


def is_answer(_status: int, body: bytes) -> bool:
    """Return whether a reply is to be landed; false if it says that there is no data (yet).

    Raises:
        RefusedError: It is an acknowledgement that refuses the question.
        FeedError: It is an acknowledgement that blames the platform, or can't be read.
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
    """Return a document without its own name and time of creation.

    Every answer has new ones, even if it says the same as the last answer.
    """
    return _MADE_ANEW.sub(b"", body[:_HEAD_BYTES], count=2) + body[_HEAD_BYTES:]


def read_document(body: bytes) -> etree._Element:
    """Return the root of a document that is no acknowledgement.

    Raises:
        ParseError: The body is no XML, or an acknowledgement, whose reason is the message.
    """
    root = read_xml(body)
    if etree.QName(root).localname == _ACKNOWLEDGEMENT:
        raise ParseError(f"an acknowledgement without data: {_reasons(root)}")
    return root


def text_of(element: etree._Element, path: str) -> str | None:
    """Return the text at a path of local names below an element; None if there is none."""
    return element.findtext(_qualified(path, _namespace(element))) or None


def children(element: etree._Element, *names: str) -> list[etree._Element]:
    """Return an element's children with one of these local names, in order."""
    namespace = _namespace(element)
    return list(element.iterchildren(*(namespace + name for name in names)))


def points(  # noqa: PLR0913 (what is read, and where it may be told beside the documents)
    messages: Sequence[RawMessage],
    document: Document,
    columns: Mapping[str, str],
    *,
    reads_question: bool = True,
    asked_as: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return one row per market time unit of each series for which a document has a value.

    Columns: `delivery_start`, `delivery_end` (UTC), `resolution` (`PT15M`, `PT60M`, ...), `process`
    (the document's process type, may be null), `value`, the requested `columns` as text, null if
    neither a series nor the question gives it, and `landing_offset`. A value that a series repeats
    is one row. A point whose position its period does not have has no `delivery_start`. A malformed
    number is NaN, and an empty one is null.

    The column `refused` says why a series, a period or one of several values for one market time
    unit is not read; it is null for all other rows.

    Args:
        messages: The replies.
        document: The requirements for each.
        columns: Columns to make, and the paths of their elements below a TimeSeries.
        reads_question: Whether the question's parameters replace elements that a reply leaves out.
        asked_as: The question's parameter for a column, if it is not named like the element.
        defaults: The value of a column if neither the series nor the question gives it.

    Raises:
        ParseError: A reply is another document, or has neither a series nor a period.
    """
    found = _Found(columns)
    for message in messages:
        root = read_document(message.body)
        _expect("document", "type", text_of(root, "type"), {document.type})
        question = message.context if reads_question else {}
        process = text_of(root, _PROCESS) or _answer(question, _PROCESS)
        if document.processes:
            _expect("document", _PROCESS, process, document.processes)
        about = _About(
            document=document,
            columns=columns,
            asked=question,
            defaults={
                **(defaults or {}),
                **{
                    column: message.context[parameter]
                    for column, parameter in (asked_as or {}).items()
                    if parameter in message.context
                },
            },
        )
        found.add(root, about, {"process": process, "landing_offset": message.landing_offset})
    periods = found.periods()
    told = periods.select("period", "resolution", *columns, "process", "landing_offset")
    rows = _market_time_units(found.points(periods), periods).join(
        told, on="period", maintain_order="left"
    )
    everything = pl.concat([rows.drop("period", "series"), found.refused()], how="diagonal")
    return everything.select(
        *("delivery_start", "delivery_end", "resolution", "value", *columns),
        *(REFUSED, "process", "landing_offset"),
    ).sort("landing_offset", maintain_order=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What identifies a series: its document's kind, the wanted columns, and the question."""

    document: Document
    columns: Mapping[str, str]
    asked: Mapping[str, str]
    defaults: Mapping[str, str]

    def columns_of(self, series: etree._Element) -> dict[str, str | None]:
        """Return each column's text from the series, else the question, else the default."""
        return {
            name: text_of(series, path) or _answer(self.asked, path) or self.defaults.get(name)
            for name, path in self.columns.items()
        }

    def curve_of(self, series: etree._Element) -> str:
        """Return the curve type of a series whose values are of the right kind.

        Raises:
            ParseError: They are in another unit or currency, or of another contract or curve type,
                or there are none.
        """
        if not children(series, "Period"):
            raise ParseError("a series without a period")
        for element, wanted in self.document.units.items():
            found = text_of(series, element) or _answer(self.asked, element)
            if found is None:
                raise ParseError(
                    f"a series without {element}, which neither its document nor the question says"
                )
            _expect("a series", element, found, {wanted})
        curve = text_of(series, "curveType") or "A01"
        _expect("a series", "curveType", curve, {"A01", "A03"})
        return curve


def _answer(asked: Mapping[str, str], element: str) -> str | None:
    """Return the question's parameter for an element, e.g. `in_Domain` for `in_Domain.mRID`."""
    if not asked:
        return None
    names = {_plain(element), _plain(element.removesuffix(".mRID"))}
    return next((value for name, value in asked.items() if _plain(name) in names and value), None)


def _plain(name: str) -> str:
    return name.rpartition("/")[2].removeprefix("process.").lower()


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
    """Return an element's namespace in braces; empty if it has none."""
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


class _Found:
    """What documents hold: their periods and points, and what of them is refused.

    Args:
        columns: The columns that identify a series.
    """

    def __init__(self, columns: Iterable[str]) -> None:
        texts = dict.fromkeys(columns, pl.String())
        self._told = {**texts, "process": pl.String(), "landing_offset": pl.Int64()}
        self._periods: list[dict[str, object]] = []
        self._refused: list[dict[str, object]] = []
        self._series: dict[tuple[object, ...], int] = {}
        self._documents = 0
        self._positions: list[str | None] = []
        self._values: list[str | None] = []

    def add(self, root: etree._Element, about: _About, told: Mapping[str, object]) -> None:
        """Take in a document; what is refused is taken out of it.

        Args:
            root: The document.
            about: What identifies its series.
            told: What holds for all of it.

        Raises:
            ParseError: It has neither a series nor a period.
        """
        before, refused = len(self._periods), len(self._refused)
        for series in children(root, "TimeSeries"):
            said = {**about.columns_of(series), **told}
            periods = children(series, "Period")
            try:
                curve = about.curve_of(series)
            except ParseError as error:
                self._refused.append({**said, **_extent(periods), REFUSED: str(error)})
                root.remove(series)
                continue
            for period in periods:
                try:
                    when, points = _placed(period)
                except ParseError as error:
                    self._refused.append({**said, **_extent([period]), REFUSED: str(error)})
                    series.remove(period)
                    continue
                # A series is identified by its columns, and not by its place in its document.
                name = (self._documents, *said.values(), when.resolution)
                number = self._series.setdefault(name, len(self._series))
                placed = {"series": number, "holds": curve == "A03", "points": points}
                self._periods.append({**said, **when.columns(), **placed})
        if len(self._periods) == before and len(self._refused) == refused:
            raise ParseError(f"a document of type {about.document.type} without a series")
        self._documents += 1
        total = sum(cast("int", one["points"]) for one in self._periods[before:])
        self._positions += _texts(root, "position", total)
        self._values += _texts(root, about.document.value, total)

    def periods(self) -> pl.DataFrame:
        """Return one row per Period that can be read: its series, its time and its point count."""
        schema = {
            **self._told,
            "series": pl.Int64(),
            "holds": pl.Boolean(),
            "resolution": pl.String(),
            "start": INSTANT,
            "step": pl.Duration("us"),
            "edges": pl.List(INSTANT),
            "length": pl.Int64(),
            "points": pl.Int64(),
        }
        return pl.DataFrame(self._periods, schema=schema).with_row_index("period")

    def refused(self) -> pl.DataFrame:
        """Return one row per series or Period that is refused."""
        extent = {"delivery_start": INSTANT, "delivery_end": INSTANT, "resolution": pl.String()}
        return pl.DataFrame(self._refused, schema={**self._told, **extent, REFUSED: pl.String()})

    def points(self, periods: pl.DataFrame) -> pl.DataFrame:
        """Return `period`, `position` and `value` of every point, in the documents' order."""
        texts = pl.DataFrame(
            {"position": self._positions, "value": self._values},
            schema={"position": pl.String, "value": pl.String},
        )
        return texts.select(
            period=periods["period"].repeat_by(periods["points"]).explode(empty_as_null=False),
            position=pl.col("position").str.strip_chars().cast(pl.Int64, strict=False),
            value=number(pl.col("value")),
        )


def _placed(period: etree._Element) -> tuple[Timing, int]:
    """Return the timing of a Period's positions, and the Period's number of points."""
    when = timing(period)
    if when.length > _MOST_ROWS:
        raise ParseError(f"a period of {when.length} {when.resolution} is too long")
    points = int(_xpath(period, "count(n:Point)"))
    if not points:
        raise ParseError("a period without a point")
    return when, points


def _extent(periods: Sequence[etree._Element]) -> dict[str, object]:
    """Return the start and end that periods give, as far as they can be read."""
    edges = [_edges(period) for period in periods]
    return {
        "delivery_start": min((start for start, _ in edges if start), default=None),
        "delivery_end": max((end for _, end in edges if end), default=None),
        "resolution": text_of(periods[0], "resolution") if periods else None,
    }


def _edges(period: etree._Element) -> tuple[datetime | None, datetime | None]:
    try:
        return _interval(period)
    except ParseError:
        return None, None


def _interval(period: etree._Element) -> tuple[datetime, datetime]:
    start, end = (
        as_instant(text_of(period, f"timeInterval/{edge}"), edge) for edge in ("start", "end")
    )
    return start, end


def timing(period: etree._Element) -> Timing:
    """Return how a Period's positions lie in time.

    Raises:
        ParseError: The Period has no interval, or one that its resolution doesn't divide.
    """
    start, end = _interval(period)
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
    """Return the starts of a Period's steps and its end, in the zone where both are midnights."""
    for zone in _CALENDARS:
        first, last = (at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in (start, end))
        if first.time() == last.time() == time():
            local = pl.datetime_range(first, last, interval, time_zone=zone, eager=True)
            edges: list[datetime] = local.dt.convert_time_zone("UTC").to_list()
            if edges[-1] == end:
                return edges
    raise ParseError(f"a period from {start} to {end} is no multiple of {interval} in any zone")


def as_instant(said: str | None, what: str) -> datetime:
    """Return the instant (UTC) that a document's text stands for.

    Raises:
        ParseError: The text is no instant, or has no zone.
    """
    try:
        instant = datetime.fromisoformat(said or "")
    except ValueError:
        raise ParseError(f"{what} is {said}, no instant") from None
    if instant.tzinfo is None:
        raise ParseError(f"{what} is {said}, without a zone")
    return instant.astimezone(UTC)


def _texts(root: etree._Element, name: str, total: int) -> list[str | None]:
    """Return the text of the one element of this name in each of all points; None if it is empty.

    This list is the only work per point; everything after it is done in columns. Points are read
    one by one only if some point of the document does not have exactly one such element.
    """
    tag = _namespace(root) + name
    in_points = int(_xpath(root, f"count(n:TimeSeries/n:Period/n:Point/n:{name})"))
    plain = int(_xpath(root, f"count(n:TimeSeries/n:Period/n:Point/n:{name}[not(*)][1])"))
    texts = [element.text for element in root.iter(tag)]
    if in_points == plain == total == len(texts):
        return texts
    points = _xpath(root, "n:TimeSeries/n:Period/n:Point")
    return [only_text(children(point, name)) for point in points]


def _market_time_units(found: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return `period`, `delivery_start`, `delivery_end` and `value`, a row per market time unit."""
    position, length = pl.col("position"), pl.col("length")
    exists = position.is_between(1, length).fill_null(value=False)
    in_period = (pl.col("period") == pl.col("period").shift(-1)).fill_null(value=False)
    placed = (
        found.join(
            periods.select("period", "series", "holds", "start", "step", "edges", "length"),
            on="period",
            maintain_order="left",
        )
        .with_columns(next_is_known=(position.shift(-1) >= 1).fill_null(value=False) | ~in_period)
        .sort("period", "position", nulls_last=True, maintain_order=True)
    )
    # If the next position can't be read, it is unknown how far a value holds.
    ends = pl.when("next_is_known").then(position.shift(-1)).otherwise(position + 1)
    until = pl.min_horizontal(pl.when(in_period).then(ends), length + 1)
    placed = placed.with_columns(
        exists=exists,
        # A repeated position keeps both rows; `_one_value_each` then requires a single value.
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
    """Drop repeated values; refuse (`refused`) contradicting ones."""
    has_place = pl.col("delivery_start").is_not_null()
    torn = pl.struct("series", "delivery_start").is_duplicated() & has_place
    if not units.select(torn.any()).item():
        return units.with_columns(pl.lit(None, pl.String).alias(REFUSED))
    distinct = pl.struct("series", "delivery_start", "value").is_first_distinct()
    return units.filter(distinct | ~has_place).with_columns(
        pl.when(torn).then(pl.lit("one of several values for one market time unit")).alias(REFUSED)
    )
