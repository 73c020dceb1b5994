"""Series side by side: which series is meant, as of when, in which periods and units."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import UnknownSourceError, UsageError
from energy_platform.market.calendar import calendar
from energy_platform.market.quantity import Quantity
from tests.support.tables import store

pytestmark = pytest.mark.usefixtures("home")

QUARTER: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
BERLIN: Final = "Europe/Berlin"
GATE: Final = "D-1 12:00 Europe/Berlin"
PRICES: Final = "energy_charts_price"


def prices(
    start: datetime, values: Sequence[float | None], *, zone: str = "DE-LU", **about: Any
) -> list[dict[str, Any]]:
    """Return quarter-hours of prices from an instant on, received a day before delivery."""
    return [
        {
            "bidding_zone": zone,
            "delivery_start": start + n * QUARTER,
            "delivery_end": start + (n + 1) * QUARTER,
            "price_eur_per_mwh": value,
            "received_at": start - DAY,
            **about,
        }
        for n, value in enumerate(values)
    ]


def price(**where: Any) -> ep.Series:
    return ep.series(PRICES, "price_eur_per_mwh", **{"bidding_zone": "DE-LU", **where})


@pytest.mark.parametrize(
    ("day", "quarters"), [("2026-03-29", 92), ("2026-06-01", 96), ("2026-10-25", 100)]
)
def test_quarters_hours_and_the_day_when_clocks_change(day: str, quarters: int) -> None:
    start = calendar(BERLIN).start(date.fromisoformat(day))
    store(PRICES, prices(start, [float(n) for n in range(quarters)]))
    by_quarter = ep.frame(price=price(), every="15m", day=day, zone=BERLIN)
    assert by_quarter["price"].to_list() == [float(n) for n in range(quarters)]
    assert by_quarter.schema["delivery_start"] == pl.Datetime("us", BERLIN)
    by_hour = ep.frame(price=price(), every="1h", day=day, zone=BERLIN)
    assert by_hour["price"].to_list() == [4.0 * n + 1.5 for n in range(quarters // 4)]
    by_day = ep.frame(price=price(), every="1d", day=day, zone=BERLIN)
    assert by_day["price"].to_list() == [(quarters - 1) / 2]
    in_utc = ep.frame(price=price(), every="15m", start=start, end=start + DAY)
    assert in_utc.schema["delivery_start"] == pl.Datetime("us", "UTC")


def test_a_month_of_energy_and_of_gas_in_storage() -> None:
    """Energy is summed over local days, a level is the last day's."""
    first = calendar(BERLIN).start(date(2026, 3, 1))
    hours = 31 * 24 - 1
    store(
        "smard_generation",
        [
            {
                "region": "DE",
                "production_type": "Solar",
                "delivery_start": first + n * HOUR,
                "delivery_end": first + (n + 1) * HOUR,
                "generation_mwh": 2.0,
                "received_at": first,
            }
            for n in range(hours)
        ],
    )
    gas_days = calendar("Europe/Gas_Day")
    store(
        "agsi_storage",
        [
            {
                "code": "DE",
                "url": "DE",
                "delivery_start": gas_days.start(date(2026, 3, day)),
                "delivery_end": gas_days.start(date(2026, 3, day) + DAY),
                "gas_in_storage_twh": 100.0 - day,
                "injection_gwh_per_d": 24.0,
                "received_at": first,
            }
            for day in range(1, 32)
        ],
    )
    solar = ep.series("smard_generation", "generation_mwh", production_type="Solar")
    gas = ep.series("agsi_storage", "gas_in_storage_twh", code="DE")
    injection = ep.series("agsi_storage", "injection_gwh_per_d", code="DE")
    power = ep.frame(solar=solar, every="1mo", month="2026-03", zone=BERLIN, units={"solar": "GWh"})
    assert power["solar"].to_list() == [pytest.approx(2.0 * hours / 1_000)]
    stored = ep.frame(
        gas=gas,
        injection=injection,
        every="1mo",
        month="2026-03",
        zone="Europe/Gas_Day",
        units={"injection": "MW"},
    )
    assert stored.select("gas", "injection").rows() == [(69.0, pytest.approx(1_000.0))]


