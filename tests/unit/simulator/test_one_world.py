"""Simulated providers that tell of the same thing say the same, each in its own form.

All are run in one world, on the eve of the day of 25 hours; what they say is in its journal.
"""

import asyncio
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import polars as pl
import pytest

from energy_platform.history.revisions import latest_revision
from energy_platform.market.registry import market_source
from simulator.journal import Journal
from simulator.providers import (
    ceps,
    elexon,
    energy_charts,
    entsoe,
    gme,
    netztransparenz,
    ote,
    smard,
)
from simulator.server import running
from tests.support.comparison import journalled_rows
from tests.support.feeds import a_world

EVE: Final = datetime(2026, 10, 24, 18, tzinfo=UTC)
QUARTER: Final = timedelta(minutes=15)
TOLD: Final = {
    ceps: ("ceps_load", "ceps_generation", "ceps_imbalance"),
    elexon: ("elexon_generation", "elexon_system_price"),
    energy_charts: ("energy_charts_price", "energy_charts_generation"),
    entsoe: (
        "entsoe_day_ahead_price",
        "entsoe_generation",
        "entsoe_load",
        "entsoe_cross_border_flow",
        "entsoe_scheduled_exchange",
    ),
    gme: ("gme_day_ahead_price",),
    netztransparenz: ("netztransparenz_imbalance",),
    ote: ("ote_day_ahead_price", "ote_intraday_price"),
    smard: ("smard_price", "smard_generation"),
}
PRICES: Final = {
    "smard_price": pl.lit(value=True),
    "energy_charts_price": pl.lit(value=True),
    "entsoe_day_ahead_price": pl.col("auction_sequence") == 1,
    "ote_day_ahead_price": pl.lit(value=True),
    "gme_day_ahead_price": pl.col("market_time_unit") == "PT15M",
}
"""Who has prices of the coupled auction, and which of its rows."""
GME_ZONES: Final = {
    "AUST": "AT", "CALA": "IT-Calabria", "CNOR": "IT-Centre-North", "CSUD": "IT-Centre-South",
    "FRAN": "FR", "GREC": "GR", "NORD": "IT-North", "SARD": "IT-Sardinia", "SICI": "IT-Sicily",
    "SLOV": "SI", "SUD": "IT-South", "SVIZ": "CH",
}  # fmt: skip
GERMANY: Final = {
    "lignite": (["Fossil Brown coal/Lignite"], ["Fossil brown coal / lignite"]),
    "hard coal": (["Fossil Hard coal"], ["Fossil hard coal"]),
    "gas": (["Fossil Gas"], ["Fossil gas"]),
    "hydro": (
        ["Hydro Run-of-river and pondage", "Hydro Water Reservoir"],
        ["Hydro Run-of-River", "Hydro water reservoir"],
    ),
    "other conventional": (
        ["Fossil Coal-derived gas", "Fossil Oil", "Waste", "Other"],
        ["Fossil coal-derived gas", "Fossil oil", "Waste", "Others"],
    ),
    "other renewable": (["Geothermal"], ["Geothermal"]),
    "biomass": (["Biomass"], ["Biomass"]),
    "pumped storage": (["Hydro Pumped Storage"], ["Hydro pumped storage"]),
    "photovoltaics": (["Solar"], ["Solar"]),
    "wind offshore": (["Wind Offshore"], ["Wind offshore"]),
    "wind onshore": (["Wind Onshore"], ["Wind onshore"]),
}
"""SMARD's types, and what ENTSO-E and Energy-Charts have of each."""


async def _told(folder_journal: Journal, world_client: httpx.AsyncClient) -> None:
    """Wait until every source has said something; public power begins when it is asked for."""
    reply = await world_client.get("/energy_charts/public_power", params={"country": "de"})
    assert reply.status_code in {200, 404}
    waited_for = {name for names in TOLD.values() for name in names}
    async with asyncio.timeout(300):
        while waited_for:
            await asyncio.sleep(0.2)
            waited_for = {name for name in waited_for if not folder_journal.market_times(name)}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, pl.DataFrame]:
    """Return the latest row of every key of every source."""
    world = a_world(tmp_path_factory.mktemp("world"), origin=EVE)

    async def run() -> None:
        async with (
            running(world, [provider.PROVIDER for provider in TOLD]),
            httpx.AsyncClient(base_url=world.url, timeout=60) as client,
        ):
            await _told(world.journal, client)

    asyncio.run(run())
    sources = [market_source(name) for names in TOLD.values() for name in names]
    return {
        source.name: latest_revision(
            journalled_rows(source, world.journal).lazy(), source
        ).collect()
        for source in sources
    }


