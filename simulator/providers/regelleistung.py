"""regelleistung.net on the wire: a workbook of bids per tender and day, by REST.

As in the real workbooks, dates are dates or Excel's numbers, and prices are numbers or texts with a
decimal comma. A workbook is written in a thread, and the last few are kept.
"""

import asyncio
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import xlsxwriter
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from energy_platform.market.instants import INSTANT
from simulator.beats import beats
from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.market_days import period_starts
from simulator.world import World

_SOURCE: Final = "regelleistung_tender"
_ZONE: Final = ZoneInfo("Europe/Berlin")
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_DAY: Final = timedelta(days=1)
_QUARTER: Final = timedelta(minutes=15)
_ASKED_BACK: Final = timedelta(days=2, hours=1)
_EXCEL_DAY_0: Final = date(1899, 12, 30)
_COUNTRIES: Final = ("DE", "AT", "CZ")
_KEPT_WORKBOOKS: Final = 12
_NAP_SECONDS: Final = 0.05
_PRICES: Final = (
    "capacity_price_eur_per_mw",
    "capacity_price_eur_per_mw_per_h",
    "energy_price_eur_per_mwh",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tender:
    """One kind of tender.

    Attributes:
        market: `CAPACITY` or `ENERGY`.
        reserve_type: `FCR`, `aFRR` or `mFRR`.
        directions: What its products' names begin with.
        bids: How many there are of each product.
        price: The column of the table that holds its prices.
        header: The price's column in the workbook.
        days: Days from the day of delivery to the publication of its bids.
        at: The local time of the publication.
    """

    market: str
    reserve_type: str
    directions: tuple[str, ...]
    bids: int
    price: str
    header: str
    days: int
    at: time

    def published_at(self, day: date) -> datetime:
        """Return when the bids of a delivery day appear."""
        return datetime.combine(day + self.days * _DAY, self.at, _ZONE).astimezone(UTC)

    def products(self, day: date) -> list[tuple[str, datetime, datetime]]:
        """Return a day's products and their periods: blocks of the clock, or quarter-hours."""
        if self.market == "ENERGY":
            starts = enumerate(period_starts(day, _ZONE, _QUARTER), start=1)
            periods = [(f"{number:03}", start, start + _QUARTER) for number, start in starts]
        else:
            periods = [
                (f"{hour:02}_{hour + 4:02}", _on_the_clock(day, hour), _on_the_clock(day, hour + 4))
                for hour in range(0, 24, 4)
            ]
        return [
            (f"{direction}_{name}", start, end)
            for direction in self.directions
            for name, start, end in periods
        ]


_TENDERS: Final = (
    _Tender(
        market="CAPACITY", reserve_type="FCR", directions=("NEGPOS",), bids=298,
        price="capacity_price_eur_per_mw", header="CAPACITY_PRICE_[EUR/MW]",
        days=-1, at=time(8, 30),
    ),
    _Tender(
        market="CAPACITY", reserve_type="aFRR", directions=("NEG", "POS"), bids=60,
        price="capacity_price_eur_per_mw_per_h", header="CAPACITY_PRICE_[(EUR/MW)/h]",
        days=-1, at=time(9, 30),
    ),
    _Tender(
        market="CAPACITY", reserve_type="mFRR", directions=("NEG", "POS"), bids=40,
        price="capacity_price_eur_per_mw_per_h", header="CAPACITY_PRICE_[(EUR/MW)/h]",
        days=-1, at=time(10, 30),
    ),
    _Tender(
        market="ENERGY", reserve_type="aFRR", directions=("NEG", "POS"), bids=140,
        price="energy_price_eur_per_mwh", header="ENERGY_PRICE_[EUR/MWh]",
        days=1, at=time(10),
    ),
    _Tender(
        market="ENERGY", reserve_type="mFRR", directions=("NEG", "POS"), bids=70,
        price="energy_price_eur_per_mwh", header="ENERGY_PRICE_[EUR/MWh]",
        days=1, at=time(10, 5),
    ),
)  # fmt: skip


def bids(seed: int, tender: _Tender, day: date) -> pl.DataFrame:
    """Return the bids of a delivery day as rows of the source's table, by product and rank."""
    name = f"{tender.market} {tender.reserve_type} {day}"
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    products = tender.products(day)
    shape = (len(products), tender.bids)
    level = random.uniform(5, 60, (len(products), 1))
    prices = np.round(level + random.gamma(1.5, 40.0, shape), 2)
    offered = random.integers(1, 25, shape).astype(float)
    accepted = random.random(shape) < 0.6  # noqa: PLR2004 (so many are)
    drawn = pl.DataFrame(
        {
            "number": np.repeat(np.arange(len(products)), tender.bids),
            tender.price: prices.ravel(),
            "offered_mw": offered.ravel(),
            "allocated_mw": (offered * accepted).ravel(),
            "country": random.choice(_COUNTRIES, shape).ravel(),
        }
    )
    periods = pl.DataFrame(
        products, schema={"product": pl.String, "delivery_start": INSTANT, "delivery_end": INSTANT},
        orient="row",
    ).with_row_index("number")  # fmt: skip
    missing = [price for price in _PRICES if price != tender.price]
    pays = "GRID_TO_PROVIDER" if tender.market == "ENERGY" else None
    return (
        drawn.join(periods.cast({"number": pl.Int64}), on="number", maintain_order="left")
        .sort("number", tender.price, "offered_mw", "allocated_mw", "country")
        .with_columns(
            *(pl.lit(None, pl.Float64).alias(price) for price in missing),
            market=pl.lit(tender.market),
            reserve_type=pl.lit(tender.reserve_type),
            payment_direction=pl.lit(pays, pl.String),
            note=pl.lit(None, pl.String),
            bid_rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("number"),
        )
        .drop("number")
    )


def workbook(tender: _Tender, day: date, rows: pl.DataFrame, *, spoiled: bool = False) -> bytes:
    """Return bids as the provider's spreadsheet."""
    prices: list[float | str] = rows[tender.price].to_list()
    dates: dict[str, list[object]]
    if tender.market == "ENERGY":
        prices = [f"{price:.2f}".replace(".", ",") for price in prices]
        dates = {"DELIVERY_DATE": [(day - _EXCEL_DAY_0).days] * rows.height}
        pays = {"ENERGY_PRICE_PAYMENT_DIRECTION": rows["payment_direction"].to_list()}
    else:
        midnight = datetime.combine(day, time())
        dates = {name: [midnight] * rows.height for name in ("DATE_FROM", "DATE_TO")}
        pays = {}
    if spoiled:
        prices[-1] = "n/a"
    columns: dict[str, Sequence[object]] = {
        **dates,
        "TYPE_OF_RESERVES": rows["reserve_type"].to_list(),
        "PRODUCT": rows["product"].to_list(),
        tender.header: prices,
        **pays,
        "OFFERED_CAPACITY_[MW]": rows["offered_mw"].to_list(),
        "ALLOCATED_CAPACITY_[MW]": rows["allocated_mw"].to_list(),
        "COUNTRY": rows["country"].to_list(),
        "NOTE": [""] * rows.height,
    }
    if tender.reserve_type == "FCR":
        del columns["TYPE_OF_RESERVES"]
        columns["PRODUCTNAME"] = columns.pop("PRODUCT")
    return _xlsx(columns, day)


def _xlsx(columns: Mapping[str, Sequence[object]], day: date) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"default_date_format": "dd.mm.yyyy"}) as book:
        # Otherwise the bytes would differ each time, and clients would take them for news.
        book.set_properties({"created": datetime.combine(day, time())})
        sheet = book.add_worksheet("001")
        for number, (header, cells) in enumerate(columns.items()):
            sheet.write(0, number, header)
            sheet.write_column(1, number, cells)
    return file.getvalue()


