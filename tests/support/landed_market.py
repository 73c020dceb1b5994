"""Two market days, the longer one of autumn among them, landed row by row through micro-batches.

The rows are made up. They go the whole way of a payload except its format: they land as messages,
are checked, compared with known rows, and committed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final

import polars as pl

from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.market.source import MarketSource, each_message
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.pipeline.micro_batch import MicroBatches

FIRST = datetime(2026, 10, 23, 22, tzinfo=UTC)
"""Midnight in Berlin, at which a day of 24 hours begins; the 25-hour day and one more follow."""
LAST = datetime(2026, 10, 26, 23, tzinfo=UTC)
_QUARTER = timedelta(minutes=15)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


@each_message
def read_ipc(message: RawMessage) -> pl.DataFrame:
    """Return the rows that are a message's body."""
    return pl.read_ipc(BytesIO(message.body))


@dataclass(frozen=True)
class Landing:
    """Rows of one source that arrive together."""

    source: str
    received_at: datetime
    rows: pl.DataFrame


def land(batches: MicroBatches, landings: Iterable[Landing]) -> None:
    """Land messages in the order of receipt, and process them."""
    for each in sorted(landings, key=lambda landing: landing.received_at):
        report = batches.run(landed(batches, each))
        assert report.quarantined.is_empty(), report.quarantined["reason"].to_list()


def landed(batches: MicroBatches, each: Landing) -> MarketSource:
    """Land a message, and return its source with a parser that reads it."""
    source = market_source(each.source)
    body = BytesIO()
    dtypes = {
        name: dtype for name, dtype in source.dtypes.items() if name not in PROVENANCE_COLUMNS
    }
    lacking = [pl.lit(None).alias(name) for name in dtypes if name not in each.rows.columns]
    each.rows.with_columns(lacking).select(
        pl.col(name).cast(dtype) for name, dtype in dtypes.items()
    ).write_ipc(body)
    message = RawMessage(body=body.getvalue(), received_at=each.received_at, landing_offset=0)
    batches.landing.guest(source.name).append([message])
    return replace(source, parse=read_ipc)


def periods(
    start: datetime = FIRST, end: datetime = LAST, step: timedelta = _QUARTER
) -> pl.DataFrame:
    """Return delivery periods, and `n`, the number of each."""
    starts = pl.datetime_range(start, end, step, closed="left", eager=True).cast(INSTANT)
    return pl.DataFrame({"delivery_start": starts}).select(
        "delivery_start",
        delivery_end=pl.col("delivery_start") + step,
        n=pl.int_range(pl.len()).cast(pl.Float64),
    )


def the_market() -> Iterator[Landing]:
    """Yield the rows of the marts' sources for these days, revisions among them."""
    yield from _prices()
    yield from _grid()
    yield from _trades()
    yield from _imbalances()
    yield from _gas()
    yield from _weather()


def late_revisions() -> Iterator[Landing]:
    """Yield rows that come days later: changed values, filled gaps, a cancelled trade."""
    late = LAST + 3 * _DAY
    hour = periods(FIRST + 30 * _HOUR, FIRST + 31 * _HOUR)
    yield Landing(
        "entsoe_load",
        late,
        hour.select(
            pl.exclude("n"), bidding_zone=pl.lit("DE-LU"), resolution=pl.lit("PT15M"), load_mw=1.0
        ),
    )
    yield Landing(
        "energy_charts_price",
        late + timedelta(minutes=1),
        hour.select(pl.exclude("n"), bidding_zone=pl.lit("DE-LU"), price_eur_per_mwh=-77.0),
    )
    yield Landing(
        "entsoe_wind_solar_forecast",
        late + timedelta(minutes=2),
        periods(LAST, LAST + _HOUR).select(
            pl.exclude("n"),
            bidding_zone=pl.lit("DE-LU"),
            production_type=pl.lit("Solar"),
            forecast=pl.lit("Current"),
            resolution=pl.lit("PT15M"),
            power_mw=5.0,
        ),
    )
    first_trade = _trade_legs().filter(trade_id="0")
    yield Landing(
        "nord_pool_intraday_trade",
        late + timedelta(minutes=3),
        first_trade.with_columns(revision_no=2, state=pl.lit("CANCELLED")),
    )
    yield Landing(
        "nord_pool_intraday_contract",
        late + timedelta(minutes=3),
        _contracts().filter(_NAMED_LATE),
    )
    # A trade whose time is corrected to another day leaves its earlier bar.
    moved = _trade_legs().filter(trade_id="9")
    yield Landing(
        "nord_pool_intraday_trade",
        late + timedelta(minutes=4),
        moved.with_columns(pl.col("observed_at") - _DAY, revision_no=2),
    )
    yield Landing(
        "agsi_storage",
        late + timedelta(minutes=5),
        _gas_days(1).with_columns(status=pl.lit("C"), gas_in_storage_twh=118.25),
    )
    yield Landing(
        "ceps_imbalance",
        late + timedelta(minutes=6),
        periods(FIRST + _HOUR, FIRST + 2 * _HOUR, timedelta(minutes=1)).select(
            pl.exclude("n"), system_imbalance_mw=33.0
        ),
    )


