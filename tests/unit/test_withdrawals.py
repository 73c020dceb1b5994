"""What a newer whole list no longer has is withdrawn, against a model that reads row by row.

The rows take the real way: messages, micro-batches of any size, deaths and replays in between.
"""

import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.rows import REFUSED, DeliveryRows
from energy_platform.market.source import MarketSource, each_message
from energy_platform.market.whole_list import WITHDRAWN, WholeList
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.redrive import redrive
from energy_platform.pipeline.tables import market_table
from energy_platform.reading import loading
from energy_platform.reading import rows as reading
from energy_platform.reading.declared import source_dataset
from energy_platform.reading.place import Place
from energy_platform.reading.platform import here
from tests.support.effort import examples
from tests.support.sources import EXAMPLE
from tests.support.stores import batches_in, hot, land, run_all, stored
from tests.unit.test_as_of import work, works

NOON = datetime(2026, 3, 29, 10, tzinfo=UTC)
GARBAGE = b"<html>"
TOO_MUCH = 9_999.0
Row = dict[str, Any]


class Bids(DeliveryRows):
    """A bid of a tender; every column that any kind of list needs."""

    tender: str = pa.Field(description="Tender")
    item: int = pa.Field(description="Item")
    number: int = pa.Field(description="Number")
    is_whole: bool = pa.Field(description="Is whole")
    gone: bool = pa.Field(description="Gone")
    price_eur_per_mwh: float = pa.Field(le=5000, description="Price eur per mwh")


@each_message
def parse(message: RawMessage) -> pl.DataFrame:
    """Read a JSON array of bids; an item stands for a delivery period too."""
    schema = {"tender": pl.String, "item": pl.Int64, "number": pl.Int64, "is_whole": pl.Boolean}
    schema |= {"gone": pl.Boolean, "price_eur_per_mwh": pl.Float64}
    start = pl.lit(NOON).dt.cast_time_unit("us") + pl.duration(hours=pl.col("item"))
    return pl.DataFrame(json.loads(message.body), schema=schema).with_columns(
        delivery_start=start, delivery_end=start + timedelta(hours=1)
    )


TENDERS = replace(
    EXAMPLE,
    name="tenders",
    parse=parse,
    rows=Bids,
    key=("tender", "item"),
    hot_tags=("tender",),
    hot_fields=("price_eur_per_mwh",),
    whole_list=WholeList(name={"tender": pl.col("tender")}, asked={"tender": "tender"}),
)
"""Lists that are known by what was asked for, the later one the newer."""

DOCUMENTS = replace(
    TENDERS,
    name="documents",
    key=("tender", "number", "item"),
    whole_list=WholeList(name={"tender": pl.col("tender")}, number="number"),
)
"""Lists that are numbered, each in the place of those of lower numbers."""

BOOKS = replace(
    TENDERS,
    name="books",
    key=("tender", "item", "number", "is_whole"),
    whole_list=WholeList(
        name={"tender": pl.col("tender")},
        whole=pl.col("is_whole"),
        item=("item",),
        number="number",
        gone=pl.col("gone"),
        reach=timedelta(days=1),
    ),
)
"""Whole lists that are numbered, and changes to them in between."""

bids = st.fixed_dictionaries(
    {
        "tender": st.sampled_from(["A", "B"]),
        "item": st.integers(1, 4),
        "number": st.integers(1, 4),
        "is_whole": st.sampled_from([True, True, False]),
        "gone": st.sampled_from([False, False, True]),
        "price_eur_per_mwh": st.sampled_from([1.0, 2.0, TOO_MUCH]),
    }
)
messages = st.lists(
    st.tuples(
        st.one_of(st.none(), st.sampled_from(["A", "B"])),
        st.one_of(st.lists(bids, max_size=6), st.just(None)),
    ),
    min_size=2,
    max_size=8,
)
"""The tender that was asked for, if that is known, and its bids; None is no reply."""


def raw(said: list[tuple[str | None, list[Row] | None]]) -> list[RawMessage]:
    return [
        RawMessage(
            body=GARBAGE if rows is None else json.dumps(rows).encode(),
            received_at=NOON + timedelta(minutes=minute),
            context={} if asked is None else {"tender": asked},
        )
        for minute, (asked, rows) in enumerate(said)
    ]


