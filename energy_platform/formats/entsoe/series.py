"""Series and periods of documents, and the texts of their points; what is refused of them.

A document is judged series by series and period by period: a series in another unit or currency, or
a period that can't be placed in time, is refused, and the rest is read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import polars as pl
from lxml import etree

from energy_platform.encodings.json_reply import number
from energy_platform.encodings.xml_document import only_text
from energy_platform.errors import ParseError
from energy_platform.formats.entsoe.document import Document
from energy_platform.formats.entsoe.elements import children, expect, namespace_of, text_of, xpath
from energy_platform.formats.entsoe.periods import Timing, extent_of, timing
from energy_platform.market.budget import MOST_ROWS
from energy_platform.market.instants import INSTANT
from energy_platform.market.rows import REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What identifies a series: its document's kind, the wanted columns, and the question."""

    document: Document
    columns: Mapping[str, str]
    asked: Mapping[str, str]
    defaults: Mapping[str, str]

    def columns_of(self, series: etree._Element) -> dict[str, str | None]:
        """Return each column's text from the series, else the question, else the default."""
        return {
            name: text_of(series, path)
            or parameter_for(self.asked, path)
            or self.defaults.get(name)
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
            found = text_of(series, element) or parameter_for(self.asked, element)
            if found is None:
                raise ParseError(
                    f"a series without {element}, which neither its document nor the question says"
                )
            expect("a series", element, found, {wanted})
        curve = text_of(series, "curveType") or "A01"
        expect("a series", "curveType", curve, {"A01", "A03"})
        return curve


def parameter_for(asked: Mapping[str, str], element: str) -> str | None:
    """Return the question's parameter for an element, e.g. `in_Domain` for `in_Domain.mRID`."""
    if not asked:
        return None
    names = {_plain(element), _plain(element.removesuffix(".mRID"))}
    return next((value for name, value in asked.items() if _plain(name) in names and value), None)


def _plain(name: str) -> str:
    return name.rpartition("/")[2].removeprefix("process.").lower()


class Found:
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

    def add(self, root: etree._Element, about: About, told: Mapping[str, object]) -> None:
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
                self._refused.append({**said, **extent_of(periods), REFUSED: str(error)})
                root.remove(series)
                continue
            for period in periods:
                try:
                    when, points = _placed(period)
                except ParseError as error:
                    self._refused.append({**said, **extent_of([period]), REFUSED: str(error)})
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
    if when.length > MOST_ROWS:
        raise ParseError(f"a period of {when.length} {when.resolution} is too long")
    points = int(xpath(period, "count(n:Point)"))
    if not points:
        raise ParseError("a period without a point")
    return when, points


def _texts(root: etree._Element, name: str, total: int) -> list[str | None]:
    """Return the text of the one element of this name in each of all points; None if it is empty.

    This list is the only work per point; everything after it is done in columns. Points are read
    one by one only if some point of the document does not have exactly one such element.
    """
    tag = namespace_of(root) + name
    in_points = int(xpath(root, f"count(n:TimeSeries/n:Period/n:Point/n:{name})"))
    plain = int(xpath(root, f"count(n:TimeSeries/n:Period/n:Point/n:{name}[not(*)][1])"))
    texts = [element.text for element in root.iter(tag)]
    if in_points == plain == total == len(texts):
        return texts
    points = xpath(root, "n:TimeSeries/n:Period/n:Point")
    return [only_text(children(point, name)) for point in points]
