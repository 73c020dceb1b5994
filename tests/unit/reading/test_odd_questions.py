"""A question that can't be answered is refused in the library's own words, whatever is odd."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import EnergyPlatformError
from tests.support.questions import HOUR, NOON, PRICES, QUESTIONS, WIND, fill_home

BERLIN: Final = ZoneInfo("Europe/Berlin")
TIMED: Final[dict[str, Callable[..., Any]]] = {
    "bars": lambda desk, **asked: desk.bars(index="ID3", **asked),
    "batches": lambda desk, **asked: list(desk.batches(PRICES, **asked)),
    "contracts": lambda desk, **asked: desk.contracts(**asked),
    "estimate": lambda desk, **asked: desk.estimate(PRICES, **asked),
    "frame": lambda desk, **asked: desk.frame(
        price=desk.series(PRICES, "price_eur_per_mwh", area="FR"), every="1h", **asked
    ),
    "load": lambda desk, **asked: desk.load(PRICES, **asked),
    "revisions": lambda desk, **asked: desk.revisions(PRICES, **asked),
    "runs": lambda desk, **asked: desk.runs(WIND, **asked),
    "scan": lambda desk, **asked: desk.scan(PRICES, **asked).collect(),
    "sql": lambda desk, **asked: desk.sql(f"select * from {PRICES}", **asked),
    "trades": lambda desk, **asked: desk.trades(**asked),
    "values": lambda desk, **asked: desk.values(PRICES, "bidding_zone", **asked),
    "vintages": lambda desk, **asked: desk.vintages(PRICES, lead_times=[HOUR], **asked),
}
"""The functions that take a window of time."""

ODD_TIMES: Final[list[dict[str, Any]]] = [
    {"day": "2026-03-01"},
    {"start": "2026-10-25 02:30", "end": "2026-10-26", "zone": "Europe/Berlin"},
    {"start": "2026-03-29 02:30", "end": "2026-03-30", "zone": "Europe/Berlin"},
    {"start": datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN), "end": NOON + 999 * HOUR},
    {"start": NOON, "end": NOON - HOUR},
    {"start": "soon", "zone": "UTC"},
    {"start": 5, "end": 6},
    {"day": "2026-02-30", "zone": "UTC"},
    {"day": datetime(2026, 3, 1, tzinfo=UTC), "zone": "UTC"},
    {"day": "2026-03-01", "month": "2026-03", "zone": "UTC"},
    {"month": "2026-13", "zone": "UTC"},
    {"day": "2026-03-01", "zone": "Europe/Atlantis"},
    {"day": "2026-03-01", "zone": 5},
    {"start": "2026-10-25 02:30", "end": "2026-10-26", "zone": "Europe/Berlin", "fold": 2},
]
ODD_KNOWLEDGE: Final[list[dict[str, Any]]] = [
    {"as_of": -HOUR},
    {"as_of": timedelta.max},
    {"as_of": "D-0 12:00 Europe/Berlin"},
    {"as_of": "D-1 25:00 Europe/Berlin"},
    {"as_of": "D-1 12:00 Europe/Atlantis"},
    {"as_of": "yesterday"},
    {"as_of": "2026-03-01 12:00"},
    {"as_of": 5},
    {"known": "guessed"},
]
ODD_ROWS: Final[list[dict[str, Any]]] = [
    {"columns": []},
    {"columns": "price_eur_per_mwh"},
    {"columns": ["price"]},
    {"columns": [5]},
    {"columns": ["bidding_zone", "bidding_zone"]},
    {"where": {"zone": "FR"}},
    {"where": {"bidding_zone": []}},
    {"where": {"bidding_zone": "FRA"}},
    {"where": {"bidding_zone": 5}},
    {"where": {"bidding_zone": pl.col("bidding_zone")}},
    {"where": {"price_eur_per_mwh": "high"}},
    {"where": {"delivery_start": "noon"}},
    {"where": {"delivery_start": datetime(2026, 3, 1)}},  # noqa: DTZ001 (that is what is odd)
    {"where": ["FR"]},
    {"where": "FR"},
    {"limit": -1},
    {"limit": "3"},
    {"max_rows": "3"},
    {"missing": "ignore"},
    {"run": "latest"},
    {"run": 5},
]
LIB: Final[Any] = ep
OTHERS: Final[dict[str, Callable[[Any], Any]]] = {
    "an unknown name": lambda desk: desk.load("energy_chart_price"),
    "a name that is none": lambda desk: desk.load(["energy_charts_price"]),
    "no name": lambda desk: desk.scan(None),
    "a table that was never stored": lambda desk: desk.load("smard_price"),
    "the past of a mart": lambda desk: desk.load("residual_load", as_of=NOON),
    "the past of a mart, estimated": lambda desk: desk.estimate("residual_load", as_of=NOON),
    "batches of no rows": lambda desk: desk.batches(PRICES, rows=0),
    "batches of some rows": lambda desk: desk.batches(PRICES, rows="many"),
    "newest rows of an unknown value": lambda desk: desk.latest(PRICES, where={"bidding_zone": ""}),
    "newest rows within what": lambda desk: desk.latest(PRICES, within="long"),
    "newest rows within all time": lambda desk: desk.latest(PRICES, within=timedelta.max),
    "values of no column": lambda desk: desk.values(PRICES, "zone"),
    "values of what": lambda desk: desk.values(PRICES, None),
    "runs of no forecast": lambda desk: desk.runs(PRICES),
    "an unknown run": lambda desk: desk.load(WIND, run="newest"),
    "a run without a zone": lambda desk: desk.load(WIND, run="2026-03-01 12:00"),
    "revisions of a mart": lambda desk: desk.revisions("residual_load"),
    "revisions of an unknown value": lambda desk: desk.revisions(
        PRICES, where={"bidding_zone": "FRA"}
    ),
    "revisions of an empty list": lambda desk: desk.revisions(PRICES, where={"bidding_zone": []}),
    "vintages of one moment": lambda desk: desk.vintages(PRICES, lead_times=HOUR),
    "vintages of no moments": lambda desk: desk.vintages(PRICES, gates=[]),
    "vintages of what": lambda desk: desk.vintages(PRICES, instants=[None]),
    "vintages of an unknown value": lambda desk: desk.vintages(
        PRICES, lead_times=[HOUR], where={"bidding_zone": "FRA"}
    ),
    "development without a zone": lambda desk: desk.development(PRICES, at="2026-03-01 12:00"),
    "development of an unknown value": lambda desk: desk.development(
        PRICES, at=NOON, where={"bidding_zone": "FRA"}
    ),
    "a series without a column": lambda desk: desk.series(PRICES, "price"),
    "a series of what": lambda desk: desk.series(PRICES, 5),
    "a series of names": lambda desk: desk.series(PRICES, "bidding_zone"),
    "a series of two areas": lambda desk: desk.series(
        PRICES, "price_eur_per_mwh", area=["DE-LU", "FR"]
    ),
    "a series of a number": lambda desk: desk.series(PRICES, "price_eur_per_mwh", bidding_zone=5),
    "a series of no key column": lambda desk: desk.series(PRICES, "price_eur_per_mwh", zone="FR"),
    "a series later by what": lambda desk: desk.series(PRICES, "price_eur_per_mwh", lag="a day"),
    "a series later by a number": lambda desk: desk.series(PRICES, "price_eur_per_mwh", lag=24),
    "contracts of an unknown area": lambda desk: desk.contracts(area="XX", start=NOON),
    "contracts of areas": lambda desk: desk.contracts(area=["DE-LU"], start=NOON),
    "contracts of an unknown product": lambda desk: desk.contracts(product="P7MIN", start=NOON),
    "contracts of what": lambda desk: desk.contracts(product=15, start=NOON),
    "trades of all time": lambda desk: desk.trades(),
    "trades of no contract": lambda desk: desk.trades(contract="C7"),
    "trades of a number": lambda desk: desk.trades(contract=7),
    "a book of no contract": lambda desk: desk.book(NOON, "C7", "DE-LU"),
    "a book of no area": lambda desk: desk.book(NOON, "C1", "XX"),
    "a book of no levels": lambda desk: desk.book(NOON, "C1", "DE-LU", 0),
    "a book of what depth": lambda desk: desk.book(NOON, "C1", "DE-LU", "deep"),
    "a book before there was one": lambda desk: desk.book(NOON - 99 * HOUR, "C1", "DE-LU"),
    "a path of no contract": lambda desk: desk.book_path("C7", "DE-LU"),
    "a path that ends first": lambda desk: desk.book_path("C1", "DE-LU", NOON, NOON - HOUR),
    "bars of no length": lambda desk: desk.bars("C1"),
    "bars of a day": lambda desk: desk.bars("C1", every="1d"),
    "bars of what": lambda desk: desk.bars("C1", every=15),
    "an unknown index": lambda desk: desk.bars("C1", index="ID2"),
    "a search for a number": lambda desk: desk.search(5),
    "a search for nothing much": lambda desk: desk.search("wind", limit=0),
    "a catalogue of what": lambda desk: desk.catalog(None),
    "a card of an unknown name": lambda desk: desk.describe("wind"),
    "changes of a mart": lambda desk: desk.changes("residual_load"),
    "changes since what": lambda desk: desk.changes(PRICES, since="yesterday"),
    "changes since a number": lambda desk: desk.changes(PRICES, since=5),
    "no changes": lambda desk: desk.changes(PRICES, limit=0),
    "following nothing": lambda desk: desk.follow([]),
    "following a number": lambda desk: desk.follow(5),
    "following a mart": lambda desk: desk.follow("residual_load"),
    "following no column": lambda desk: desk.follow(PRICES, where={"price": 1}),
    "no query": lambda desk: desk.sql("give me prices"),
    "two queries": lambda desk: desk.sql("select 1; select 2"),
    "a query that writes": lambda desk: desk.sql("create table t as select 1"),
    "a query of a number": lambda desk: desk.sql(5),
    "a query of an unknown table": lambda desk: desk.sql("select * from prices"),
    "a query of no column": lambda desk: desk.sql(f"select price from {PRICES}"),
    "batches of an unknown source": lambda desk: desk.batch_history("smard"),
    "names in a table without areas": lambda desk: desk.named(
        desk.load(WIND, limit=1), WIND
    ),
    "names in what": lambda desk: desk.named(desk.scan(PRICES), PRICES),
    "stations near what": lambda desk: desk.stations(near=5),
    "stations near no point": lambda desk: desk.stations(near=(200.0, 10.0)),
    "periods without a zone": lambda desk: LIB.periods(desk.load(PRICES), None),
    "periods of no column": lambda desk: LIB.periods(desk.load(PRICES), "UTC", at="at"),
    "periods of no instant": lambda desk: LIB.periods(desk.load(PRICES), "UTC", at="bidding_zone"),
    "periods of no length": lambda desk: LIB.periods(desk.load(PRICES), "UTC", every="0h"),
    "peak of an unknown market": lambda desk: LIB.peak(desk.load(PRICES), "XX"),
    "base of no column": lambda desk: LIB.base(desk.load(PRICES), "FR", at="at"),
    "off-peak of no instant": lambda desk: LIB.off_peak(desk.load(PRICES), "FR", at="bidding_zone"),
    "a home of nobody": lambda _: LIB.connect("~nobody-of-this-name/desk"),
    "a home that is none": lambda _: LIB.connect(5),
    "an address of what": lambda _: LIB.connect("ftp://a/b"),
}  # fmt: skip
ODD_FRAMES: Final[list[dict[str, Any]]] = [
    {"every": "7m"},
    {"every": 15},
    {"every": "99999999999h"},
    {"every": timedelta(days=1)},
    {"max_missing": 2.0},
    {"max_missing": "half"},
    {"max_gap": "long"},
    {"max_gap": "0h"},
    {"max_gap": timedelta.max},
    {"units": {"price": "bananas"}},
    {"units": {"price": "MW"}},
    {"units": {"price": 5}},
    {"units": {"wind": "MW"}},
    {"units": ["ct/kWh"]},
    {"as_of": -HOUR},
    {"start": date(1, 1, 1), "zone": "UTC"},
    {"end": date(9999, 12, 31), "zone": "UTC"},
    {"wind": "wind"},
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> ep.Platform:
    return ep.connect(fill_home(tmp_path_factory.mktemp("desk")))


def said(asked: dict[str, Any]) -> str:
    return ",".join(asked)


@pytest.mark.parametrize("asked", ODD_TIMES, ids=said)
@pytest.mark.parametrize("name", TIMED)
def test_odd_times(name: str, asked: dict[str, Any], desk: ep.Platform) -> None:
    with pytest.raises(EnergyPlatformError) as refused:
        TIMED[name](desk, **asked)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("asked", ODD_KNOWLEDGE, ids=said)
@pytest.mark.parametrize("name", ["estimate", "frame", "load", "revisions", "scan", "sql"])
def test_odd_moments_of_knowledge(name: str, asked: dict[str, Any], desk: ep.Platform) -> None:
    with pytest.raises(EnergyPlatformError):
        TIMED[name](desk, start=NOON, end=NOON + HOUR, **asked)


@pytest.mark.parametrize("asked", ODD_ROWS, ids=said)
def test_odd_rows(asked: dict[str, Any], desk: ep.Platform) -> None:
    with pytest.raises(EnergyPlatformError):
        desk.load(PRICES, **asked)


@pytest.mark.parametrize("name", OTHERS)
def test_other_odd_questions(name: str, desk: ep.Platform) -> None:
    with pytest.raises(EnergyPlatformError) as refused:
        OTHERS[name](desk)
    assert len(str(refused.value)) > 10


@pytest.mark.parametrize("asked", ODD_FRAMES, ids=said)
def test_odd_frames(asked: dict[str, Any], desk: ep.Platform) -> None:
    told: dict[str, Any] = {"every": "1h", "start": NOON, "end": NOON + HOUR}
    price = desk.series(PRICES, "price_eur_per_mwh", area="FR")
    assert desk.frame(price=price, **told).height == 1
    with pytest.raises(EnergyPlatformError):
        desk.frame(price=price, **told | asked)
    with pytest.raises(EnergyPlatformError, match="the frame's own column"):
        desk.frame(delivery_start=price, **told)


@pytest.mark.parametrize(
    "zone", [BERLIN, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/St_Johns")], ids=str
)
def test_a_time_of_any_zone_asks_the_same(zone: ZoneInfo, desk: ep.Platform) -> None:
    local = {"start": NOON.astimezone(zone), "end": (NOON + 4 * HOUR).astimezone(zone)}
    for name, ask in TIMED.items():
        assert _rows(ask(desk, **local)) == _rows(ask(desk, start=NOON, end=NOON + 4 * HOUR)), name


def test_each_hour_of_two_alike_can_be_asked_for(desk: ep.Platform) -> None:
    night = {"end": "2026-10-26", "zone": "Europe/Berlin"}
    for fold in (0, 1):
        for name, ask in TIMED.items():
            found = _rows(ask(desk, start="2026-10-25 02:30", fold=fold, **night))
            assert found is not None, name


def test_all_questions_have_odd_forms() -> None:
    asked = {*TIMED, "latest", "development", "series", "book", "book_path", "search", "catalog"}
    asked |= {"describe", "changes", "follow", "batch_history", "named", "stations"}
    assert QUESTIONS.keys() - asked == {"aload", "areas", "productions"}


def _rows(answer: Any) -> Any:
    if isinstance(answer, pl.DataFrame):
        return answer.rows()
    return [frame.rows() for frame in answer] if isinstance(answer, list) else answer
