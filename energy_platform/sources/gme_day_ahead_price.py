"""Prices of the Italian day-ahead market (MGP), zone by zone, from GME's FTP server."""

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.ftp import FtpFeed
from energy_platform.formats.gme import GME, is_whole, prices
from energy_platform.market.publication import DailyPublication
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_FOLLOWED: Final = timedelta(days=7)
_MARKET_ZONE: Final = "Europe/Rome"
_ZONES: Final = ("NORD", "CNOR", "CSUD", "SUD", "CALA", "SICI", "SARD", "PUN")
_DATE_CHARACTERS: Final = len("YYYYMMDD")


class ZonalPrice(DeliveryRows, lasting_as_in="market_time_unit"):
    """The price of one delivery period in one zone, an hour or a quarter-hour."""

    market: str = pa.Field(isin=["MGP"], description="GME's market: the day-ahead one")
    bidding_zone: str = pa.Field(
        str_matches=r"^\w+$", description="Zone as GME writes it; PUN is the national price"
    )
    market_time_unit: str = pa.Field(description="Length of the period: PT15M, PT30M or PT60M")
    price_eur_per_mwh: float = pa.Field(
        in_range={"min_value": -1_000.0, "max_value": 10_000.0}, description="Day-ahead price"
    )


def is_current(name: str, now: datetime) -> bool:
    """Return whether a file is of the last days; the folder keeps one file per day for years."""
    try:
        day = date.fromisoformat(name[:_DATE_CHARACTERS])
    except ValueError:
        return False
    return day >= now.astimezone(ZoneInfo(_MARKET_ZONE)).date() - _FOLLOWED


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Read one day's file; a file with which GME replaces it supersedes it."""
    return prices(message.body)


GME_DAY_AHEAD_PRICE: Final = MarketSource(
    name="gme_day_ahead_price",
    provider=GME,
    group=MarketGroup.AUCTIONS,
    description="Day-ahead prices of Italy's zones and borders, and the national price PUN.",
    feed=FtpFeed(
        provider=GME,
        url="ftps://download.ipex.it/MercatiElettrici/MGP_Prezzi/",
        pattern="*MGPPrezzi*.xml",
        is_current=is_current,
        is_complete=is_whole,
        username="GME_FTP_USERNAME",
        password="GME_FTP_PASSWORD",  # noqa: S106 (the variable's name)
        every=timedelta(minutes=2),
    ),
    parse=parse,
    rows=ZonalPrice,
    key=("market", "bidding_zone", "market_time_unit", "delivery_start"),
    vocabularies={"bidding_zone": _ZONES},
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    publication=DailyPublication(at=time(13, 0), zone=_MARKET_ZONE),
    terms="GME's data for its registered users' own use; publication needs GME's consent",
    required_environment=("GME_FTP_USERNAME", "GME_FTP_PASSWORD"),
)
