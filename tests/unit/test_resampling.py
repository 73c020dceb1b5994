"""Values brought to other periods, by the kind of quantity, also when the clocks change."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy_platform.errors import UsageError
from energy_platform.market.buckets import buckets, every
from energy_platform.market.calendar import GAS_DAY, Calendar, calendar
from energy_platform.market.conversion import converted
from energy_platform.market.quantity import Quantity
from energy_platform.market.resampling import STRETCHES, of_instants, resampled
from energy_platform.market.units import UNITS

MIDNIGHT: Final = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAYS: Final = calendar("Europe/Berlin")


def stretches(*said: tuple[float | None, int]) -> pl.DataFrame:
    """Return values that follow each other from midnight on, each for some minutes."""
    ends = [sum(minutes for _, minutes in said[: n + 1]) for n in range(len(said))]
    return pl.DataFrame(
        [
            (MIDNIGHT + (end - minutes) * MINUTE, MIDNIGHT + end * MINUTE, value)
            for (value, minutes), end in zip(said, ends, strict=True)
        ],
        schema=STRETCHES,
        orient="row",
    )


def values(
    series: pl.DataFrame,
    kind: Quantity,
    lasting: str,
    *,
    hours: int = 1,
    max_missing: float = 0.0,
) -> list[float | None]:
    grid = buckets(MIDNIGHT, MIDNIGHT + hours * HOUR, every(lasting), calendar("UTC"))
    return resampled(series, grid, kind, max_missing=max_missing)["value"].to_list()


QUARTERS = stretches((10.0, 15), (20.0, 15), (30.0, 15), (50.0, 15))
ONE_HOUR = stretches((80.0, 60))


@pytest.mark.parametrize(
    ("kind", "down", "up"),
    [
        (Quantity.PRICE, 27.5, [80.0] * 4),
        (Quantity.MEAN_POWER, 27.5, [80.0] * 4),
        (Quantity.MEAN, 27.5, [80.0] * 4),
        (Quantity.INSTANT, 27.5, [80.0] * 4),
        (Quantity.ENERGY, 110.0, [20.0] * 4),
        (Quantity.AMOUNT, 110.0, [20.0] * 4),
        (Quantity.LEVEL, 50.0, [80.0] * 4),
        (Quantity.OPENING, 10.0, [80.0] * 4),
        (Quantity.MAXIMUM, 50.0, [80.0] * 4),
        (Quantity.MINIMUM, 10.0, [80.0] * 4),
    ],
)
def test_longer_and_shorter_periods(kind: Quantity, down: float, up: list[float]) -> None:
    assert values(QUARTERS, kind, "1h") == [down]
    assert values(ONE_HOUR, kind, "15m") == up
    assert values(QUARTERS, kind, "15m") == [10.0, 20.0, 30.0, 50.0]


@pytest.mark.parametrize("kind", [Quantity.COUNT, Quantity.VOLUME])
def test_what_is_counted_is_summed_and_never_split(kind: Quantity) -> None:
    assert values(QUARTERS, kind, "1h") == [110.0]
    with pytest.raises(UsageError, match=f"a {kind} of a longer period can't be split"):
        values(ONE_HOUR, kind, "15m")


@pytest.mark.parametrize(
    "kind", [Quantity.LABEL, Quantity.NUMBER, Quantity.PLACE, Quantity.FLAG, Quantity.TIME]
)
def test_names_are_neither_summed_nor_averaged(kind: Quantity) -> None:
    with pytest.raises(UsageError, match="which no period sums up"):
        values(QUARTERS, kind, "1h")


def test_a_mean_weighs_by_time() -> None:
    """A price of a quarter-hour and one of three: (40 + 3·80) / 4."""
    assert values(stretches((40.0, 15), (80.0, 45)), Quantity.PRICE, "1h") == [70.0]
    assert values(stretches((0.1, 60), (0.1, 60)), Quantity.PRICE, "1d", hours=24) == [None]


def test_directions_are_averaged_as_vectors() -> None:
    north = stretches((350.0, 30), (10.0, 30))
    [mean] = values(north, Quantity.DIRECTION, "1h")
    assert mean == pytest.approx(0.0, abs=1e-9) or mean == pytest.approx(360.0)
    assert values(stretches((90.0, 30), (270.0, 30)), Quantity.DIRECTION, "1h") == [None]
    assert values(stretches((120.0, 60)), Quantity.DIRECTION, "15m") == [120.0] * 4


def test_only_so_much_of_a_period_may_be_missing() -> None:
    gap = stretches((10.0, 15), (None, 15), (30.0, 30))
    assert values(gap, Quantity.PRICE, "1h") == [None]
    assert values(gap, Quantity.PRICE, "1h", max_missing=0.2) == [None]
    assert values(gap, Quantity.PRICE, "1h", max_missing=0.25) == [pytest.approx(70 / 3)]
    assert values(gap, Quantity.PRICE, "15m", max_missing=0.25) == [10.0, None, 30.0, 30.0]


def test_a_value_of_an_instant_holds_until_the_next_and_no_longer_than_usual() -> None:
    at = [MIDNIGHT + minutes * MINUTE for minutes in (0, 15, 45)]
    said = pl.DataFrame({"at": at, "value": [1.0, 2.0, 3.0]})
    usual = of_instants(said, Quantity.INSTANT, None)
    assert values(usual, Quantity.INSTANT, "15m") == [1.0, 2.0, None, 3.0]  # 22.5 minutes
    longer = of_instants(said, Quantity.INSTANT, timedelta(minutes=30))
    assert values(longer, Quantity.INSTANT, "15m") == [1.0, 2.0, 2.0, 3.0]


def test_a_sum_in_a_table_of_instants_is_of_the_time_before() -> None:
    """Rain of an hour is stamped with the hour's end."""
    at = [MIDNIGHT + n * HOUR for n in (0, 1, 2, 4)]
    rain = of_instants(
        pl.DataFrame({"at": at, "value": [9.0, 1.0, 2.0, 4.0]}), Quantity.AMOUNT, None
    )
    assert values(rain, Quantity.AMOUNT, "1h", hours=4) == [1.0, 2.0, None, 4.0]
    assert values(rain, Quantity.AMOUNT, "15m", hours=1) == [0.25] * 4