def furthest(rows: pl.DataFrame, one: str, other: str) -> float:
    """Return how far apart two columns are at most."""
    return float(rows.select((pl.col(one) - pl.col(other)).abs().max()).item())


def quarter_hours(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of any delivery periods as one row for each quarter-hour in them."""
    starts = pl.datetime_ranges("delivery_start", "delivery_end", interval=QUARTER, closed="left")
    return rows.with_columns(quarter=starts).explode("quarter")


def prices(told: Mapping[str, pl.DataFrame], source: str) -> pl.DataFrame:
    rows = told[source].filter(PRICES[source])
    if source == "ote_day_ahead_price":
        rows = rows.with_columns(bidding_zone=pl.lit("CZ"))
    if source == "gme_day_ahead_price":
        rows = rows.with_columns(pl.col("bidding_zone").replace(GME_ZONES))
    return quarter_hours(rows).select("bidding_zone", "quarter", "price_eur_per_mwh")


@pytest.mark.parametrize(
    ("one", "other", "zones"),
    [
        ("smard_price", "entsoe_day_ahead_price", 14),
        ("smard_price", "energy_charts_price", 10),
        ("energy_charts_price", "entsoe_day_ahead_price", 10),
        ("ote_day_ahead_price", "entsoe_day_ahead_price", 1),
        ("ote_day_ahead_price", "smard_price", 1),
        ("gme_day_ahead_price", "entsoe_day_ahead_price", 12),
        ("gme_day_ahead_price", "smard_price", 5),
    ],
)
def test_the_price_of_an_auction_is_the_same_wherever_it_is_told(
    told: Mapping[str, pl.DataFrame], one: str, other: str, zones: int
) -> None:
    both = prices(told, one).join(
        prices(told, other), on=["bidding_zone", "quarter"], suffix="_there"
    )
    assert both["bidding_zone"].n_unique() == zones
    counts = both.group_by("bidding_zone").len()["len"].to_list()
    assert min(counts) >= 96 + 100, "today and tomorrow"
    assert furthest(both, "price_eur_per_mwh", "price_eur_per_mwh_there") < 0.011
    assert len(set(both["price_eur_per_mwh"])) > 96 * zones


def test_pairs_of_providers_are_all_compared(told: Mapping[str, pl.DataFrame]) -> None:
    """Of each pair that shares a zone, by the same measure as above."""
    for one, other in itertools.combinations(PRICES, 2):
        both = prices(told, one).join(prices(told, other), on=["bidding_zone", "quarter"])
        if not both.is_empty():
            apart = furthest(both, "price_eur_per_mwh", "price_eur_per_mwh_right")
            assert apart < 0.011, (one, other)


def settled(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out the hours in which there are estimates."""
    return rows.filter(pl.col("delivery_start") < EVE - timedelta(hours=9))


def summed(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    wanted = settled(rows).filter(pl.col("production_type").is_in(names))
    return wanted.group_by("delivery_start").agg(pl.col("power_mw").sum(), kinds=pl.len())


@pytest.mark.parametrize("production_type", GERMANY)
def test_germany_generates_the_same_for_all_who_tell_of_it(
    told: Mapping[str, pl.DataFrame], production_type: str
) -> None:
    names, names_there = GERMANY[production_type]
    made = settled(told["smard_generation"]).filter(production_type=production_type)
    entsoe_rows = told["entsoe_generation"].filter(bidding_zone="DE-LU", direction="generation")
    charts = told["energy_charts_generation"].filter(country="de")
    for rows, kinds in ((entsoe_rows, names), (charts, names_there)):
        both = made.join(summed(rows, kinds), on="delivery_start")
        assert both.height >= 8
        assert set(both["kinds"]) == {len(kinds)}
        in_mw = both.with_columns(made_mw=pl.col("generation_mwh") * 4)
        assert furthest(in_mw, "made_mw", "power_mw") < 0.05


def test_the_czech_grid_is_the_same_for_all_who_tell_of_it(
    told: Mapping[str, pl.DataFrame],
) -> None:
    load = settled(told["ceps_load"]).select("delivery_start", "load_mw")
    there = told["entsoe_load"].filter(bidding_zone="CZ").select("delivery_start", other="load_mw")
    charts = told["energy_charts_generation"].filter(country="cz", production_type="Load")
    for rows, rounded in ((there, 0.51), (charts.rename({"power_mw": "other"}), 0.011)):
        both = load.join(rows, on="delivery_start")
        assert both.height >= 8
        assert furthest(both, "load_mw", "other") < rounded
    nuclear = settled(told["ceps_generation"]).filter(production_type="nuclear")
    plants = told["entsoe_generation"].filter(bidding_zone="CZ", direction="generation")
    both = nuclear.join(summed(plants, ["Nuclear"]), on="delivery_start")
    assert both.height >= 8
    assert furthest(both, "generation_mw", "power_mw") < 0.011


def test_what_germany_trades_is_the_sum_of_its_schedules(
    told: Mapping[str, pl.DataFrame],
) -> None:
    scheduled = told["entsoe_scheduled_exchange"]
    into = (
        pl.when(pl.col("to_zone") == "DE-LU").then(1).when(pl.col("from_zone") == "DE-LU").then(-1)
    )
    net = (
        scheduled.with_columns(net=into * pl.col("exchange_mw"))
        .drop_nulls("net")
        .group_by("delivery_start")
        .agg(pl.col("net").sum())
    )
    traded = settled(told["energy_charts_generation"]).filter(
        country="de", production_type="Cross border electricity trading"
    )
    both = traded.join(net, on="delivery_start")
    assert both.height >= 8
    assert furthest(both, "power_mw", "net") < 0.2


def test_residual_load_and_balance_add_up(told: Mapping[str, pl.DataFrame]) -> None:
    power = (
        settled(told["energy_charts_generation"])
        .filter(country="de")
        .pivot("production_type", index="delivery_start", values="power_mw")
    )
    not_supply = ("Load", "Residual load", "delivery_start")
    sums = power.with_columns(
        left=pl.col("Load") - pl.sum_horizontal("Wind onshore", "Wind offshore", "Solar"),
        supply=pl.sum_horizontal(pl.exclude(*not_supply)),
    )
    assert furthest(sums, "left", "Residual load") < 0.05
    assert furthest(sums, "supply", "Load") < 1_500, "generation, trade and storage cover the load"


def test_a_cable_carries_what_the_border_does(told: Mapping[str, pl.DataFrame]) -> None:
    flows = told["entsoe_cross_border_flow"].filter(
        pl.col("from_zone").is_in(["NL", "GB"]) & pl.col("to_zone").is_in(["NL", "GB"])
    )
    imported = pl.when(pl.col("to_zone") == "GB").then(1).otherwise(-1) * pl.col("flow_mw")
    net = flows.group_by(hour="delivery_start").agg(net=imported.sum())
    cable = told["elexon_generation"].filter(fuel_type="INTNED")
    both = settled_at(cable).join(net, on="hour")
    assert both.height >= 12
    assert furthest(both, "generation_mw", "net") < 0.52


def settled_at(cable: pl.DataFrame) -> pl.DataFrame:
    """Return a cable's rows beside the hours that they are in, without the newest."""
    old = cable.filter(pl.col("delivery_start") < EVE - timedelta(hours=4))
    return old.with_columns(hour=pl.col("delivery_start").dt.truncate("1h"))


def test_the_areas_of_germany_add_up_to_its_balance(told: Mapping[str, pl.DataFrame]) -> None:
    rows = told["netztransparenz_imbalance"].filter(
        pl.col("power_mw").is_not_null()
        & (pl.col("delivery_start") < EVE - timedelta(hours=3))
        & (pl.col("quality") == "operational")
    )
    whole = rows.filter(product="NRV-Saldo").select("delivery_start", "power_mw")
    areas = (
        rows.filter(product="RZ-Saldo")
        .group_by("delivery_start")
        .agg(parts=pl.col("power_mw").sum())
    )
    both = whole.join(areas, on="delivery_start")
    assert both.height > 96
    assert furthest(both, "power_mw", "parts") < 0.03


def test_intraday_hangs_about_the_auction_and_imbalance_about_intraday(
    told: Mapping[str, pl.DataFrame],
) -> None:
    auction = told["ote_day_ahead_price"].select("delivery_start", auction="price_eur_per_mwh")
    traded = told["ote_intraday_price"].join(auction, on="delivery_start")
    assert traded.height > 90
    assert 0 < furthest(traded, "price_eur_per_mwh", "auction") < 60
    imbalance = told["netztransparenz_imbalance"].filter(pl.col("series") == "AEP-Schätzer")
    german = prices(told, "smard_price").filter(bidding_zone="DE-LU")
    paid = imbalance.select("price_eur_per_mwh", quarter="delivery_start").join(
        german, on="quarter", suffix="_auction"
    )
    assert paid.height > 96
    assert 20 < furthest(paid, "price_eur_per_mwh", "price_eur_per_mwh_auction") < 500