def tidy(said: list[tuple[str | None, list[Row] | None]], source: MarketSource) -> None:
    """A message says a key once; what is changed is of one list, as its provider has it."""
    for _, rows in said:
        if rows is not None:
            once = {tuple(row[name] for name in source.key): row for row in rows}
            rows[:] = once.values()


def good(row: Row) -> bool:
    return bool(row["price_eur_per_mwh"] <= 5_000)


def tenders_then(said: list[tuple[str | None, list[Row] | None]]) -> list[Row]:
    """Return what stands after these messages: the newest list of each tender."""
    lists: dict[str, dict[int, Row]] = {"A": {}, "B": {}}
    for asked, rows in said:
        if rows is None:
            continue
        said_of = {row["tender"] for row in rows}
        shown = {row["tender"] for row in rows if good(row)}
        if asked is not None:
            shown = {asked} if not rows else shown if said_of == {asked} else set()
        for tender in shown:
            items = {row["item"] for row in rows if row["tender"] == tender}
            lists[tender] = {i: row for i, row in lists[tender].items() if i in items}
        for row in filter(good, rows):
            lists[row["tender"]][row["item"]] = row
    return [row for rows in lists.values() for row in rows.values()]


def documents_then(said: list[tuple[str | None, list[Row] | None]]) -> list[Row]:
    """Return the rows of each tender's highest number that has a list."""
    rows = {
        (row["tender"], row["number"], row["item"]): row
        for _, listed in said
        for row in listed or []
        if good(row)
    }
    highest = {tender: max(n for t, n, _ in rows if t == tender) for tender, _, _ in rows}
    return [row for (tender, number, _), row in rows.items() if number == highest[tender]]


def books_then(said: list[tuple[str | None, list[Row] | None]]) -> list[Row]:
    """Return what no newer whole list lacks, of items that didn't say themselves they are gone."""
    rows = [
        {**row, "at": at}
        for at, (_, listed) in enumerate(said)
        for row in listed or []
        if good(row)
    ]
    lists: dict[tuple[str, int, int], set[int]] = {}
    for at, (_, listed) in enumerate(said):
        for row in filter(lambda row: row["is_whole"], listed or []):
            lists.setdefault((row["tender"], row["number"], at), set()).add(row["item"])
    absent: dict[tuple[Any, ...], list[Row]] = {}
    for row, (tender, number, at) in product(rows, lists):
        same = [one for one in rows if (one["tender"], one["number"]) == (tender, number)]
        whole = [one for one in same if one["is_whole"]]
        if row["tender"] != tender or row["number"] >= number:
            continue
        if row["at"] < at or (row["at"] == at and row["is_whole"]):
            is_list, items = any(one["at"] == at for one in whole), lists[tender, number, at]
        else:
            before = [one for one in whole if one["at"] < row["at"]]
            is_list, items = bool(before) and row["is_whole"], {one["item"] for one in before}
        if is_list and row["item"] not in items:
            beside = absent.setdefault((tender, row["item"], number, max(at, row["at"])), [])
            beside.append(row)
    withdrawn = {
        (*(row[name] for name in BOOKS.key), until)
        for (*_, until), beside in absent.items()
        if not max(beside, key=lambda one: (one["number"], one["at"]))["gone"]
        for row in beside
    }
    latest: dict[tuple[Any, ...], tuple[int, Row | None]] = {}
    for row in rows:
        latest[tuple(row[name] for name in BOOKS.key)] = (row["at"], row)
    for *key, until in withdrawn:
        if until >= latest[tuple(key)][0]:
            latest[tuple(key)] = (until, None)
    return [row for _, row in latest.values() if row is not None]


MODELS: dict[str, Callable[[list[tuple[str | None, list[Row] | None]]], list[Row]]] = {
    "tenders": tenders_then,
    "documents": documents_then,
    "books": books_then,
}
SAID = ("tender", "item", "number", "is_whole", "gone", "price_eur_per_mwh")


def sayings(rows: list[Row]) -> list[str]:
    return sorted(" ".join(str(row[name]) for name in SAID) for row in rows)


