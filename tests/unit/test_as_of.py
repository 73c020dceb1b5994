"""What `scan` says was known, against a model that looks at every row that ever arrived.

The rows take the real way: messages, micro-batches of any size, deaths and replays in between.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.rows import DeliveryRows, ForecastRows, MarketRows
from energy_platform.market.source import MarketSource, Parser, each_message
from energy_platform.market.table import PROVENANCE_COLUMNS
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.replay import replay
from energy_platform.reading import loading as loading_module
from energy_platform.reading import revisions as revisions_module
from energy_platform.reading import rows as rows_module
from energy_platform.reading.declared import source_dataset
from energy_platform.reading.place import Place
from energy_platform.reading.platform import here
from tests.support.effort import examples
from tests.support.sources import EXAMPLE
from tests.support.stores import Dying, KilledError, batches_in, land, run_all

if TYPE_CHECKING:
    from energy_platform.storage.warehouse.protocol import Warehouse

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 3, 28, 22, 45, tzinfo=UTC)
"""The last quarter-hour before the day on which Berlin's clocks are changed."""

EVENTS = [FIRST, FIRST + HOUR / 4, FIRST + 24 * HOUR, FIRST + 47 * HOUR]
Row = dict[str, Any]


class Prices(DeliveryRows):
    bidding_zone: str = pa.Field(description="Bidding zone")
    price_eur_per_mwh: float | None = pa.Field(
        nullable=True, le=5000, description="Price eur per mwh"
    )


class NumberedPrices(Prices):
    revision: int | None = pa.Field(nullable=True, description="Revision")


class Wind(ForecastRows):
    area: str = pa.Field(description="Area")
    wind_speed_m_per_s: float | None = pa.Field(
        nullable=True, le=5000, description="Wind speed m per s"
    )


ANY_ROW: Row = {"zone": "CZ", "event": 0, "value": 0.0, "number": None, "run": 1}


def price(row: Row) -> Row:
    start = EVENTS[row["event"]]
    return {
        "delivery_start": start,
        "delivery_end": start + HOUR / 4,
        "bidding_zone": row["zone"],
        "price_eur_per_mwh": row["value"],
    }


def numbered_price(row: Row) -> Row:
    return {**price(row), "revision": row["number"]}


def wind(row: Row) -> Row:
    return {
        "run_at": EVENTS[0] - row["run"] * 6 * HOUR,
        "valid_at": EVENTS[row["event"]],
        "area": row["zone"],
        "wind_speed_m_per_s": row["value"],
    }


def parser(columns: Callable[[Row], Row], of: type[MarketRows]) -> Parser:
    """Return the parser of a JSON array of rows."""
    dtypes = {name: column.dtype.type for name, column in of.to_schema().columns.items()}
    said = {name: dtypes[name] for name in columns(ANY_ROW)}

    @each_message
    def parse(message: RawMessage) -> pl.DataFrame:
        return pl.DataFrame(list(map(columns, json.loads(message.body))), schema=said)

    return parse


PRICES = replace(EXAMPLE, name="prices", parse=parser(price, Prices), rows=Prices)
NUMBERED = replace(
    EXAMPLE,
    name="numbered_prices",
    parse=parser(numbered_price, NumberedPrices),
    rows=NumberedPrices,
    revision="revision",
)
WIND = replace(
    EXAMPLE,
    name="wind",
    parse=parser(wind, Wind),
    rows=Wind,
    key=("area", "run_at", "valid_at"),
    event_time="valid_at",
)
COLUMNS = {"prices": price, "numbered_prices": numbered_price, "wind": wind}


@dataclass(frozen=True)
class Ask:
    """A way to ask `as_of`, and what it means by Python's own clocks."""

    as_of: Any
    known_by: Callable[[datetime], datetime]


def at_instant(hours: int) -> Ask:
    instant = FIRST + hours * HOUR
    return Ask(instant, lambda _: instant)


def ahead(hours: int) -> Ask:
    return Ask(hours * HOUR, lambda event: event - hours * HOUR)


def at_gate(days: int, hour: int) -> Ask:
    zone = ZoneInfo("Europe/Berlin")

    def known_by(event: datetime) -> datetime:
        day: date = event.astimezone(zone).date() - timedelta(days=days)
        return datetime.combine(day, time(hour), tzinfo=zone).astimezone(UTC)

    return Ask(f"D-{days} {hour:02}:00 Europe/Berlin", known_by)


