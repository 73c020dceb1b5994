"""dbt's `as_of` and the notebook's give the same rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from energy_platform.history.knowledge_time import AsOf
from energy_platform.market.registry import market_source
from energy_platform.marts.dbt_run import call_dbt, common_arguments, dbt_environment
from energy_platform.marts.delta_plugin import show_sources
from energy_platform.pipeline.stores import micro_batches
from energy_platform.settings import settings
from tests.support.landed_market import Landing, land, late_revisions, periods, the_market

_SUNDAY_NOON = datetime(2026, 10, 25, 12, 30, tzinfo=UTC)

QUESTIONS: list[tuple[str, str, AsOf]] = [
    ("nord_pool_intraday_trade", "2026-10-25T12:30:00Z", _SUNDAY_NOON),
    ("entsoe_load_forecast", "2026-10-24T10:00:00+02:00", datetime(2026, 10, 24, 8, tzinfo=UTC)),
    ("entsoe_wind_solar_forecast", "6 hours", timedelta(hours=6)),
    ("entsoe_load", "-1 day", timedelta(days=-1)),
    ("energy_charts_price", "D-1 13:00 Europe/Berlin", "D-1 13:00 Europe/Berlin"),
    ("energy_charts_price", "D-1 14:59 Europe/London", "D-1 14:59 Europe/London"),
    ("entsoe_load_forecast", "D-0 02:30 Europe/Berlin", "D-0 02:30 Europe/Berlin"),
    ("dwd_mosmix_forecast", "D-2 06:00 Europe/Berlin", "D-2 06:00 Europe/Berlin"),
]  # fmt: skip
"""The zones' clocks go back in these days, and forward in the days of the last landing."""


@pytest.mark.timeout(600)
@pytest.mark.nightly
def test_as_of_gives_the_rows_of_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGY_PLATFORM_HOME", str(tmp_path))
    for cached in (settings, micro_batches):
        cached.cache_clear()
    asked_of = {source for source, _, _ in QUESTIONS}
    landings = [*the_market(), *late_revisions(), *_around_the_spring_change()]
    land(micro_batches(), (each for each in landings if each.source in asked_of))
    wanted = " | ".join(
        f"select * from {{{{ as_of('{source}', '{moment}') }}}}" for source, moment, _ in QUESTIONS
    )
    said = call_dbt(
        ["--quiet", "compile", "--inline", wanted, *common_arguments(settings())],
        dbt_environment(settings()),
    )
    queries = said.split(" | ")
    assert len(queries) == len(QUESTIONS), said
    with duckdb.connect() as connection:
        show_sources(connection)
        for query, (name, moment, as_of) in zip(queries, QUESTIONS, strict=True):
            source = market_source(name)
            order = [source.event_time, *source.key]
            known = ep.scan(name, as_of=as_of, look_ahead=True).sort(order).collect()
            answered = connection.sql(query).pl().select(known.columns).sort(order)
            assert not known.is_empty(), moment
            assert_frame_equal(answered, known)
    micro_batches.cache_clear()
    settings.cache_clear()


def _around_the_spring_change() -> list[Landing]:
    """Return forecasts that arrive around the hour that the clocks skip, and revise each other."""
    midnight = datetime(2026, 3, 28, 23, tzinfo=UTC)
    of_the_day = periods(midnight, midnight + timedelta(hours=23))
    return [
        Landing(
            "entsoe_load_forecast",
            midnight + timedelta(minutes=minutes),
            of_the_day.select(
                "delivery_start",
                "delivery_end",
                bidding_zone=pl.lit("DE-LU"),
                resolution=pl.lit("PT15M"),
                load_mw=40_000.0 + minutes,
            ),
        )
        for minutes in (89, 90, 91, 149, 150, 151)
    ]