# Not shrunk: each try runs whole batches.
@settings(
    max_examples=examples(12), phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow]
)
@given(source=st.sampled_from([TENDERS, DOCUMENTS, BOOKS]), said=messages, done=works)
def test_what_stands_and_what_stood(
    source: MarketSource,
    said: list[tuple[str | None, list[Row] | None]],
    done: list[tuple[str, int]],
) -> None:
    tidy(said, source)
    landed = raw(said)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        batches = batches_in(Path(folder))
        patch.setattr(Place, "warehouse", lambda _, **__: batches.warehouse)
        for each in (reading, loading):
            patch.setattr(each, "dataset", lambda _: source_dataset(source))
        half = len(landed) // 2
        for arrived in (landed[:half], landed[half:]):
            land(batches, arrived, source=source)
            for what, number in done:
                work(batches, source, what, number)
        run_all(batches, source)
        for count, message in enumerate(landed, start=1):
            got = here.load(source.name, as_of=message.received_at).to_dicts()
            assert sayings(got) == sayings(MODELS[source.name](said[:count]))
        now = here.load(source.name)
        assert sayings(now.to_dicts()) == sayings(MODELS[source.name](said))
        assert now.schema == source.dtypes
        before = hot(batches, source)
        HotLane(batches, source).rebuild()
        assert_frame_equal(before, hot(batches, source))
        series = [*source.tags, source.event_time]
        assert before.select(series).rows() == now.select(series).unique().sort(series).rows()


def bid(item: int, price: float = 1.0, tender: str = "A") -> Row:
    more = {"number": 1, "is_whole": True, "gone": False}
    return {"tender": tender, "item": item, "price_eur_per_mwh": price, **more}


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MicroBatches:
    """Return the stores that `here` reads too, whatever source is asked of it."""
    opened = batches_in(tmp_path)
    monkeypatch.setattr(Place, "warehouse", lambda _, **__: opened.warehouse)
    return opened


Listed = Callable[..., list[Any]]


@pytest.fixture
def listed(batches: MicroBatches, monkeypatch: pytest.MonkeyPatch) -> Listed:
    """Land and run messages of a source one by one; return the values of a column of its rows."""

    def items(source: MarketSource, column: str, *messages: RawMessage, **asked: Any) -> list[Any]:
        for each in (reading, loading):
            monkeypatch.setattr(each, "dataset", lambda _: source_dataset(source))
        for message in messages:
            land(batches, [message], source=source)
            run_all(batches, source)
        return here.load(source.name, **asked)[column].to_list()

    return items


def test_what_comes_back_is_listed_again(listed: Listed) -> None:
    said = [[bid(1), bid(2)], [bid(1)], [bid(1), bid(2)]]
    messages = raw([("A", rows) for rows in said])
    assert listed(TENDERS, "item", *messages[:2]) == [1]
    assert listed(TENDERS, "item", messages[2]) == [1, 2]
    then = {"as_of": messages[1].received_at}
    assert listed(TENDERS, "item", **then) == [1]


def test_a_withdrawing_row_is_that_of_the_message_that_lacks_it(
    listed: Listed, batches: MicroBatches
) -> None:
    messages = raw([("A", [bid(1), bid(2, 7.5)]), ("A", [bid(1)]), ("A", [bid(1, 3.0)])])
    assert listed(TENDERS, "item", *messages) == [1]
    rows = stored(batches, TENDERS).filter(item=2)
    assert rows[WITHDRAWN].to_list() == [False, True]
    assert rows["landing_offset"].to_list() == [0, 1]
    assert rows["received_at"].to_list() == [one.received_at for one in messages[:2]]
    assert rows["price_eur_per_mwh"].to_list() == [7.5, 7.5]


def test_an_empty_list_withdraws_all_where_it_says_which_list_it_is(listed: Listed) -> None:
    full = raw([("A", [bid(1), bid(2)])])
    assert listed(TENDERS, "item", *full, *raw([(None, [])])) == [1, 2]
    assert listed(TENDERS, "item", *raw([("B", [])])) == [1, 2]
    assert listed(TENDERS, "item", *raw([("A", [])])) == []


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(("A", None), id="no reply"),
        pytest.param(("A", [bid(1, TOO_MUCH)]), id="no good row"),
        pytest.param(("A", [bid(1), bid(3, tender="B")]), id="a row of another list"),
        pytest.param(("B", [bid(1)]), id="another list than was asked for"),
    ],
)
def test_a_failed_or_foreign_reply_withdraws_nothing(
    listed: Listed, reply: tuple[str, list[Row] | None]
) -> None:
    messages = raw([("A", [bid(1), bid(2)]), reply])
    assert {1, 2} <= set(listed(TENDERS, "item", *messages))


