"""Revisions, vintages and runs, by our clock and by the provider's; nothing is known too early."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import LeadTime
from energy_platform.history.question import Question
from energy_platform.history.revisions import answer
from energy_platform.market.publication import (
    AfterEvent,
    AfterRun,
    DailyPublication,
    Stated,
    Where,
)
from energy_platform.market.registry import market_sources
from energy_platform.market.rows import ForecastRows
from energy_platform.reading.dataset import dataset
from energy_platform.reading.platform import here
from tests.support.tables import store

pytestmark = pytest.mark.usefixtures("home")

HOUR: Final = timedelta(hours=1)
QUARTER: Final = timedelta(minutes=15)
PRICES: Final = "energy_charts_price"
GATE: Final = "D-1 13:00 Europe/Berlin"
NOON_GATE: Final = "D-1 12:00 Europe/Berlin"
MIDNIGHT: Final = datetime(2026, 3, 28, 23, tzinfo=UTC)
"""The beginning of Berlin's day of 23 hours."""

PUBLISHED: Final = datetime(2026, 3, 28, 11, 57, tzinfo=UTC)
MUCH_LATER: Final = datetime(2026, 9, 1, tzinfo=UTC)


def price(value: float, received_at: datetime, *, quarter: int = 0) -> dict[str, Any]:
    start = MIDNIGHT + quarter * QUARTER
    return {
        "bidding_zone": "DE-LU",
        "delivery_start": start,
        "delivery_end": start + QUARTER,
        "price_eur_per_mwh": value,
        "received_at": received_at,
    }


def values(frame: pl.DataFrame) -> list[float]:
    return frame["price_eur_per_mwh"].to_list()


def wind(run_at: datetime, hours: Sequence[int], received_at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "run_at": run_at,
            "valid_at": run_at + hour * HOUR,
            "latitude": 50.0,
            "longitude": 10.0,
            "height_m": 100.0,
            "wind_speed_m_per_s": float(hour),
            "received_at": received_at,
        }
        for hour in hours
    ]


def test_backfilled_prices_serve_a_back_test_by_the_providers_clock() -> None:
    store(PRICES, [price(float(n), MUCH_LATER, quarter=n) for n in range(92)])
    day: dict[str, Any] = {"day": "2026-03-29", "zone": "Europe/Berlin"}
    assert ep.load(PRICES, as_of=GATE, **day).is_empty()
    assert ep.load(PRICES, as_of=NOON_GATE, known="published", **day).is_empty()
    known = ep.load(PRICES, as_of=GATE, known="published", **day)
    assert values(known) == [float(n) for n in range(92)]
    assert known["known_at"].unique().dt.convert_time_zone("UTC").to_list() == [PUBLISHED]
    assert known["known_basis"].unique().to_list() == ["publication"]
    assert known["received_at"].unique().dt.convert_time_zone("UTC").to_list() == [MUCH_LATER]


def test_a_correction_is_not_known_before_it_was_received() -> None:
    store(PRICES, [price(1.0, MUCH_LATER), price(2.0, MUCH_LATER + HOUR)])
    for as_of, expected in [
        (PUBLISHED - QUARTER, []),
        (PUBLISHED, [1.0]),
        (MUCH_LATER, [1.0]),
        (MUCH_LATER + HOUR, [2.0]),
    ]:
        assert values(ep.load(PRICES, as_of=as_of, known="published")) == expected
    log = ep.revisions(PRICES, known="published")
    assert log["known_at"].to_list() == [PUBLISHED, MUCH_LATER + HOUR]
    assert log["known_basis"].to_list() == ["publication", "received"]
    assert log["superseded_at"].to_list() == [MUCH_LATER + HOUR, None]
    assert log["revision_index"].to_list() == [1, 2]


def test_a_row_counts_no_later_than_it_was_received() -> None:
    early = PUBLISHED - HOUR
    store(PRICES, [price(1.0, early)])
    [row] = ep.load(PRICES, known="published", as_of=early).to_dicts()
    assert (row["known_at"], row["known_basis"]) == (early, "received")