hours = st.integers(-50, 50)
asks = st.one_of(
    st.just(Ask(None, lambda _: datetime.max.replace(tzinfo=UTC))),
    st.builds(at_instant, hours),
    st.builds(ahead, hours),
    st.builds(at_gate, st.integers(0, 2), st.integers(0, 23)),
)
windows = st.sampled_from([(-50, 50), (-50, 50), (0, 24), (24, 50)])
said_rows = st.fixed_dictionaries(
    {
        "zone": st.sampled_from(["CZ", "CZ", "AT"]),
        "event": st.integers(0, len(EVENTS) - 1),
        "value": st.sampled_from([1.0, 2.0, None, 9_999.0]),
        "number": st.sampled_from([None, 1, 2]),
        "run": st.integers(0, 2),
    }
)
messages = st.lists(
    st.tuples(st.integers(0, 20), st.one_of(st.lists(said_rows, max_size=8), st.just(None))),
    min_size=2,
    max_size=8,
)
"""Hours since the message before, and its rows; None is no message that could be parsed."""

works = st.lists(
    st.tuples(
        st.sampled_from(["run", "replay", "die running", "die replaying"]), st.integers(0, 4)
    ),
    max_size=3,
)


def raw(said: Sequence[tuple[int, list[Row] | None]]) -> list[RawMessage]:
    received_at, landed = FIRST - 48 * HOUR, []
    for since, rows in said:
        received_at += since * HOUR
        body = b"<html>" if rows is None else json.dumps(rows).encode()
        landed.append(RawMessage(body=body, received_at=received_at))
    return landed


def work(batches: MicroBatches, source: MarketSource, what: str, number: int) -> None:
    """Run or replay a part of the log, and perhaps die of a write."""
    if what.startswith("die"):
        writes = count()

        def is_last(name: str, _: tuple[Any, ...]) -> bool:
            return name in ("commit", "replace") and next(writes) == number // 2

        killed = Dying(batches.warehouse, is_last, done=number % 2 == 0)
        batches = replace(batches, warehouse=cast("Warehouse", killed))
    with suppress(KilledError):
        if what.endswith(("run", "running")):
            replace(batches, batch_messages=number + 1).run(source)
        else:
            replay(replace(batches, batch_messages=2), source, start=number)


def everything(source: MarketSource, landed: list[RawMessage]) -> list[Row]:
    """Return every good row that arrived, in the order of arrival."""
    return [
        {**COLUMNS[source.name](row), "received_at": message.received_at}
        for message in landed
        if message.body != b"<html>"
        for row in json.loads(message.body)
        if row["value"] is None or row["value"] <= 5_000
    ]


def model(
    source: MarketSource, rows: list[Row], ask: Ask, window: tuple[datetime, datetime]
) -> dict[tuple[Any, ...], Row]:
    """Return what was known: by key the last row among those that had arrived."""
    known: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        event = row[source.event_time]
        if row["received_at"] > ask.known_by(event) or not window[0] <= event < window[1]:
            continue
        key = tuple(row[name] for name in source.key)
        number = row.get("revision") or 0
        if key not in known or number >= (known[key].get("revision") or 0):
            known[key] = row
    return known


def said_by(source: MarketSource) -> set[str]:
    return set(source.dtypes) - set(PROVENANCE_COLUMNS)


def sayings(rows: Sequence[Row], source: MarketSource) -> list[str]:
    return sorted(" ".join(str(row[name]) for name in sorted(said_by(source))) for row in rows)


@settings(max_examples=examples(16), suppress_health_check=[HealthCheck.too_slow])
@given(
    source=st.sampled_from([PRICES, NUMBERED, WIND]),
    said=messages,
    done=works,
    questions=st.lists(st.tuples(asks, windows), min_size=6, max_size=10),
)
def test_scan_says_what_was_known(
    source: MarketSource,
    said: list[tuple[int, list[Row] | None]],
    done: list[tuple[str, int]],
    questions: list[tuple[Ask, tuple[int, int]]],
) -> None:
    landed = raw(said)
    rows = everything(source, landed)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        batches = batches_in(Path(folder))
        patch.setattr(Place, "warehouse", lambda _, **__: batches.warehouse)
        for each in (rows_module, loading_module, revisions_module):
            patch.setattr(each, "dataset", lambda _: source_dataset(source))
        half = len(landed) // 2
        for arrived in (landed[:half], landed[half:]):
            land(batches, arrived, source=source)
            for what, number in done:
                work(batches, source, what, number)
        run_all(batches, source)
        asked: Row = {}
        for ask, (start, end) in questions:
            window = (FIRST + start * HOUR, FIRST + end * HOUR)
            known = model(source, rows, ask, window)
            asked = {"start": window[0], "end": window[1], "as_of": ask.as_of}
            asked["look_ahead"] = True
            got = here.load(source.name, **asked).to_dicts()
            assert sayings(got, source) == sayings(list(known.values()), source)
            for row in got:
                assert row["received_at"] <= ask.known_by(row[source.event_time])
            if source is WIND:
                check_runs(list(known.values()), asked)
                check_the_newest_run(rows, list(known.values()), ask, asked)
        check_every_revision(source, ask, asked)
        check_vintages(source, ask, asked)


