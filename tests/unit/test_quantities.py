"""Every column of every source and mart has a kind of quantity, once."""

from collections.abc import Mapping

import pandera.polars as pa
import polars as pl
import pytest

from energy_platform.errors import SourceDefinitionError
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.quantity import Quantity, quantity_of
from energy_platform.market.registry import market_sources
from energy_platform.market.rows import InstantRows
from energy_platform.market.source import MarketSource
from energy_platform.marts.catalogue import marts
from tests.unit.test_history import source as a_source

TABLES: Mapping[str, tuple[ColumnInfo, ...]] = {
    **{name: source.columns for name, source in market_sources().items()},
    **{name: mart.columns for name, mart in marts().items()},
}


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_a_kind_that_fits_its_type_and_unit(name: str) -> None:
    for column in TABLES[name]:
        kind = column.quantity
        assert isinstance(kind, Quantity)
        assert (kind is Quantity.LABEL) == (column.type == "String")
        assert (kind is Quantity.FLAG) == (column.type == "Boolean")
        assert (kind is Quantity.TIME) == column.type.startswith("Datetime")
        assert column.unit not in PRICES or kind in {Quantity.PRICE, *KINDS_OF_BARS}
        assert column.unit not in {"MWh", "GWh"} or kind is Quantity.ENERGY
        assert kind not in {Quantity.MEAN_POWER, Quantity.VOLUME} or column.unit in POWERS


PRICES = {"EUR/MWh", "GBP/MWh", "EUR/MW/h"}
KINDS_OF_BARS = {Quantity.OPENING, Quantity.LEVEL, Quantity.MAXIMUM, Quantity.MINIMUM}
POWERS = {"MW", "kWh/h", "kWh/d", "GWh/d"}


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("entsoe_day_ahead_price", "price_eur_per_mwh", Quantity.PRICE),
        ("entsoe_load", "load_mw", Quantity.MEAN_POWER),
        ("smard_generation", "generation_mwh", Quantity.ENERGY),
        ("agsi_storage", "gas_in_storage_twh", Quantity.LEVEL),
        ("agsi_storage", "injection_gwh_per_d", Quantity.MEAN_POWER),
        ("gas_balance", "full_pct", Quantity.LEVEL),
        ("energy_charts_generation", "share_pct", Quantity.MEAN),
        ("elexon_frequency", "frequency_hz", Quantity.INSTANT),
        ("met_office_forecast", "shortwave_radiation_w_per_m2", Quantity.INSTANT),
        ("open_meteo_forecast", "shortwave_radiation_w_per_m2", Quantity.MEAN),
        ("open_meteo_forecast", "wind_gusts_10m_m_per_s", Quantity.MAXIMUM),
        ("dwd_mosmix_forecast", "global_radiation_kj_per_m2", Quantity.AMOUNT),
        ("dwd_mosmix_forecast", "station_height_m", Quantity.PLACE),
        ("dwd_wind_observation", "gust_direction_deg", Quantity.DIRECTION),
        ("nord_pool_intraday_trade", "volume_mw", Quantity.VOLUME),
        ("intraday_bar", "trade_count", Quantity.COUNT),
        ("intraday_bar", "open_price_eur_per_mwh", Quantity.OPENING),
        ("intraday_bar", "low_price_eur_per_mwh", Quantity.MINIMUM),
        ("regelleistung_tender", "capacity_price_eur_per_mw", Quantity.AMOUNT),
        ("regelleistung_tender", "bid_rank", Quantity.NUMBER),
    ],
)
def test_kinds(table: str, column: str, kind: Quantity) -> None:
    assert {one.name: one.quantity for one in TABLES[table]}[column] is kind


class Storage(InstantRows):
    """Gas, whose unit is that of a level and of an amount."""

    gas_twh: float = pa.Field(description="Gas")


def gas(**said: object) -> MarketSource:
    return a_source(rows=Storage, key=("observed_at",), **said)


def test_a_column_that_leaves_its_kind_open_is_refused_until_it_is_declared() -> None:
    with pytest.raises(SourceDefinitionError, match=r"quantities: 'gas_twh' may be of several"):
        gas()
    assert gas(quantities={"gas_twh": Quantity.LEVEL}).kinds["gas_twh"] is Quantity.LEVEL
    with pytest.raises(SourceDefinitionError, match="quantities: 'oil_twh' is no column"):
        gas(quantities={"gas_twh": Quantity.LEVEL, "oil_twh": Quantity.LEVEL})


def test_a_number_without_a_unit_has_no_kind() -> None:
    assert quantity_of("spread", pl.Float64(), of_periods=True) is None