def test_a_stated_time_counts_for_each_revision_and_a_missing_one_does_not() -> None:
    zone = ZoneInfo("Europe/London")
    start = datetime(2026, 3, 2, tzinfo=UTC)
    about = {"delivery_start": start, "delivery_end": start + 2 * QUARTER}
    said = [(start + HOUR, 1.0), (start + 5 * HOUR, 2.0), (None, 3.0)]
    store(
        "elexon_system_price",
        [
            {**about, "published_at": at, "system_sell_price_gbp_per_mwh": value}
            | {"received_at": MUCH_LATER + n * HOUR}
            for n, (at, value) in enumerate(said)
        ],
    )
    log = ep.revisions("elexon_system_price", known="published", zone=zone)
    by_value = {row["system_sell_price_gbp_per_mwh"]: row for row in log.to_dicts()}
    assert [by_value[value]["known_basis"] for value in (1.0, 2.0, 3.0)] == [
        "stated", "stated", "received",
    ]  # fmt: skip
    assert by_value[2.0]["known_at"] == start + 5 * HOUR
    assert by_value[3.0]["known_at"] == MUCH_LATER + 2 * HOUR
    known = ep.load("elexon_system_price", as_of=start + 2 * HOUR, known="published")
    assert known["system_sell_price_gbp_per_mwh"].to_list() == [1.0]


def test_each_source_says_from_when_on_a_row_could_be_known() -> None:
    for name, source in market_sources().items():
        rules = source.knowable_from
        assert rules, name
        assert dataset(name).knowable_from == rules, "readers know the same rules"
        assert dataset(name).whole_run == source.whole_run
        if issubclass(source.rows, ForecastRows):
            assert any(isinstance(rule, AfterRun) for rule in rules), name
    assert dataset("smard_price").knowable_from == (
        Stated("published_at"),
        DailyPublication(at=time(14), zone="Europe/Berlin", days_ahead=1),
    )
    assert dataset("entsoe_load").knowable_from == (
        AfterEvent(dataset("entsoe_load").expected_lag),
    )
    [first, _] = dataset("entsoe_wind_solar_forecast").knowable_from
    assert isinstance(first, Where)


@pytest.mark.parametrize("name", [*market_sources()])
def test_every_table_answers_by_the_providers_clock(name: str) -> None:
    store(name, [])
    frame = ep.load(name, known="published", as_of=MUCH_LATER)
    assert frame.columns[-2:] == ["known_at", "known_basis"]
    assert ep.revisions(name, known="published").columns[-1] == "superseded_at"