def _prices() -> Iterator[Landing]:
    for day in range(3):
        start, end = _local_day(day)
        quarters, hours = periods(start, end), periods(start, end, _HOUR)
        noon = start - 11 * _HOUR
        zones = pl.DataFrame({"bidding_zone": ["DE-LU", "AT", "FR"], "more": [0.0, 4.5, -3.25]})
        price = (pl.col("n") % 17 * 3.25 + pl.col("more") + 10 * day).alias("price_eur_per_mwh")
        of_zones = quarters.join(zones, how="cross").with_columns(price)
        yield Landing("energy_charts_price", noon, of_zones.drop("n", "more"))
        entsoe = of_zones.with_columns(auction_sequence=1, resolution=pl.lit("PT15M"))
        exaa = hours.join(zones.head(1), how="cross").with_columns(
            price + 1, auction_sequence=2, resolution=pl.lit("PT60M")
        )
        yield Landing(
            "entsoe_day_ahead_price",
            noon + timedelta(minutes=2),
            pl.concat([entsoe, exaa], how="diagonal").drop("n", "more"),
        )
        of_hours = hours.select(pl.exclude("n"), price_eur_per_mwh=pl.col("n") * 2.5)
        yield Landing("ote_day_ahead_price", noon + timedelta(minutes=3), of_hours)
        yield Landing(
            "gme_day_ahead_price",
            noon + timedelta(minutes=4),
            of_hours.join(
                pl.DataFrame({"bidding_zone": ["PUN", "NORD", "AUST"]}), how="cross"
            ).with_columns(market=pl.lit("MGP"), market_time_unit=pl.lit("PT60M")),
        )
        yield Landing(
            "smard_price",
            noon + timedelta(hours=1),
            of_zones.filter(pl.col("bidding_zone") != "FR").with_columns(
                price_eur_per_mwh=pl.when(pl.col("n") != 5).then("price_eur_per_mwh")
            ).drop("n", "more"),
        )  # fmt: skip


def _grid() -> Iterator[Landing]:
    types = pl.DataFrame(
        {"production_type": ["Solar", "Wind Onshore", "Wind Offshore"], "share": [1.0, 2.0, 0.5]}
    )
    zone, quarterly = pl.lit("DE-LU").alias("bidding_zone"), pl.lit("PT15M").alias("resolution")
    for day in range(3):
        start, end = _local_day(day)
        quarters = periods(start, end).with_columns(zone, quarterly)
        forecast = quarters.select(pl.exclude("n"), load_mw=50_000 + pl.col("n") * 11.5)
        yield Landing("entsoe_load_forecast", start - 14 * _HOUR, forecast)
        # Higher than the value known at gate closure: it must not reach the features.
        better = forecast.with_columns(pl.col("load_mw") + 250)
        yield Landing("entsoe_load_forecast", start - 8 * _HOUR, better)
        of_types = quarters.join(types, how="cross").with_columns(
            power_mw=pl.col("n") % 29 * 100 * pl.col("share")
        )
        for kind, received_at, more in (
            ("Day ahead", start - 13 * _HOUR, 0.0),
            ("Day ahead", start - 4 * _HOUR, 40.0),
            ("Intraday", start + 8 * _HOUR, 15.0),
            ("Current", start + 12 * _HOUR, -5.0),
        ):
            said = of_types.with_columns(pl.col("power_mw") + more, forecast=pl.lit(kind))
            yield Landing("entsoe_wind_solar_forecast", received_at, said.drop("n", "share"))
        hourly = periods(start, end, _HOUR).select(
            pl.exclude("n"), zone, load_mw=51_000 + pl.col("n") * 40, resolution=pl.lit("PT60M")
        )
        yield Landing("entsoe_load", end + _HOUR, hourly)
        measured = quarters.select(pl.exclude("n"), load_mw=50_500 + pl.col("n") * 12)
        yield Landing("entsoe_load", end + 2 * _HOUR, measured.head(80))
        generation = of_types.with_columns(
            pl.col("power_mw") * 0.95, direction=pl.lit("generation")
        ).filter((pl.col("n") != 7) | (pl.col("production_type") != "Solar"))
        yield Landing("entsoe_generation", end + 2 * _HOUR, generation.drop("n", "share"))
        flows = quarters.select("delivery_start", "delivery_end", "resolution", "n").join(
            pl.DataFrame({"from_zone": ["DE-LU", "AT", "DE-LU"], "to_zone": ["AT", "DE-LU", "PL"]}),
            how="cross",
        )
        yield Landing(
            "entsoe_cross_border_flow",
            end + 3 * _HOUR,
            flows.with_columns(
                flow_mw=pl.when(from_zone="AT").then(120.0).otherwise(pl.col("n") * 10)
            ).drop("n"),
        )
        schedules = flows.with_columns(
            contract=pl.lit("Total"),
            exchange_mw=pl.when(from_zone="AT").then(0.0).otherwise(pl.col("n") * 8),
        ).drop("n")
        yield Landing("entsoe_scheduled_exchange", start - 9 * _HOUR, schedules)
        exchange = periods(start, end, _HOUR).join(
            pl.DataFrame({"border": ["AT_DE", "DE_AT", "ALBE_ALDE"]}), how="cross"
        )
        yield Landing(
            "jao_max_exchange",
            start - 13 * _HOUR,
            exchange.select(pl.exclude("n"), max_exchange_mw=2_000 + pl.col("n")),
        )