def test_one_instant_alone_says_not_how_long_it_holds() -> None:
    said = pl.DataFrame({"at": [MIDNIGHT], "value": [1.0]})
    assert of_instants(said, Quantity.INSTANT, None).is_empty()
    assert of_instants(said, Quantity.INSTANT, HOUR).height == 1


lengths = st.lists(
    st.tuples(st.integers(-500, 500).map(float), st.sampled_from([1, 5, 15, 30, 60, 240])),
    min_size=1,
    max_size=12,
)


@given(said=lengths, lasting=st.sampled_from(["5m", "15m", "1h", "4h", "1d"]))
def test_no_energy_is_lost_or_made_up(said: list[tuple[float, int]], lasting: str) -> None:
    """Split or summed, the whole stays; and mean power times time is energy."""
    series = stretches(*said)
    grid = buckets(MIDNIGHT, MIDNIGHT + timedelta(days=3), every(lasting), calendar("UTC"))
    whole = sum(value for value, _ in said)
    energy = resampled(series, grid, Quantity.ENERGY, max_missing=1.0)["value"].sum()
    assert energy == pytest.approx(whole, abs=1e-6)
    power = series.with_columns(
        pl.col("value") / ((pl.col("until") - pl.col("since")).dt.total_minutes() / 60)
    )
    covered = resampled(
        series.with_columns(value=(pl.col("until") - pl.col("since")).dt.total_minutes() / 60),
        grid,
        Quantity.ENERGY,
        max_missing=1.0,
    )["value"]
    means = resampled(power, grid, Quantity.MEAN_POWER, max_missing=1.0)["value"]
    assert (means * covered).sum() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize(
    ("day", "lasting", "count"),
    [
        (date(2026, 3, 29), "15m", 92),
        (date(2026, 6, 1), "15m", 96),
        (date(2026, 10, 25), "15m", 100),
        (date(2026, 3, 29), "1h", 23),
        (date(2026, 10, 25), "1h", 25),
        (date(2026, 3, 29), "4h", 6),
        (date(2026, 10, 25), "4h", 6),
        (date(2026, 10, 25), "1d", 1),
    ],
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", GAS_DAY])
def test_buckets_of_a_day(day: date, lasting: str, count: int, zone: str) -> None:
    days = calendar(zone)
    if zone == GAS_DAY:  # the clocks change in the night that ends the gas day before
        day -= timedelta(days=1)
    window = days.start(day), days.start(day + timedelta(days=1))
    grid = buckets(*window, every(lasting), days)
    assert grid.height == count
    assert grid["bucket_start"][0] == window[0]
    assert grid["bucket_end"][-1] == window[1]
    assert (grid["bucket_start"][1:] == grid["bucket_end"][:-1]).all()


def test_blocks_of_four_hours_begin_where_the_clocks_say() -> None:
    spring = date(2026, 3, 29)
    days = calendar("Europe/Berlin")
    grid = buckets(days.start(spring), days.start(spring + timedelta(days=1)), every("4h"), days)
    local = grid["bucket_start"].dt.convert_time_zone("Europe/Berlin").dt.hour().to_list()
    assert local == [0, 4, 8, 12, 16, 20]
    assert grid.select(pl.col("bucket_end") - pl.col("bucket_start"))["bucket_end"][0] == 3 * HOUR


@pytest.mark.parametrize(
    ("lasting", "starts"),
    [
        ("1mo", [(2026, 3, 1), (2026, 4, 1)]),
        ("1q", [(2026, 4, 1)]),
        ("1w", [(2026, 3, 2), (2026, 3, 9)]),
        ("1y", []),
    ],
)
def test_calendar_buckets(lasting: str, starts: list[tuple[int, int, int]]) -> None:
    grid = buckets(DAYS.start(date(2026, 3, 1)), DAYS.start(date(2026, 4, 2)), every(lasting), DAYS)
    wanted = [DAYS.start(date(*start)) for start in starts]
    assert grid["bucket_start"].to_list()[: len(wanted)] == wanted
    assert (grid["bucket_end"] > grid["bucket_start"]).all()


def test_a_month_ends_with_the_next_one() -> None:
    first = calendar("Europe/Berlin").start(date(2026, 3, 1))
    grid = buckets(first, first + HOUR, every("1mo"), calendar("Europe/Berlin"))
    [(start, end)] = grid.rows()
    assert (end - start) == timedelta(days=31) - HOUR  # March has an hour less


@pytest.mark.parametrize("said", ["", "15", "7m", "100m", "5h", "2d", "1 fortnight", "0m", "-1h"])
def test_lengths_that_no_day_is_made_of(said: str) -> None:
    with pytest.raises(UsageError):
        every(said)


def test_a_day_is_not_a_length_of_time() -> None:
    with pytest.raises(UsageError, match="not always 24 hours"):
        every(timedelta(days=1))
    assert every(timedelta(minutes=30)) == every("30m") == every("30min")
    assert isinstance(calendar(GAS_DAY), Calendar)


@pytest.mark.parametrize(
    ("unit", "wanted", "value", "told"),
    [
        ("EUR/MWh", "ct/kWh", 85.0, 8.5),
        ("EUR/MWh", "EUR/kWh", 85.0, 0.085),
        ("MW", "GW", 1_500.0, 1.5),
        ("MW", "kW", 1.5, 1_500.0),
        ("MWh", "GWh", 250.0, 0.25),
        ("GWh/d", "MW", 24.0, 1_000.0),
        ("kWh/h", "MW", 2_000.0, 2.0),
        ("°C", "K", 20.0, 293.15),
        ("°C", "°F", 20.0, 68.0),
        ("m/s", "kn", 10.0, 19.43844492),
        ("m/s", "km/h", 10.0, 36.0),
        ("GBP/MWh", "pence/kWh", 85.0, 8.5),
        ("Pa", "hPa", 101_300.0, 1_013.0),
        ("kJ/m²", "Wh/m²", 3.6, 1.0),
        ("°F·d", "K·d", 9.0, 5.0),
        ("kWh/Nm³", "MJ/Nm3", 10.0, 36.0),
    ],
)
def test_conversions(unit: str, wanted: str, value: float, told: float) -> None:
    assert pl.select(converted(pl.lit(value), unit, wanted)).item() == pytest.approx(told)


@pytest.mark.parametrize("unit", UNITS.values())
def test_every_unit_of_a_column_is_one_that_converts(unit: str) -> None:
    assert pl.select(converted(pl.lit(2.0), unit, unit)).item() == 2.0


@pytest.mark.parametrize(
    ("unit", "wanted", "why"),
    [
        ("MW", "MWh", "MW can't be converted to MWh: it measures something else"),
        ("EUR/MWh", "GBP/MWh", "measures something else"),
        ("MW", "m/s", "measures something else"),
        ("°", "K", "measures something else"),
        ("MW", "", "is no unit"),
        ("MW", "GW +", "is no unit"),
        ("MW", "bananas", "is no unit"),
        (None, "MW", "without a unit"),
    ],
)
def test_conversions_that_are_refused(unit: str | None, wanted: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        converted(pl.lit(1.0), unit, wanted)