def test_vintages_are_the_answers_at_each_moment() -> None:
    store(PRICES, [price(1.0, PUBLISHED), price(2.0, PUBLISHED + 8 * HOUR)])
    hours = [12 * HOUR, HOUR]
    by_lead = ep.vintages(PRICES, lead_times=hours)
    assert list(zip(by_lead["lead_time"], values(by_lead), strict=True)) == [(HOUR, 2.0)]
    by_lead = ep.vintages(PRICES, lead_times=[11 * HOUR, HOUR])
    assert list(zip(by_lead["lead_time"], values(by_lead), strict=True)) == [
        (11 * HOUR, 1.0),
        (HOUR, 2.0),
    ]
    gates = [GATE, "D-1 22:00 Europe/Berlin"]
    by_gate = ep.vintages(PRICES, gates=gates, zone="Europe/Berlin")
    assert by_gate["gate"].to_list() == gates
    assert [f"{at:%H:%M}" for at in by_gate["as_of"]] == ["13:00", "22:00"]
    instants = ep.vintages(PRICES, instants=[PUBLISHED, "2026-03-28 21:30"], zone="UTC")
    assert values(instants) == [1.0, 2.0]
    assert instants.columns[0] == "as_of"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"lead_times": [HOUR], "gates": [GATE]},
        {"lead_times": []},
        {"gates": GATE},
        {"gates": ["2026-03-28T12:00Z"]},
        {"instants": [HOUR]},
        {"instants": [GATE]},
        {"lead_times": [GATE]},
        {"lead_times": [-HOUR]},
        {"gates": ["D-0 12:00 Europe/Berlin"]},
    ],
)
def test_vintages_want_one_kind_of_moments_that_do_not_look_ahead(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ep.vintages(PRICES, **asked)


def test_vintages_read_the_table_once() -> None:
    store(PRICES, [price(1.0, PUBLISHED)])
    table = dataset(PRICES).table
    stored = here.place.warehouse().scan(table)
    question = Question(table=table, vintages=tuple(LeadTime(n * HOUR) for n in range(4)))
    plan = answer(stored, question).explain()
    assert plan.upper().count("SCAN") == 1, plan
    assert answer(stored, question).collect().height == 4


FIRST_RUN: Final = datetime(2026, 3, 28, tzinfo=UTC)
SECOND_RUN: Final = FIRST_RUN + 6 * HOUR
GFS: Final = "noaa_gfs_wind_forecast"


def two_runs() -> None:
    """Store a run that came in two pieces, and one of which the first piece has come."""
    store(
        GFS,
        [
            *wind(FIRST_RUN, range(5), FIRST_RUN + 4 * HOUR),
            *wind(FIRST_RUN, range(5, 12), FIRST_RUN + 5 * HOUR),
            *wind(SECOND_RUN, range(5), SECOND_RUN + 4 * HOUR),
        ],
    )


def test_runs_say_which_are_complete_and_what_was_expected() -> None:
    two_runs()
    first, second = ep.runs(GFS).to_dicts()
    assert (first["is_complete"], second["is_complete"]) == (True, False)
    assert (second["values"], second["expected_values"]) == (5, 12)
    assert second["expected_from"] == "earlier runs"
    assert first["complete_at"] == FIRST_RUN + 5 * HOUR
    assert second["complete_at"] is None
    arriving = ep.runs(GFS, as_of=FIRST_RUN + 4 * HOUR)
    assert arriving["is_complete"].to_list() == [None], "one run has nothing to be compared with"
    assert ep.runs(GFS, start=SECOND_RUN)["run_at"].to_list() == [SECOND_RUN]
    assert ep.runs(GFS, end=SECOND_RUN)["run_at"].to_list() == [FIRST_RUN]


def test_a_declared_size_decides() -> None:
    store(
        "dwd_mosmix_forecast",
        [
            {"run_at": FIRST_RUN, "valid_at": FIRST_RUN + HOUR, "station_id": "10015"}
            | {"received_at": FIRST_RUN + HOUR}
        ],
    )
    [run] = ep.runs("dwd_mosmix_forecast").to_dicts()
    assert run["expected_values"] == dataset("dwd_mosmix_forecast").whole_run == 60 * 247
    assert (run["expected_from"], run["is_complete"]) == ("declared", False)
    with pytest.raises(UsageError, match="the newest has 1 values of 14820"):
        ep.load("dwd_mosmix_forecast", run="latest_complete")


def test_the_latest_run_is_one_run_and_the_latest_complete_one_is_whole() -> None:
    two_runs()
    for asked, run_at, count in [
        ("latest", SECOND_RUN, 5),
        ("latest_complete", FIRST_RUN, 12),
    ]:
        rows = ep.load(GFS, run=asked)
        assert rows["run_at"].unique().to_list() == [run_at]
        assert rows.height == count
    each = ep.load(GFS, run="latest_each")
    assert each["valid_at"].n_unique() == each.height == 12
    assert each["run_at"].n_unique() == 2
    before = ep.load(GFS, run="latest", as_of=SECOND_RUN)
    assert before["run_at"].unique().to_list() == [FIRST_RUN]


def test_the_latest_run_at_each_gate_is_the_one_known_then() -> None:
    two_runs()
    known = ep.load(GFS, run="latest", as_of=HOUR)
    by_valid = dict(zip(known["valid_at"], known["run_at"], strict=True))
    # At 04:00 the row for 05:00 had not come yet; from 10:00 on the second run is the newest.
    assert by_valid == {FIRST_RUN + hour * HOUR: FIRST_RUN for hour in range(6, 11)}
    each = ep.load(GFS, run="latest_each", as_of=HOUR)
    assert {*each["valid_at"]} == {FIRST_RUN + hour * HOUR for hour in range(6, 12)}


def test_the_development_of_one_delivery_over_knowledge_time() -> None:
    two_runs()
    at = SECOND_RUN + 2 * HOUR
    grown = ep.development(GFS, at=at)
    assert grown["run_at"].to_list() == [FIRST_RUN, SECOND_RUN]
    assert grown["known_at"].is_sorted()
    store(PRICES, [price(1.0, PUBLISHED), price(2.0, PUBLISHED + HOUR)])
    grown = ep.development(PRICES, at="2026-03-29 00:00", zone="Europe/Berlin")
    assert values(grown) == [1.0, 2.0]
    with pytest.raises(UsageError, match="no bidding_zone='FR'"):
        ep.development(PRICES, at=MIDNIGHT, where={"bidding_zone": "FR"})


def test_the_development_of_the_delivery_that_holds_at_an_instant() -> None:
    shorter = {**price(2.0, PUBLISHED + HOUR), "delivery_end": MIDNIGHT + QUARTER / 3}
    store(PRICES, [price(1.0, PUBLISHED), shorter, price(3.0, PUBLISHED, quarter=1)])
    for at in (MIDNIGHT, MIDNIGHT + QUARTER / 15, MIDNIGHT + QUARTER / 3, MIDNIGHT + QUARTER / 2):
        assert values(ep.development(PRICES, at=at)) == [1.0, 2.0], at
    assert values(ep.development(PRICES, at=MIDNIGHT + QUARTER)) == [3.0]
    assert ep.development(PRICES, at=MIDNIGHT + 2 * QUARTER).is_empty()
    assert ep.development(PRICES, at=MIDNIGHT - QUARTER).is_empty()


def test_an_outage_of_months_holds_at_an_instant_within() -> None:
    about = {"bidding_zone": "FR", "outage_id": "A", "received_at": PUBLISHED}
    store(
        "entsoe_outage",
        [{**about, "delivery_start": MIDNIGHT, "delivery_end": MIDNIGHT + 999 * HOUR}],
    )
    assert ep.development("entsoe_outage", at=MIDNIGHT + 500 * HOUR).height == 1
    assert ep.development("entsoe_outage", at=MIDNIGHT + 999 * HOUR).is_empty()


def test_a_value_of_an_instant_holds_until_the_next() -> None:
    two_runs()
    half_past = ep.development(GFS, at=SECOND_RUN + 2.5 * HOUR)
    assert half_past.equals(ep.development(GFS, at=SECOND_RUN + 2 * HOUR))
    assert half_past.height == 2
    last = FIRST_RUN + 11 * HOUR
    assert ep.development(GFS, at=last).height == 1
    assert ep.development(GFS, at=last + HOUR / 2).is_empty(), "nobody knows how long it holds"


@pytest.mark.parametrize("run", ["latest", "latest_complete"])
def test_vintages_of_a_run_are_those_that_each_moment_has(run: Any) -> None:
    two_runs()
    moments = [SECOND_RUN + 4 * HOUR, SECOND_RUN + 5 * HOUR]
    if run == "latest":  # of one run alone nobody knows whether it is complete
        moments = [FIRST_RUN + 5 * HOUR, SECOND_RUN, *moments]
    each = ep.vintages(GFS, run=run, instants=moments)
    for moment in moments:
        wanted = ep.load(GFS, run=run, as_of=moment)
        assert each.filter(as_of=moment).drop("as_of").equals(wanted)
    runs = [each.filter(as_of=moment)["run_at"].unique().to_list() for moment in moments]
    first, second = [FIRST_RUN], [SECOND_RUN]
    assert runs == ([first, first, second, second] if run == "latest" else [first, first])
    by_lead = ep.vintages(GFS, run="latest", lead_times=[HOUR])
    assert by_lead.drop("lead_time", "as_of").equals(ep.load(GFS, run="latest", as_of=HOUR))


def test_what_is_no_clock_no_run_or_has_no_past_is_refused() -> None:
    for name in (PRICES, GFS):
        store(name, [])
    with pytest.raises(UsageError, match="known is"):
        ep.scan(PRICES, known="guessed")  # type: ignore[arg-type]  # what must be refused
    asks: list[Callable[[], object]] = [
        lambda: ep.revisions("residual_load"),
        lambda: ep.vintages("residual_load", lead_times=[HOUR]),
        lambda: ep.load("residual_load", known="published"),
        lambda: ep.revisions(PRICES, run="latest"),
        lambda: ep.load(GFS, run="newest"),
        lambda: ep.load(PRICES, as_of=-HOUR),
    ]
    for ask in asks:
        with pytest.raises(UsageError):
            ask()