def test_series_stand_beside_each_other_and_a_missing_one_is_null() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    store(PRICES, prices(start, [10.0, None, 30.0, 40.0]))
    store(
        "entsoe_load",
        [
            {
                "bidding_zone": "DE-LU",
                "resolution": "PT60M",
                "delivery_start": start,
                "delivery_end": start + HOUR,
                "load_mw": 50_000.0,
                "received_at": start,
            }
        ],
    )
    load = ep.series("entsoe_load", "load_mw", bidding_zone="DE-LU")
    window: dict[str, Any] = {"start": start, "end": start + HOUR}
    frame = ep.frame(price=price(), load=load, every="15m", units={"load": "GW"}, **window)
    assert frame.columns == ["delivery_start", "delivery_end", "price", "load"]
    assert frame["price"].to_list() == [10.0, None, 30.0, 40.0]
    assert frame["load"].to_list() == [50.0] * 4
    assert ep.frame(price=price(), every="1h", **window)["price"].to_list() == [None]
    a_quarter = ep.frame(price=price(), every="1h", max_missing=0.25, **window)
    assert a_quarter["price"].to_list() == [pytest.approx(80 / 3)]


def test_the_lag_is_asked_at_the_gate_of_the_row_it_stands_beside() -> None:
    """Yesterday's price, known at its own gate or not, counts if it was known at today's."""
    today = calendar(BERLIN).start(date(2026, 6, 2))
    gate = datetime(2026, 6, 1, 10, tzinfo=UTC)
    yesterday = prices(today - DAY, [1.0, 2.0, 3.0])
    yesterday[0]["received_at"] = gate  # long after its own gate, just by today's
    yesterday[1]["received_at"] = gate + timedelta(microseconds=1)
    corrected = {**yesterday[2], "price_eur_per_mwh": 4.0, "received_at": gate + HOUR}
    store(PRICES, [yesterday[2], yesterday[0], yesterday[1], corrected])
    lagged = price(lag=DAY)
    frame = ep.frame(lagged=lagged, every="15m", start=today, end=today + 3 * QUARTER, as_of=GATE)
    assert frame["lagged"].to_list() == [1.0, None, 3.0]
    own = ep.frame(price=price(), every="15m", start=today - DAY, end=today, as_of=GATE)
    assert own["price"].to_list()[:3] == [None, None, 3.0]
    now = ep.frame(lagged=lagged, every="15m", start=today, end=today + 3 * QUARTER)
    assert now["lagged"].to_list() == [1.0, 2.0, 4.0]


@pytest.mark.parametrize("as_of", [GATE, timedelta(hours=2), datetime(2026, 10, 25, 9, tzinfo=UTC)])
@pytest.mark.parametrize("lag", [timedelta(hours=1), timedelta(hours=24), timedelta(hours=168)])
def test_a_lag_never_looks_ahead_around_a_change_of_clocks(as_of: Any, lag: timedelta) -> None:
    """Held against the definition, row by row: the last revision received by the row's own gate."""
    first = datetime(2026, 10, 24, 20, tzinfo=UTC)
    said = []
    for n in range(24):
        for revision, delay in enumerate([-30, -4, 3, 20]):
            [row] = prices(first + n * HOUR - lag, [float(100 * n + revision)])
            row["received_at"] = first + n * HOUR - lag + timedelta(hours=delay + n % 5)
            said.append(row)
    said.sort(key=lambda row: row["received_at"])
    store(PRICES, said)
    got = ep.frame(x=price(lag=lag), every="15m", start=first, end=first + DAY, as_of=as_of).filter(
        pl.col("delivery_start").dt.minute() == 0
    )
    wanted = []
    for n in range(24):
        at = first + n * HOUR
        if isinstance(as_of, datetime):
            known_by = as_of
        elif isinstance(as_of, timedelta):
            known_by = at - as_of
        else:
            local = pl.select(pl.lit(at).dt.convert_time_zone(BERLIN).dt.date()).item()
            known_by = calendar(BERLIN).start(local - DAY) + timedelta(hours=12)
        known = [
            row["price_eur_per_mwh"]
            for row in said
            if row["delivery_start"] == at - lag and row["received_at"] <= known_by
        ]
        wanted.append(known[-1] if known else None)
    assert got["x"].to_list() == wanted


