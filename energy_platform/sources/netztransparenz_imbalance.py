"""Germany's imbalance: NRV-Saldo, the control areas' balances, reBAP and its estimate."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from energy_platform.feeds.access_token import ClientCredentialsGrant
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.formats import netztransparenz as nt
from energy_platform.market.publication import AfterEvent, Where
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows
from energy_platform.market.source import MarketGroup, MarketSource, each_message

_VALUE: dict[str, Any] = {"in_range": {"min_value": -1e5, "max_value": 1e5}, "nullable": True}
_TOKENS = ClientCredentialsGrant(
    url=nt.TOKEN_URL,
    scope="ntpStatistic.read_all_public",
    client_id="NETZTRANSPARENZ_CLIENT_ID",
    client_secret="NETZTRANSPARENZ_CLIENT_SECRET",  # noqa: S106 (a variable's name)
)


class Imbalance(DeliveryRows, lasting="PT15M"):
    """One value of a quarter of an hour: a power or a price, according to its product."""

    product: str = pa.Field(description="NRV-Saldo, RZ-Saldo, reBAP or AEP-Schätzer")
    quality: str = pa.Field(isin=[*nt.QUALITIES.values()], description="How far checked")
    series: str = pa.Field(description="Area or price, e.g. Deutschland or reBAP unterdeckt")
    power_mw: float = pa.Field(**_VALUE, description="Mean power; positive where short")
    price_eur_per_mwh: float = pa.Field(**_VALUE, description="Price of balancing energy")


def requests(start: datetime, end: datetime) -> Sequence[RestRequest]:
    """Ask for operational values, and for quality-assured ones of the weeks before."""
    return [RestRequest(url=url, context={"product": p}) for p, url in nt.questions(start, end)]


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Return one row per value; a layout without a product is of the one that was asked for."""
    is_price = pl.col("unit") == "EUR/MWh"
    return nt.told_series(message, units=("MW", "EUR/MWh")).select(
        pl.col("delivery_start", "delivery_end", "product", "quality", "series", "refused"),
        power_mw=pl.when(~is_price).then("value"),
        price_eur_per_mwh=pl.when(is_price).then("value"),
    )


NETZTRANSPARENZ_IMBALANCE = MarketSource(
    name="netztransparenz_imbalance",
    provider=nt.NETZTRANSPARENZ,
    group=MarketGroup.GRID,
    description="Germany's system balance (NRV-Saldo) and imbalance price (reBAP), with estimates.",
    feed=RestFeed(
        provider=nt.NETZTRANSPARENZ,
        requests=requests,
        every=timedelta(minutes=5),
        span=timedelta(days=2),
        overlap=timedelta(days=1),
        history_chunk=timedelta(days=31),
        absent=nt.NOTHING_YET,
        answers=nt.ANSWER,
        tokens=_TOKENS,
    ),
    parse=parse,
    rows=Imbalance,
    key=("product", "quality", "series", "delivery_start"),
    vocabularies=nt.VOCABULARIES,
    event_time="delivery_start",
    expected_lag=timedelta(hours=1),
    knowable=(Where("quality", "operational", AfterEvent(timedelta(hours=1))),),
    terms="Free account; not to be published",
    context={"product": "NrvSaldo/NRVSaldo/Betrieblich"},
    layouts_by=("product",),
    required_environment=_TOKENS.required_environment,
)