def test_a_truncated_reply_withdraws_nothing(listed: Listed) -> None:
    whole, fewer = raw([("A", [bid(1), bid(2)]), ("A", [bid(1)])])
    assert listed(TENDERS, "item", whole, replace(fewer, body=fewer.body[:-1])) == [1, 2]


def test_a_bad_row_is_on_its_list_all_the_same(listed: Listed) -> None:
    messages = raw([("A", [bid(1), bid(2), bid(3)]), ("A", [bid(1), bid(2, TOO_MUCH)])])
    assert listed(TENDERS, "item", *messages) == [1, 2]


def test_a_part_that_its_parser_refuses_is_on_its_list_all_the_same(listed: Listed) -> None:
    """Also a part of which nobody knows which item it is: then its list withdraws nothing."""
    whole, fewer = raw([("A", [bid(1), bid(2), bid(3)]), ("A", [bid(1), bid(2)])])

    def refusing(name: str) -> MarketSource:
        def read(messages: Sequence[RawMessage]) -> pl.DataFrame:
            is_second = (pl.col("item") == 2) & (pl.col("landing_offset") == 1)
            why = pl.when(is_second).then(pl.lit("in another currency"))
            item = pl.when(is_second & (name == "item")).then(None).otherwise("item").alias("item")
            return parse(messages).with_columns(why.alias(REFUSED), item)

        return replace(TENDERS, parse=read, name=f"tenders_{name or 'known'}")

    assert listed(refusing(""), "item", whole, fewer) == [1, 2]
    assert listed(refusing("item"), "item", whole, fewer) == [1, 2, 3]


def test_a_redrive_withdraws_what_the_mended_message_lacks(
    listed: Listed, batches: MicroBatches
) -> None:
    *messages, mended = raw([("A", [bid(1), bid(2)]), ("A", None), ("A", [bid(2)])])
    assert listed(TENDERS, "item", *messages) == [1, 2]

    def parse_mended(messages: Sequence[RawMessage]) -> pl.DataFrame:
        said = [replace(one, body=mended.body) if one.body == GARBAGE else one for one in messages]
        return parse(said)

    redrive(batches, replace(TENDERS, parse=parse_mended))
    assert listed(TENDERS, "item") == [2]
    assert listed(TENDERS, "item", as_of=messages[0].received_at) == [1, 2]


def test_a_table_of_before_there_were_withdrawals_gets_the_column(
    listed: Listed, batches: MicroBatches
) -> None:
    unlisted = replace(TENDERS, whole_list=None)
    first, second = raw([("A", [bid(1), bid(2)]), ("A", [bid(1)])])
    assert listed(unlisted, "item", first) == [1, 2]
    assert WITHDRAWN not in batches.warehouse.scan(market_table(unlisted)).collect_schema()
    assert listed(TENDERS, "item") == [1, 2]
    assert listed(TENDERS, "item", second) == [1]
    assert listed(TENDERS, "item", as_of=first.received_at) == [1, 2]
    assert stored(batches, TENDERS)[WITHDRAWN].to_list() == [None, None, True]


LISTING = [
    pytest.param(source, source.whole_list, id=name)
    for name, source in market_sources().items()
    if source.whole_list is not None
]


@pytest.mark.parametrize(("source", "listing"), LISTING)
def test_a_list_is_named_by_what_its_rows_and_its_questions_say(
    source: MarketSource, listing: WholeList
) -> None:
    schema = pl.LazyFrame(schema=source.dtypes)
    names = schema.select(**listing.name).collect_schema()
    assert set(names.values()) == {pl.String()}
    assert schema.select(listing.whole, gone=listing.gone).collect_schema().dtypes() == [
        pl.Boolean(),
        pl.Boolean(),
    ]
    assert set(listing.items(source.key)) <= set(source.dtypes)
    assert not listing.asked or listing.asked.keys() == listing.name.keys()
    assert listing.number is None or listing.number in source.key
    assert market_table(source).dtypes[WITHDRAWN] == pl.Boolean()
    assert source.value_columns, "a withdrawal is a revision of values"