def test_history_that_was_received_late_serves_by_the_providers_clock() -> None:
    start = calendar(BERLIN).start(date(2026, 6, 2))
    store(PRICES, prices(start, [1.0] * 4, received_at=start + 30 * DAY))
    asked: dict[str, Any] = {"every": "1h", "start": start, "end": start + HOUR}
    for series in (price(), price(lag=timedelta())):
        late = ep.frame(x=series, as_of="D-1 15:00 Europe/Berlin", **asked)
        assert late["x"].to_list() == [None]
        published = ep.frame(x=series, as_of="D-1 15:00 Europe/Berlin", known="published", **asked)
        assert published["x"].to_list() == [1.0]
    local = ep.frame(x=price(), as_of="2026-07-30 00:00", zone=BERLIN, **asked)
    assert local["x"].to_list() == [1.0]


def test_several_series_that_match_are_listed() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    store(PRICES, [*prices(start, [1.0]), *prices(start, [2.0], zone="FR")])
    window: dict[str, Any] = {"every": "15m", "start": start, "end": start + HOUR}
    anywhere = ep.series(PRICES, "price_eur_per_mwh")
    with pytest.raises(UsageError, match="several series match; say bidding_zone='DE-LU', 'FR'"):
        ep.frame(price=anywhere, **window)
    with pytest.raises(UsageError, match="no bidding_zone='DE-LX'; did you mean DE-LU"):
        ep.frame(price=price(bidding_zone="DE-LX"), **window)


def test_runs_of_a_forecast_are_chosen_or_refused() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    rows = [
        {
            "run_at": start - age * HOUR,
            "valid_at": start + n * HOUR,
            "station_id": "10384",
            "wind_speed_m_per_s": float(age + n),
            "gust_speed_m_per_s": 10.0 + n,
            "received_at": start - age * HOUR,
        }
        for age in (12, 6)
        for n in range(4)
    ]
    store("dwd_mosmix_forecast", rows)
    window: dict[str, Any] = {"every": "1h", "start": start, "end": start + 3 * HOUR}

    def wind(**how: Any) -> ep.Series:
        return ep.series("dwd_mosmix_forecast", "wind_speed_m_per_s", **how)

    with pytest.raises(UsageError, match='say run="latest_each"'):
        ep.frame(wind=wind(), **window)
    old = ep.frame(wind=wind(run=start - 12 * HOUR), **window)
    assert old["wind"].to_list() == [12.0, 13.0, 14.0]
    assert ep.frame(wind=wind(run="latest_each"), **window)["wind"].to_list() == [6.0, 7.0, 8.0]
    by_then = ep.frame(wind=wind(run="latest_each"), as_of=start - 8 * HOUR, **window)
    assert by_then["wind"].to_list() == [12.0, 13.0, 14.0]
    gusts = ep.series("dwd_mosmix_forecast", "gust_speed_m_per_s", run="latest_each")
    assert ep.frame(gust=gusts, **window)["gust"].to_list() == [11.0, 12.0, 13.0]


def test_rows_that_overlap_are_not_mixed() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    said = [
        {
            "bidding_zone": "DE-LU",
            "delivery_start": start,
            "delivery_end": start + length,
            "price_eur_per_mwh": 1.0,
            "received_at": start,
        }
        for length in (QUARTER, HOUR)
    ]
    store("smard_price", said)
    both = ep.series("smard_price", "price_eur_per_mwh", bidding_zone="DE-LU")
    with pytest.raises(UsageError, match="periods overlap, of 0:15:00, 1:00:00"):
        ep.frame(price=both, every="15m", start=start, end=start + HOUR)