_CONTRACT: Final = pl.format("NX_{}", pl.col("delivery_start").dt.epoch("s") // 900)
_NAMED_LATE: Final = _CONTRACT.eq(f"NX_{int((FIRST + 2 * _HOUR).timestamp()) // 900}")
"""The contract of the first trades, of which the exchange tells late."""


def _contracts() -> pl.DataFrame:
    """Return the contracts that are traded, in two delivery areas; nothing reads their names."""
    delivery = periods(FIRST, LAST + _DAY)
    return delivery.join(pl.DataFrame({"delivery_area_id": ["22", "24"]}), how="cross").select(
        pl.exclude("n"),
        contract_id=_CONTRACT,
        contract_name=pl.format("Contract {}", pl.col("n").cast(pl.Int64)),
        product_type=pl.lit("P15MIN"),
        duration_s=900.0,
        updated_at=pl.col("delivery_start") - _DAY,
        opens_at=pl.col("delivery_start") - _DAY,
        closes_at=pl.col("delivery_start") - timedelta(minutes=5),
        state=pl.lit("ACTI"),
        deleted=pl.lit(value=False),
    )


def _trade_legs() -> pl.DataFrame:
    number = pl.col("number")
    trades = pl.DataFrame({"number": range(600)}).select(
        "number", observed_at=(FIRST + pl.duration(minutes=7) * number).cast(INSTANT)
    )
    legs = trades.with_columns(
        delivery_start=pl.col("observed_at").dt.truncate(_QUARTER)
        + 2 * _HOUR
        + _QUARTER * (number % 3)
    ).join(pl.DataFrame({"side": ["BUY", "SELL"], "delivery_area_id": ["22", "24"]}), how="cross")
    return legs.select(
        "side",
        "delivery_area_id",
        "observed_at",
        trade_id=number.cast(pl.String),
        contract_id=_CONTRACT,
        contract_name=pl.lit("Contract"),
        revision_no=pl.lit(1),
        state=pl.when(number % 50 == 49).then(pl.lit("CANCELLED")).otherwise(pl.lit("COMPLETED")),
        price_eur_per_mwh=pl.when(number % 40 != 39).then(number % 31 * 4.0 - 20),
        price_gbp_per_mwh=pl.when(number % 40 == 39).then(60.0),
        volume_mw=0.1 + number % 5,
        is_aggressor=pl.col("side") == "BUY",
        deleted=pl.lit(value=False),
    )


def _trades() -> Iterator[Landing]:
    yield Landing("nord_pool_intraday_contract", FIRST, _contracts().filter(~_NAMED_LATE))
    legs = _trade_legs()
    for part, rows in enumerate(legs.iter_slices(400)):
        received_at = rows["observed_at"].to_list()[-1] + timedelta(seconds=1)
        # The other leg of some trades is in another market, and is not shown.
        shown = rows.filter(
            (pl.col("side") == "SELL") | (pl.col("trade_id") != str(part * 200 + 4))
        )
        yield Landing("nord_pool_intraday_trade", received_at, shown)
    yield Landing(
        "ote_intraday_price",
        LAST,
        periods().select(
            pl.exclude("n"),
            price_eur_per_mwh=pl.when(pl.col("n") % 13 != 0).then(pl.col("n") * 0.5),
            volume_mwh=pl.col("n") % 13,
        ),
    )


def _imbalances() -> Iterator[Landing]:
    for day in range(3):
        start, end = _local_day(day)
        quarters = periods(start, end)
        german = quarters.select(
            pl.exclude("n"),
            product=pl.lit("NRV-Saldo"),
            quality=pl.lit("operational"),
            series=pl.lit("Deutschland"),
            power_mw=(pl.col("n") - 48) * 10,
        )
        yield Landing("netztransparenz_imbalance", end + timedelta(minutes=15), german)
        assured = german.head(20).with_columns(
            pl.col("power_mw") + 3, quality=pl.lit("quality_assured")
        )
        prices = pl.concat(
            quarters.select(
                pl.exclude("n"),
                product=pl.lit("reBAP"),
                quality=pl.lit("quality_assured"),
                series=pl.lit(series),
                price_eur_per_mwh=pl.col("n") * 2 - 50,
            )
            for series in ("reBAP unterdeckt", "reBAP ueberdeckt")
        )
        yield Landing(
            "netztransparenz_imbalance",
            end + _DAY,
            pl.concat([assured, prices], how="diagonal"),
        )
        minutes = periods(start, end, timedelta(minutes=1)).filter(pl.col("n") != 60)
        czech = minutes.select(pl.exclude("n"), system_imbalance_mw=pl.col("n") % 45 - 20)
        yield Landing("ceps_imbalance", end, czech)
        half_hours = periods(start + _HOUR, end, timedelta(minutes=30))
        yield Landing("elexon_system_price", end + 2 * _HOUR, _settlement_periods(half_hours))


def _settlement_periods(half_hours: pl.DataFrame) -> pl.DataFrame:
    london = pl.col("delivery_start").dt.convert_time_zone("Europe/London")
    midnight = london.dt.truncate("1d")
    return half_hours.select(
        "delivery_start",
        "delivery_end",
        settlement_date=london.dt.date().cast(pl.String),
        settlement_period=(london - midnight).dt.total_minutes() // 30 + 1,
        system_sell_price_gbp_per_mwh=pl.col("n") + 40,
        system_buy_price_gbp_per_mwh=pl.col("n") + 40,
        net_imbalance_volume_mwh=pl.col("n") - 20,
    )


def _gas_days(count: int) -> pl.DataFrame:
    starts = [
        datetime(2026, 10, 24, 4, tzinfo=UTC),
        datetime(2026, 10, 25, 5, tzinfo=UTC),
        datetime(2026, 10, 26, 5, tzinfo=UTC),
    ]
    return pl.DataFrame(
        {
            "code": "DE",
            "url": "DE",
            "delivery_start": starts[:count],
            "delivery_end": [*starts[1:], starts[-1] + _DAY][:count],
            "gas_in_storage_twh": [120.0, 119.5, 119.0][:count],
            "full_pct": 50.0,
            "injection_gwh_per_d": 10.0,
            "withdrawal_gwh_per_d": 25.0,
            "net_withdrawal_gwh_per_d": 15.0,
            "status": "E",
        }
    )


def _gas() -> Iterator[Landing]:
    yield Landing("agsi_storage", LAST, _gas_days(3))
    hours = periods(FIRST, LAST, _HOUR).join(
        pl.DataFrame({"direction": ["entry", "exit"], "flow": [8e6, 5e6]}), how="cross"
    )
    flows = hours.select(
        "delivery_start",
        "delivery_end",
        "direction",
        indicator=pl.lit("Physical Flow"),
        period_type=pl.lit("hour"),
        operator_key=pl.lit("DE-TSO-0001"),
        point_key=pl.lit("ITP-00096"),
        energy_flow_kwh_per_h=pl.col("flow") + pl.col("n") * 1000,
    )
    yield Landing("entsog_flow", LAST + _HOUR, flows)


def _weather() -> Iterator[Landing]:
    stations = pl.DataFrame({"station_id": ["10147", "10381"], "windy": [4.0, 2.0]})
    for run in range(5):
        run_at = FIRST - _DAY + run * 12 * _HOUR
        hours = pl.datetime_range(run_at, run_at + 60 * _HOUR, _HOUR, eager=True).cast(INSTANT)
        valid = pl.DataFrame({"valid_at": hours}).with_row_index("n").join(stations, how="cross")
        yield Landing(
            "dwd_mosmix_forecast",
            run_at + 4 * _HOUR,
            valid.select(
                "valid_at",
                "station_id",
                run_at=pl.lit(run_at),
                wind_speed_m_per_s=pl.col("windy") + run + pl.col("n") % 5,
                temperature_deg_c=10.0 - run,
                global_radiation_kj_per_m2=pl.lit(None, dtype=pl.Float64),
            ),
        )


def _local_day(number: int) -> tuple[datetime, datetime]:
    """Return a day of Berlin: of 24 hours, of 25, of 24."""
    starts = [FIRST, FIRST + _DAY, FIRST + _DAY + 25 * _HOUR, LAST]
    return starts[number], starts[number + 1]