class Regelleistung(HttpProvider):
    """The tendering platform of Germany's transmission system operators."""

    name = "regelleistung"
    models = frozenset({_SOURCE})
    hosts = ("https://www.regelleistung.net",)

    def __init__(self, world: World, *, tenders: Sequence[_Tender] = _TENDERS) -> None:
        super().__init__(world)
        self._tenders = tenders
        self._began: datetime | None
        self._reached: datetime | None
        self._began, self._reached = world.journal.market_times(_SOURCE) or (None, None)
        self._told: set[tuple[_Tender, date]] = set()
        self._workbook = lru_cache(_KEPT_WORKBOOKS)(self._written)
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(2.0, burst=40, speed=world.request_speed),
            server_error=partial(
                PlainTextResponse, "Internal Server Error", HTTPStatus.INTERNAL_SERVER_ERROR
            ),
            malformed=partial(HTMLResponse, "<html><body>Wartungsarbeiten</body></html>"),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return the lists of bids."""
        path = "/apps/cpp-publisher/api/v1/download/tenders/anonymousresults"
        return [Route(path, self.results)]

    async def run(self) -> None:
        """Journal each day's bids just before they appear, those of a break included."""
        clock = self._world.clock
        async for beat in beats(clock, self._world.beat, self._reached):
            self._began = self._began or beat
            for tender in self._tenders:
                for day in self._published(tender, beat):
                    await self._tell(tender, day, beat)
            self._reached = beat

    def _published(self, tender: _Tender, beat: datetime) -> list[date]:
        """Return the days whose bids have appeared since the last beat; at first, all asked for."""
        first = _first_day(self._reached or beat)
        days = [first + number * _DAY for number in range((beat.date() - first).days + 3)]
        since = self._reached or datetime.min.replace(tzinfo=UTC)
        return [day for day in days if since < tender.published_at(day) <= beat]

    async def _tell(self, tender: _Tender, day: date, at: datetime) -> None:
        """Journal a tender's bids for a day."""
        rows = await asyncio.to_thread(bids, self._world.seed, tender, day)
        self._world.journal.emit(_SOURCE, at, rows.to_dicts())

    async def _tell_of_the_past(self, tender: _Tender, day: date) -> None:
        """Journal the bids of a day before those that the journal began with, when asked for."""
        began, reached = self._began, self._reached
        if began and reached and day < _first_day(began) and (tender, day) not in self._told:
            self._told.add((tender, day))
            await self._tell(tender, day, reached)

    async def results(self, request: Request) -> Response:
        """Answer `/download/tenders/anonymousresults`."""
        params = request.query_params
        try:
            day = date.fromisoformat(params["date"])
            tender = self._tender(params["market"], params["productTypes"])
        except (KeyError, ValueError):
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if tender.published_at(day) > await self._last_beat():
            return await self._desk.answer(_SOURCE, partial(PlainTextResponse, status_code=404))
        await self._tell_of_the_past(tender, day)
        body = await asyncio.to_thread(self._workbook, tender, day)
        if tender.market == "CAPACITY" and self._desk.bad_row(_SOURCE):
            body = workbook(tender, day, bids(self._world.seed, tender, day), spoiled=True)
        return await self._desk.answer(_SOURCE, partial(_sheet, body))

    async def _last_beat(self) -> datetime:
        """Return the last beat, or the first one when it has come.

        Before the first beat there is nothing to show; a client that hears so of a past day would
        believe it.
        """
        while self._reached is None:
            await asyncio.sleep(_NAP_SECONDS)
        return self._reached

    def _tender(self, market: str, reserve_type: str) -> _Tender:
        for tender in self._tenders:
            if (tender.market, tender.reserve_type) == (market, reserve_type):
                return tender
        raise ValueError(f"there is no tender for {market} of {reserve_type}")

    def _written(self, tender: _Tender, day: date) -> bytes:
        return workbook(tender, day, bids(self._world.seed, tender, day))


PROVIDER: Final = Regelleistung


def _sheet(body: bytes) -> Response:
    return Response(body, media_type=_XLSX)


def _first_day(began: datetime) -> date:
    """Return the first day that a feed asks for when it starts."""
    return (began - _ASKED_BACK).astimezone(_ZONE).date()


def _on_the_clock(day: date, hour: int) -> datetime:
    """Return an hour of a local day; the 24th is the next day's first."""
    return datetime.combine(day + hour // 24 * _DAY, time(hour % 24), _ZONE).astimezone(UTC)