def workbook(*bids: tuple[str, float]) -> bytes:
    header = ["DATE_FROM", "PRODUCT", "CAPACITY_PRICE_[EUR/MW]", "OFFERED_CAPACITY_[MW]"]
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate([header, *([_DAY, *one, 5.0] for one in bids)]):
            sheet.write_row(number, 0, row)
    return file.getvalue()


_DAY = "2026-07-02"
FIRST = datetime(2026, 7, 1, 10, tzinfo=UTC)


def received(*bodies: bytes, **context: str) -> list[RawMessage]:
    return [
        RawMessage(body=body, received_at=FIRST + timedelta(hours=hour), context=context)
        for hour, body in enumerate(bodies)
    ]


def test_bids_that_a_newer_workbook_lacks(listed: Listed) -> None:
    source = market_source("regelleistung_tender")
    bodies = [
        workbook(("NEG_00_04", 1.0), ("NEG_00_04", 2.0), ("POS_00_04", 3.0)),
        workbook(("NEG_00_04", 2.0)),
        workbook(),
    ]
    asked = {"market": "CAPACITY", "productTypes": "aFRR", "date": _DAY}
    messages = received(*bodies, **asked)
    column = "capacity_price_eur_per_mw"
    assert listed(source, column, *messages[:2]) == [2.0]
    assert sorted(listed(source, column, as_of=FIRST)) == [1.0, 2.0, 3.0]
    # The list of another day that holds no bid says nothing of this one.
    [other] = received(workbook(), **{**asked, "date": "2026-07-03"})
    assert listed(source, column, other) == [2.0]
    assert listed(source, column, messages[2]) == []


def outage(revision: int, *starts: str) -> bytes:
    unit = "production_RegisteredResource"
    periods = "".join(
        f"<Available_Period><timeInterval><start>{start}:00Z</start><end>2026-08-01T00:00Z</end>"
        "</timeInterval><resolution>PT60M</resolution>"
        "<Point><position>1</position><quantity>0</quantity></Point></Available_Period>"
        for start in starts
    )
    return f"""<Unavailability_MarketDocument
      xmlns="urn:iec62325.351:tc57wg16:451-6:outagedocument:3:0"><mRID>one</mRID>
      <revisionNumber>{revision}</revisionNumber><type>A77</type>
      <createdDateTime>2026-07-01T0{revision}:00:00Z</createdDateTime>
      <TimeSeries><mRID>1</mRID><businessType>A53</businessType>
      <biddingZone_Domain.mRID codingScheme="A01">10YNL----------L</biddingZone_Domain.mRID>
      <quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name>
      <{unit}.mRID codingScheme="A01">49W0000000001234</{unit}.mRID>{periods}
      </TimeSeries></Unavailability_MarketDocument>""".encode()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_stretches_that_a_higher_revision_of_an_outage_lacks(
    listed: Listed, order: tuple[int, int]
) -> None:
    source = market_source("entsoe_outage")
    revisions = [outage(1, "2026-07-02T00", "2026-07-10T00"), outage(2, "2026-07-02T00")]
    messages = received(*(revisions[at] for at in order))
    assert listed(source, "revision_number", *messages) == [2]
    stood = listed(source, "revision_number", as_of=FIRST)
    assert stood == ([1, 1] if order == (0, 1) else [2])


def book(revision: int, *orders: str) -> bytes:
    said = {"price": 4_000, "qty": 1_000, "deleted": False, "updatedAt": FIRST.isoformat()}
    return json.dumps(
        [
            {
                "contractId": "NX_100",
                "deliveryAreaId": 22,
                "revisionNo": revision,
                "buyOrders": [{"orderId": one, **said} for one in orders],
                "sellOrders": [],
                "updatedAt": FIRST.isoformat(),
            }
        ]
    ).encode()


def test_orders_that_a_newer_snapshot_lacks(listed: Listed, batches: MicroBatches) -> None:
    source = market_source("nord_pool_intraday_order_book")
    first, second, nothing = received(book(1, "11", "12"), book(5, "12"), book(9), snapshot="true")
    assert set(listed(source, "order_id", first, second)) == {"12"}
    assert hot(batches, source)["order_id"].to_list() == ["12"]
    assert listed(source, "order_id", as_of=FIRST) == ["11", "12"]
    [change] = received(book(7, "13"), snapshot="false")
    assert set(listed(source, "order_id", change)) == {"12", "13"}
    assert set(listed(source, "order_id", nothing)) == {"EMPTY"}
