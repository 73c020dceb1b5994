"""Open positions: each viewer sees those of their portfolios, valued at what stands now."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from energy_platform.dashboard.access.visitor import Role, Visitor, Way
from energy_platform.dashboard.entitlement import NotEntitledError, require_may_watch
from energy_platform.dashboard.holdings import known_of, start_of_day
from energy_platform.dashboard.stores import Stores
from tests.support.dashboard import Desk, Page
from tests.unit.dashboard.test_intraday import HOUR, QUARTER, order, send_book, send_contract

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + 2 * HOUR
CONTRACT = "NX_1"
TOPIC = "positions:north"


def stated(
    mw: float, start: datetime = START, *, lasting: timedelta = QUARTER, **said: str
) -> dict[str, Any]:
    return {
        "portfolio": "north", "area": "DE-LU", "kind": "generation_forecast", "name": "Park A",
        "delivery_start": start, "delivery_end": start + lasting, "power_mw": mw,
        "changed_by": "anna", **said,
    }  # fmt: skip


def state(desk: Desk, *rows: Mapping[str, Any], received_at: datetime | None = None) -> None:
    desk.store("position", pl.DataFrame(rows), received_at=received_at)


def prices(start: datetime, values: Sequence[float]) -> pl.DataFrame:
    starts = [start + number * QUARTER for number in range(len(values))]
    return pl.DataFrame(
        {
            "delivery_start": starts,
            "delivery_end": [one + QUARTER for one in starts],
            "bidding_zone": "DE-LU",
            "price_eur_per_mwh": values,
        }
    )


def imbalance(price: float, start: datetime, **said: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "delivery_start": [start], "delivery_end": [start + QUARTER],
            "product": ["AEP-Schätzer"], "quality": ["operational"], "series": ["AEP-Schätzer"],
            "power_mw": [None], "price_eur_per_mwh": [price],
        },
        schema_overrides={"power_mw": pl.Float64},
    ).with_columns(**{name: pl.lit(value) for name, value in said.items()})  # fmt: skip


def row(page: Page, topic: str, mark: str) -> dict[str, Any]:
    found = [one for name, one in page.rows.get(topic, {}).items() if mark in name]
    return found[0] if found else {}


def of(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_position_is_valued_at_all_that_stands_and_follows_it(desk: Desk) -> None:
    bids = [order("a", 49.0, 5.0), order("b", 48.0, 3.0)]
    send_contract(desk, CONTRACT, START)
    send_book(desk, 1, buys=bids, sells=[order("c", 51.0, 2.0)], snapshot=True)
    desk.store("energy_charts_price", prices(START, [77.5]))
    desk.store("netztransparenz_imbalance", imbalance(90.0, START - 3 * HOUR))
    state(desk, stated(12.0), stated(-4.0, kind="schedule", name="nomination", changed_by="bert"))
    with desk.page(**{TOPIC: None}) as page:

        def told() -> dict[str, Any]:
            return row(page, TOPIC, of(START))

        page.until(lambda: told().get("close_cost_eur") is not None)
        assert told()["id"] == f"north|DE-LU|{of(START)}"
        assert (told()["generation_forecast_mw"], told()["schedule_mw"]) == (12.0, -4.0)
        assert told()["open_mw"] == 8.0
        # 5 MW at 49 and 3 MW at 48, for a quarter of an hour: money to get.
        assert told()["close_cost_eur"] == pytest.approx(-(5 * 49 + 3 * 48) / 4)
        assert told()["unfilled_mw"] == 0
        assert told()["day_ahead_value_eur"] == pytest.approx(8 * 77.5 / 4)
        assert told()["imbalance_cost_eur"] == pytest.approx(-8 * 90 / 4)
        assert told()["imbalance_from"] == of(START - 3 * HOUR)
        assert told()["imbalance_product"] == "AEP-Schätzer"
        assert told()["day_ahead_from"] == of(START)
        assert told()["contract_id"] == CONTRACT
        assert told()["changed_by"] in {"anna", "bert"}
        # The book changes.
        send_book(desk, 2, buys=[order("a", 49.0, 5.0, deleted=True)])
        page.until(lambda: told()["unfilled_mw"] == 5)
        assert told()["close_cost_eur"] == pytest.approx(-3 * 48 / 4)
        # The auction's price is corrected.
        desk.store("energy_charts_price", prices(START, [-10.0]))
        page.until(lambda: told()["day_ahead_eur_per_mwh"] == -10.0)
        # A newer imbalance price comes.
        desk.store("netztransparenz_imbalance", imbalance(200.0, START - 2 * HOUR))
        page.until(lambda: told()["imbalance_eur_per_mwh"] == 200.0)
        # Somebody changes the position: it is short now, and is bought back.
        state(desk, stated(3.0, changed_by="carla"))
        page.until(lambda: told()["open_mw"] == -1.0)
        assert told()["close_cost_eur"] == pytest.approx(51 / 4)
        assert told()["changed_by"] == "carla"
        assert page.snapshots == {TOPIC: 1}


def test_a_surplus_and_a_lack_are_settled_at_their_own_prices(desk: Desk) -> None:
    at = START - 3 * HOUR
    for series, price in (("reBAP unterdeckt", 120.0), ("reBAP ueberdeckt", 80.0)):
        final = imbalance(price, at, product="reBAP", quality="quality_assured", series=series)
        desk.store("netztransparenz_imbalance", final)
    state(desk, stated(8.0), stated(-8.0, START + QUARTER))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: len(page.rows.get(TOPIC, ())) == 2)
        for start, cost, series in (
            (START, -8 * 80 / 4, "reBAP ueberdeckt"),
            (START + QUARTER, 8 * 120 / 4, "reBAP unterdeckt"),
        ):
            found = row(page, TOPIC, of(start))
            assert found["imbalance_cost_eur"] == pytest.approx(cost)
            assert found["imbalance_series"] == series


def test_a_portfolio_shows_its_own_rows_and_a_star_all(desk: Desk) -> None:
    state(desk, stated(1.0), stated(2.0, portfolio="south"), stated(4.0, area="AMP"))
    with desk.page(**{TOPIC: None, "positions:*": None, "positions:none": None}) as page:
        page.until(lambda: len(page.rows.get("positions:*", ())) == 3)
        page.until(lambda: len(page.rows.get(TOPIC, ())) == 2)
        page.until(lambda: page.rows.get("positions:none") == {})
        assert {one["portfolio"] for one in page.rows[TOPIC].values()} == {"north"}


def test_a_quarter_hour_leads_to_the_longer_rows_that_state_it(desk: Desk) -> None:
    quarter = START + QUARTER
    state(desk, stated(5.0, START - 12 * HOUR, lasting=24 * HOUR, name="base"))
    state(desk, stated(3.0, quarter, name="deal"), stated(9.0, START, name="before"))

    def told(**key: str) -> list[str]:
        asked = {"portfolio": "north", "delivery_start": quarter.isoformat(), **key}
        return [
            one["name"] for one in desk.get("/api/lineage/position", **asked).json()["revisions"]
        ]

    assert told() == ["deal", "base"]
    assert told(name="base") == ["base"]
    assert told(delivery_start=(START + 12 * HOUR).isoformat()) == []


def test_an_exposure_is_the_mean_over_the_delivery_closed_in_its_own_book(desk: Desk) -> None:
    hour = "NX_H"
    send_contract(desk, CONTRACT, START)
    send_contract(desk, hour, START, durationSeconds=3600, productType="P60MIN",
                  dlvryEnd=(START + HOUR).isoformat())  # fmt: skip
    send_book(desk, 1, buys=[order("a", 49.0, 50.0)], snapshot=True)
    state(
        desk,
        stated(8.0),
        stated(4.0, START + QUARTER, portfolio="south"),
        stated(2.0, START + QUARTER, area="TTG"),
    )
    quarters, hours = "exposure:*:DE-LU:QH", "exposure:north:DE-LU:H"
    with desk.page(**{quarters: None, hours: None, "exposure:*:TTG:H": None}) as page:
        page.until(lambda: CONTRACT in page.rows.get(quarters, {}))
        told = page.rows[quarters][CONTRACT]
        assert (told["position_mw"], told["unfilled_mw"]) == (8.0, 0)
        assert told["close_cost_eur"] == pytest.approx(-8 * 49 / 4)
        page.until(lambda: hour in page.rows.get(hours, {}))
        told = page.rows[hours][hour]
        # 8 MW and 2 MW of four quarter-hours, and nobody buys a whole hour.
        assert (told["position_mw"], told["unfilled_mw"]) == (2.5, 2.5)
        assert told["close_cost_eur"] is None
    for portfolios, mean_mw in ((["south"], 1.0), (["north", "south"], 3.5), (["*"], 3.5)):
        asked = desk.get("/api/positions/exposure", portfolio=portfolios, product="H")
        assert [one["position_mw"] for one in asked.json()["rows"]] == [mean_mw]
    both = "exposure:north,south:DE-LU:H"
    with desk.page(**{both: None}) as page:
        page.until(lambda: hour in page.rows.get(both, {}))
        assert page.rows[both][hour]["position_mw"] == 3.5


def test_what_was_open_then_is_told_as_it_was_known(desk: Desk) -> None:
    then = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    state(desk, stated(12.0), stated(5.0, portfolio="south"), received_at=then)
    state(desk, stated(7.0, changed_by="bert"))

    def told(path: str, column: str, **query: Any) -> list[Any]:
        answer = desk.get(f"/api/positions/{path}", **query)
        assert answer.status_code == 200, answer.text
        return [one[column] for one in answer.json()["rows"]]

    known = (then + timedelta(minutes=1)).isoformat()
    assert told("open", "open_mw", portfolio="north") == [7.0]
    assert told("open", "open_mw", portfolio="north", as_of=known) == [12.0]
    assert told("open", "open_mw") == [7.0, 5.0]
    assert told("open", "open_mw", start=(START + QUARTER).isoformat()) == []
    assert told("portfolios", "portfolio") == ["north", "south"]
    assert told("changes", "changed_by") == ["bert", "anna", "anna"]
    assert told("changes", "was_mwh", portfolio="north", limit=1) == [3.0]
    assert told("changes", "now_mwh", portfolio="north") == [1.75, 3.0]
    assert told("changes", "is_new", portfolio="north") == [False, True]
    assert told("changes", "now_mwh", portfolio="north", as_of=known) == [3.0]
    written = desk.get("/api/positions/open", format="csv").text.splitlines()
    assert len(written) == 3


@pytest.mark.parametrize(
    ("day", "quarters"),
    [((2026, 3, 29), 92), ((2026, 6, 1), 96), ((2026, 10, 25), 100)],
    ids=["spring", "summer", "autumn"],
)
def test_a_day_has_its_quarter_hours(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, day: tuple[int, int, int], quarters: int
) -> None:
    noon = datetime(*day, 12, tzinfo=BERLIN).astimezone(UTC)
    midnight = datetime.combine(noon.date(), time(), BERLIN).astimezone(UTC)
    state(desk, stated(6.0, midnight, lasting=quarters * QUARTER), received_at=noon)
    stores = Stores.open(desk.settings)
    monkeypatch.setattr(Stores, "now", lambda _: noon)
    assert start_of_day(noon) == midnight
    opened = known_of(stores, noon).opened
    assert opened.height == quarters
    assert opened["open_mw"].unique().to_list() == [6.0]


def visitor(*portfolios: str) -> Visitor:
    return Visitor(name="anna", role=Role.VIEWER, portfolios=portfolios, way=Way.SESSION)


OF_NORTH = ["positions:north", "exposure:north:DE-LU:QH"]
OF_BOTH = ["exposure:north,south:DE-LU:QH"]
OF_ALL = ["positions:*", "exposure:*:DE-LU:QH", "source:position"]


@pytest.mark.parametrize(
    ("portfolios", "open_to_them"),
    [
        (["north"], OF_NORTH),
        (["north", "south"], [*OF_NORTH, *OF_BOTH]),
        (["*"], [*OF_NORTH, *OF_BOTH, *OF_ALL]),
        (["north-2", "nort", "south"], []),
        ([], []),
    ],
    ids=["north", "both", "all", "other", "none"],
)
def test_a_topic_is_opened_by_who_may_see_its_portfolio(
    portfolios: list[str], open_to_them: list[str]
) -> None:
    require_may_watch(visitor(*portfolios), "source:ceps_load")
    for topic in open_to_them:
        require_may_watch(visitor(*portfolios), topic)
    for topic in {*OF_NORTH, *OF_BOTH, *OF_ALL} - {*open_to_them}:
        with pytest.raises(NotEntitledError):
            require_may_watch(visitor(*portfolios), topic)