def test_series_that_are_none() -> None:
    with pytest.raises(UnknownSourceError, match="did you mean energy_charts_price"):
        ep.series("energy_chart_price", "price_eur_per_mwh")
    with pytest.raises(UsageError, match="no column 'price_eur_mwh'; did you mean price_eur_per"):
        ep.series(PRICES, "price_eur_mwh")
    with pytest.raises(UsageError, match="no key column 'zone'; it has bidding_zone"):
        ep.series(PRICES, "price_eur_per_mwh", zone="DE-LU")
    with pytest.raises(UsageError, match="kind 'label'"):
        ep.series(PRICES, "bidding_zone")
    about = price()
    assert (about.unit, about.quantity) == ("EUR/MWh", Quantity.PRICE)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"every": "1h", "start": "2026-06-01"}, "needs a time zone"),
        ({"every": "1h", "start": datetime(2026, 6, 1, tzinfo=UTC)}, "needs start and end"),
        ({"every": "1mo", "day": "2026-06-02", "zone": BERLIN}, "no period of 1mo begins"),
        ({"every": "1h", "day": "2026-06-02", "zone": BERLIN, "units": {"x": "MW"}}, "no series x"),
        ({"every": "1h", "day": "2026-06-02", "zone": BERLIN, "max_missing": 2.0}, "from 0 to 1"),
    ],
)
def test_frames_that_are_refused(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        ep.frame(price=price(), **asked)
    with pytest.raises(UsageError):
        ep.frame(price="energy_charts_price", every="1h", day="2026-06-01", zone=BERLIN)  # type: ignore[arg-type]


def test_a_gate_of_the_day_itself_is_asked_for_by_name() -> None:
    start = datetime(2026, 5, 31, 22, tzinfo=UTC)
    store(PRICES, prices(start, [1.0] * 8, received_at=start + HOUR))
    asked: dict[str, Any] = {"every": "1h", "start": start, "end": start + 2 * HOUR}
    for as_of in (-HOUR, "D-0 02:00 Europe/Berlin"):
        with pytest.raises(UsageError, match="look_ahead=True"):
            ep.frame(price=price(), as_of=as_of, **asked)
        later = ep.frame(price=price(), as_of=as_of, look_ahead=True, **asked)
        assert later["price"].to_list() == [1.0, 1.0]


def test_how_long_a_value_holds_is_told_as_text_or_as_a_span() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    rows = [
        {"observed_at": start + hour * HOUR, "frequency_hz": 50.0, "received_at": start}
        for hour in (0, 6)
    ]
    store("elexon_frequency", rows)
    asked: dict[str, Any] = {"every": "1h", "start": start, "end": start + 6 * HOUR}
    frequency = ep.series("elexon_frequency", "frequency_hz")
    for gap in ("2h", "120m", 2 * HOUR):
        held = ep.frame(frequency=frequency, max_gap=gap, **asked)
        assert held["frequency"].is_not_null().to_list() == [True] * 2 + [False] * 4
    day_later = ep.series("elexon_frequency", "frequency_hz", lag="1d")
    assert day_later == ep.series("elexon_frequency", "frequency_hz", lag=DAY)


def test_a_value_that_was_not_known_at_the_gate_is_null_and_no_error() -> None:
    start = datetime(2026, 5, 31, 22, tzinfo=UTC)
    early = prices(start, [1.0], zone="FR", received_at=start - 2 * DAY)
    store(PRICES, [*early, *prices(start, [2.0], received_at=start)])
    asked: dict[str, Any] = {"every": "15m", "start": start, "end": start + QUARTER}
    assert ep.frame(price=price(), as_of=GATE, **asked)["price"].to_list() == [None]


def test_a_frame_of_a_window_without_rows_has_its_periods() -> None:
    store(PRICES, prices(datetime(2026, 6, 1, tzinfo=UTC), [1.0]))
    frame = ep.frame(price=price(), every="1h", day="2026-07-01", zone=BERLIN)
    assert frame.schema["price"] == pl.Float64
    assert frame["price"].to_list() == [None] * 24