def check_runs(known: list[Row], asked: dict[str, Any]) -> None:
    """Hold the answers by run against all that was known of all runs."""
    latest: dict[tuple[Any, ...], Row] = {}
    for row in sorted(known, key=lambda row: row["run_at"]):
        latest[row["area"], row["valid_at"]] = row
    got = here.load("wind", run="latest_each", **asked).to_dicts()
    assert sayings(got, WIND) == sayings(list(latest.values()), WIND)
    for number in range(3):
        run_at = EVENTS[0] - number * 6 * HOUR
        of_run = [row for row in known if row["run_at"] == run_at]
        got = here.load("wind", run=run_at, **asked).to_dicts()
        assert sayings(got, WIND) == sayings(of_run, WIND)


def check_the_newest_run(
    rows: list[Row], known: list[Row], ask: Ask, asked: dict[str, Any]
) -> None:
    """Hold the answer of the newest run against the rows of that run, at each row's moment."""
    is_one_moment = not isinstance(ask.as_of, str | timedelta)

    def newest(moment: datetime) -> datetime | None:
        by_then = [row for row in rows if row["received_at"] <= moment]
        reaching = by_then
        if is_one_moment:
            reaching = [
                row
                for row in by_then
                if any(
                    each["run_at"] == row["run_at"] and each["valid_at"] < asked["end"]
                    for each in by_then
                )
                and any(
                    each["run_at"] == row["run_at"] and each["valid_at"] >= asked["start"]
                    for each in by_then
                )
            ]
        return max((row["run_at"] for row in reaching), default=None)

    wanted = [row for row in known if row["run_at"] == newest(ask.known_by(row["valid_at"]))]
    got = here.load("wind", run="latest", **asked)
    assert sayings(got.to_dicts(), WIND) == sayings(wanted, WIND)
    if is_one_moment:
        assert got["run_at"].n_unique() <= 1


def check_every_revision(source: MarketSource, ask: Ask, asked: dict[str, Any]) -> None:
    """Hold the revisions that count at a moment against the answer of that moment."""
    answer = here.load(source.name, **asked)
    log = here.revisions(source.name, **asked)
    of_now = log.filter(pl.col("superseded_at").is_null())
    assert of_now.select(answer.columns).equals(answer)
    assert log["known_at"].equals(log["received_at"].rename("known_at"))
    every = here.revisions(source.name, start=asked["start"], end=asked["end"])
    counted = [
        row
        for row in every.to_dicts()
        if row["known_at"] <= (moment := ask.known_by(row[source.event_time]))
        and (row["superseded_at"] is None or moment < row["superseded_at"])
    ]
    assert sayings(counted, source) == sayings(answer.to_dicts(), source)


def check_vintages(source: MarketSource, ask: Ask, asked: dict[str, Any]) -> None:
    """Hold two vintages against the answers of their moments."""
    kind = {str: "gates", timedelta: "lead_times", datetime: "instants"}.get(type(ask.as_of))
    if kind is None:
        return
    others: dict[type, Any] = {str: "D-1 06:00 UTC", timedelta: HOUR, datetime: FIRST}
    other = others[type(ask.as_of)]
    window = {name: asked[name] for name in ("start", "end")}
    moments: dict[str, Any] = {kind: [ask.as_of, other]}
    got = here.vintages(source.name, **moments, **window, look_ahead=True)
    wanted = pl.concat(
        [here.load(source.name, **asked), here.load(source.name, **window, as_of=other)]
    )
    assert got.select(wanted.columns).equals(wanted)
    for row in got.to_dicts():
        assert row["received_at"] <= row["as_of"]


MOVING = replace(PRICES, name="prices", key=("bidding_zone",))
"""A fact that a revision may move to another time, as an outage may be put off."""


def test_what_was_put_off_is_no_longer_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = batches_in(tmp_path)
    monkeypatch.setattr(Place, "warehouse", lambda _, **__: batches.warehouse)
    monkeypatch.setattr(rows_module, "dataset", lambda _: source_dataset(MOVING))
    landed = raw([(0, [{**ANY_ROW, "event": 1}]), (10, [{**ANY_ROW, "event": 3}])])
    land(batches, landed, source=MOVING)
    run_all(batches, MOVING)
    first_day: dict[str, Any] = {"start": FIRST, "end": FIRST + 24 * HOUR}
    assert here.scan("prices", **first_day).collect().is_empty()
    assert here.scan("prices", start=EVENTS[3]).collect().height == 1
    assert here.scan("prices", **first_day, as_of=landed[0].received_at).collect().height == 1
