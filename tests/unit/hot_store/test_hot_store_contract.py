"""What every hot store promises, whichever system keeps it."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.market.instants import INSTANT
from energy_platform.storage.hot_store.protocol import REASON, HotStore, Measurement
from tests.support.effort import examples
from tests.support.hot_points import EPOCH, PRICES, point, points, prices, put

Opener = Callable[[], HotStore]


def test_nothing_has_been_written(store: HotStore) -> None:
    assert store.committed_offset(PRICES) == 0
    assert store.read(PRICES).equals(points())
    assert store.latest(PRICES).equals(points())
    assert store.expire(PRICES, before=EPOCH) == 0
    assert store.empty_points(PRICES) == 0
    store.clear(PRICES)


def test_every_type_of_field_comes_back(open_again: Opener) -> None:
    written = points(
        point(
            0.000_001,
            price_eur_per_mwh=-500.125,
            trades=2**31 - 1,
            is_final=True,
            status='Robert"); DROP TABLE "ote_intraday_price"; --\n\r\n\t\x00ä\\',
            published_at=EPOCH + timedelta(microseconds=1),
        ),
        point(1, is_final=False),
        point(2, trades=-1),
        point(3, price_eur_per_mwh=-0.0, status=""),
        point(4, published_at=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    )
    put(open_again(), PRICES, written, stop=7)
    for store in (open_again(), open_again()):
        assert_frame_equal(store.read(PRICES), written)
        assert store.committed_offset(PRICES) == 7


def test_every_width_of_field_comes_back(store: HotStore) -> None:
    colours = pl.Enum(["red", "blue"])
    values: dict[str, tuple[pl.DataType, list[Any]]] = {
        "float_64": (pl.Float64(), [1.7976931348623157e308, 5e-324, 0.1 + 0.2, 1e16, 123456789.0]),
        "float_32": (pl.Float32(), [0.1, -3.4e38, 1e-45, 0.0, 16777216.0]),
        "int_64": (pl.Int64(), [2**63 - 1, -(2**63), 2**53 + 1, 0, -1]),
        "int_8": (pl.Int8(), [127, -128, 0, 1, -1]),
        "uint_32": (pl.UInt32(), [2**32 - 1, 0, 1, 2, 3]),
        "enum": (colours, ["red", "blue", "red", "blue", "red"]),
        "categorical": (pl.Categorical(), ["a", "b", "c", "a", "b"]),
        "to_the_ms": (
            pl.Datetime("ms", "Europe/Prague"),
            [EPOCH + timedelta(hours=n) for n in range(5)],
        ),
        "naive": (pl.Datetime("us"), [datetime(2026, 3, 29, n) for n in range(5)]),  # noqa: DTZ001 (a column without a zone)
    }
    wide = Measurement(
        name="wide", tags=(), fields={name: dtype for name, (dtype, _) in values.items()}, time="at"
    )
    written = pl.DataFrame(
        {"at": [EPOCH + timedelta(minutes=n) for n in range(5)]}
        | {name: pl.Series(given, dtype=pl.String).cast(dtype) if dtype in (colours, pl.Categorical)
           else pl.Series(given, dtype=dtype) for name, (dtype, given) in values.items()},
        schema={"at": INSTANT, **wide.fields},
    )  # fmt: skip
    put(store, wide, written, stop=1)
    assert_frame_equal(store.read(wide), written, check_exact=True, categorical_as_str=True)


def test_numbers_that_are_not_finite_are_null(store: HotStore) -> None:
    numbers = [math.nan, math.inf, -math.inf]
    put(
        store,
        PRICES,
        points(*(point(n, price_eur_per_mwh=x, trades=n) for n, x in enumerate(numbers))),
        stop=1,
    )
    assert prices(store.read(PRICES)) == [None, None, None]


def test_the_newest_row_wins_as_a_whole(store: HotStore) -> None:
    put(store, PRICES, points(point(price_eur_per_mwh=1.0, trades=3, status="x")), stop=1)
    put(store, PRICES, points(point(price_eur_per_mwh=2.0)), stop=2)
    assert store.read(PRICES).equals(points(point(price_eur_per_mwh=2.0)))
    assert store.latest(PRICES).equals(points(point(price_eur_per_mwh=2.0)))
    put(store, PRICES, points(point(trades=4)), stop=3)
    assert store.read(PRICES).equals(points(point(trades=4)))


def test_of_two_points_in_one_write_the_last_counts(store: HotStore) -> None:
    put(store, PRICES, points(*(point(price_eur_per_mwh=x) for x in (1.0, 2.0))), stop=1)
    assert prices(store.read(PRICES)) == [2.0]


def test_the_same_write_twice_changes_nothing(store: HotStore) -> None:
    written = points(*(point(n, price_eur_per_mwh=float(n)) for n in range(5)))
    for _ in range(2):
        put(store, PRICES, written, stop=5)
        assert store.read(PRICES).equals(written)
        assert store.latest(PRICES).equals(written[-1:])


def test_points_without_an_offset_are_written_again(open_again: Opener) -> None:
    put(open_again(), PRICES, points(point(trades=1)), stop=1)
    died = open_again()
    died.write(PRICES, points(point(trades=2), point(1, trades=2)), stop=2)
    after = open_again()
    assert after.committed_offset(PRICES) == 1
    put(after, PRICES, points(point(trades=2), point(1, trades=2)), stop=2)
    assert after.read(PRICES)["trades"].to_list() == [2, 2]
    assert after.committed_offset(PRICES) == 2


def test_an_offset_never_goes_back(store: HotStore) -> None:
    for stop in (5, 3):
        store.commit_offset(PRICES, stop=stop)
        assert store.committed_offset(PRICES) == 5
    assert store.read(PRICES).is_empty()


def test_a_slow_writer_of_an_older_batch_overwrites_nothing_newer(open_again: Opener) -> None:
    quick, slow = open_again(), open_again()
    put(quick, PRICES, points(point(price_eur_per_mwh=2.0)), stop=20)
    put(slow, PRICES, points(*(point(n, price_eur_per_mwh=1.0) for n in (0, 1))), stop=10)
    assert prices(quick.read(PRICES)) == [2.0, 1.0]
    assert quick.committed_offset(PRICES) == 20


def test_nor_does_it_where_the_newer_batch_has_no_offset_yet(open_again: Opener) -> None:
    quick, slow = open_again(), open_again()
    quick.write(PRICES, points(point(price_eur_per_mwh=2.0)), stop=20)
    put(slow, PRICES, points(*(point(n, price_eur_per_mwh=1.0) for n in (0, 1))), stop=10)
    quick.commit_offset(PRICES, stop=20)
    assert prices(quick.read(PRICES)) == [2.0, 1.0]


def test_a_withdrawn_value_is_gone_and_the_point_before_it_is_the_latest(store: HotStore) -> None:
    put(store, PRICES, points(*(point(n, price_eur_per_mwh=float(n)) for n in range(3))), stop=1)
    put(store, PRICES, points(point(2)), stop=2)
    assert prices(store.read(PRICES)) == [0.0, 1.0]
    assert prices(store.latest(PRICES)) == [1.0]
    assert store.empty_points(PRICES) == 1


def test_null_tags_are_a_series_of_their_own(store: HotStore) -> None:
    zones = [None, "CZ", "'", 'a,b = "c"', "Ä ö\u2028", "a\\ b"]
    written = points(*(point(zone=zone, trades=n) for n, zone in enumerate(zones)))
    put(store, PRICES, written, stop=1)
    expected = sorted(zone or "" for zone in zones)
    assert store.latest(PRICES)["bidding_zone"].to_list() == expected
    assert store.read(PRICES)["bidding_zone"].to_list() == expected


def test_reading_a_period(store: HotStore) -> None:
    written = points(*(point(n, zone=zone, trades=n) for zone in ("CZ", "DE-LU") for n in range(4)))
    put(store, PRICES, written.reverse(), stop=1)
    start, end = EPOCH + timedelta(minutes=1), EPOCH + timedelta(minutes=3)
    assert store.read(PRICES).equals(written)
    assert store.read(PRICES, start=start, end=end)["trades"].to_list() == [1, 2, 1, 2]
    assert store.read(PRICES, end=start)["trades"].to_list() == [0, 0]
    assert store.read(PRICES, start=end)["trades"].to_list() == [3, 3]
    with pytest.raises(TypeError):
        store.read(PRICES, start=start.replace(tzinfo=None))


def test_the_future_is_read_too(store: HotStore) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=400)
    put(store, PRICES, points({**point(trades=1), "delivery_start": tomorrow}), stop=1)
    assert store.read(PRICES)["delivery_start"].to_list() == [tomorrow]
    assert store.latest(PRICES, at=tomorrow)["delivery_start"].to_list() == [tomorrow]


def test_the_latest_of_a_curve_is_the_period_that_holds_now(store: HotStore) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    starts = [now + timedelta(minutes=15 * n - 5) for n in range(-8, 96)]
    curve = [
        {**point(zone=zone, trades=n), "delivery_start": start}
        for zone in ("CZ", "DE-LU")
        for n, start in enumerate(starts)
    ]
    put(store, PRICES, points(*curve, {**point(zone="FR"), "delivery_start": starts[-1]}), stop=1)
    assert store.latest(PRICES)["trades"].to_list() == [8, 8], "the ninth period began before"
    for n in (0, 8, 95):
        end = starts[n] + timedelta(minutes=15) - timedelta(microseconds=1)
        for at in (starts[n], end):
            assert store.latest(PRICES, at=at)["trades"].to_list() == [n, n]
    assert store.latest(PRICES, at=starts[0] - timedelta(seconds=1)).is_empty()
    put(store, PRICES, points({**point(), "delivery_start": starts[8]}), stop=2)
    assert store.latest(PRICES)["trades"].to_list() == [7, 8], "one period has lost its value"


def test_some_series_alone_are_read(store: HotStore) -> None:
    zones = ["CZ", "DE-LU", "it's", ""]
    put(store, PRICES, points(*(point(zone=zone, trades=1) for zone in zones)), stop=1)
    for read in (store.read, store.latest):
        for wanted in (["CZ"], ["it's", "DE-LU"], ["FR"], [""], []):
            found = read(PRICES, tags={"bidding_zone": wanted})
            assert found["bidding_zone"].to_list() == sorted({*wanted} & {*zones})
        assert read(PRICES, tags={"bidding_zone": zones, "product": ["HH"]}).is_empty()
        assert read(PRICES, tags={"product": ["QH"]}).height == len(zones)


def test_expiry(store: HotStore) -> None:
    put(
        store,
        PRICES,
        points(*(point(n, trades=n) for n in range(4)), point(0, zone="DE-LU", trades=9)),
        stop=1,
    )
    assert store.expire(PRICES, before=EPOCH + timedelta(minutes=2)) == 3
    assert store.read(PRICES)["trades"].to_list() == [2, 3]
    assert store.latest(PRICES)["trades"].to_list() == [3]
    assert store.committed_offset(PRICES) == 1


def test_clearing_forgets_the_offset_and_nothing_else(store: HotStore) -> None:
    other = Measurement(name="other", tags=(), fields={"trades": pl.Int64()}, time="delivery_start")
    for measurement in (PRICES, other):
        put(store, measurement, points(point(trades=1)), stop=5)
    store.clear(PRICES)
    assert store.committed_offset(PRICES) == 0
    assert store.latest(PRICES).is_empty()
    assert store.committed_offset(other) == 5
    assert store.latest(other)["trades"].to_list() == [1]


def test_a_measurement_without_tags_is_one_series(store: HotStore) -> None:
    frequency = Measurement(
        name="frequency", tags=(), fields={"price_eur_per_mwh": pl.Float32()}, time="delivery_start"
    )
    written = points(*(point(n, price_eur_per_mwh=50.0 + n) for n in range(3)))
    put(store, frequency, written, stop=1)
    assert prices(store.latest(frequency)) == [52.0]
    assert store.read(frequency).schema["price_eur_per_mwh"] == pl.Float32
    put(store, frequency, points(), stop=2)
    assert store.committed_offset(frequency) == 2


def test_columns_beside_the_measurements_are_not_stored(store: HotStore) -> None:
    written = points(point(trades=1))
    put(store, PRICES, written.with_columns(landing_offset=pl.lit(7)), stop=1)
    assert store.read(PRICES).equals(written)


@pytest.mark.parametrize("kind", [pl.Float64(), pl.String(), pl.Boolean()])
def test_changed_fields_are_made_again_from_the_start(store: HotStore, kind: pl.DataType) -> None:
    put(store, PRICES, points(point(trades=1)), stop=5)
    changed = replace(PRICES, fields={"trades": kind})
    assert store.committed_offset(changed) == 0
    assert store.latest(changed).is_empty()
    assert store.committed_offset(PRICES) == 5
    written = points(point(1, trades=1)).with_columns(pl.col("trades").cast(kind))
    put(store, changed, written, stop=6)
    assert_frame_equal(store.read(changed), written.select(*PRICES.tags, PRICES.time, "trades"))
    assert store.committed_offset(PRICES) == 0


def test_changed_tags_are_made_again_from_the_start(store: HotStore) -> None:
    put(store, PRICES, points(point(trades=1)), stop=5)
    changed = replace(PRICES, tags=("product",))
    assert store.committed_offset(changed) == 0
    put(store, changed, points(point(trades=2)), stop=6)
    assert store.read(changed)["trades"].to_list() == [2]


def test_names_are_names_whatever_is_in_them(store: HotStore) -> None:
    odd = Measurement(
        name='a"; DROP TABLE x; --',
        tags=("select", "b c="),
        fields={'"': pl.Int64(), "ä'": pl.Int64(), "from": pl.String()},
        time="order",
    )
    row = {"select": "x", "b c=": "y", "order": EPOCH, '"': 1, "ä'": None, "from": "z"}
    written = pl.DataFrame([row], schema_overrides={"order": INSTANT, "ä'": pl.Int64})
    put(store, odd, written, stop=1)
    assert store.latest(odd).equals(written)
    assert store.committed_offset(odd) == 1
    for name in ("", "a\0b"):
        with pytest.raises(ValueError, match="name"):
            store.latest(Measurement(name=name, tags=(), fields={}, time="t"))
    with pytest.raises(ValueError, match="share a name"):
        store.latest(Measurement(name="a", tags=("t",), fields={"t": pl.Int64()}, time="at"))
    with pytest.raises(ValueError, match="can't be"):
        store.latest(Measurement(name="a", tags=(), fields={"x": pl.List(pl.Int64)}, time="at"))


def test_a_write_that_fails_leaves_nothing_behind(store: HotStore) -> None:
    put(store, PRICES, points(point(trades=1)), stop=1)
    no_time = points(point(trades=2), point(3)).with_columns(
        delivery_start=pl.when(pl.col("trades") == 2).then("delivery_start")
    )
    with pytest.raises(ValueError, match="has no delivery_start"):
        store.write(PRICES, no_time, stop=2)
    assert store.read(PRICES)["trades"].to_list() == [1]
    assert store.committed_offset(PRICES) == 1


_names = count()
anything = st.text(st.characters(codec="utf-8"), max_size=12)
hostile = st.one_of(anything, st.text(st.sampled_from(" ,=\"'\\\n\r\tab{}#"), max_size=8))
any_points = st.builds(
    point,
    st.integers(0, 3),
    zone=st.one_of(st.none(), st.sampled_from(["CZ", "DE-LU"]), hostile),
    product=hostile,
    price_eur_per_mwh=st.one_of(st.none(), st.floats()),
    trades=st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
    is_final=st.one_of(st.none(), st.booleans()),
    status=st.one_of(st.none(), hostile),
)


@settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(st.lists(any_points, max_size=6), max_size=5))
def test_any_writes_end_as_a_dictionary_would(
    store: HotStore, writes: list[list[dict[str, Any]]]
) -> None:
    measurement = replace(PRICES, name=f"any_{next(_names)}")
    model: dict[tuple[str, str, datetime], dict[str, Any]] = {}
    for stop, rows in enumerate(writes, start=1):
        refused = store.write(measurement, points(*rows), stop=stop)
        store.commit_offset(measurement, stop=stop)
        key = ["bidding_zone", "product", "delivery_start"]
        not_stored = set(refused.select(key).rows())
        assert refused[REASON].str.len_chars().min() != 0
        for row in rows:
            price = row["price_eur_per_mwh"]
            held = {
                **row,
                "bidding_zone": row["bidding_zone"] or "",
                "price_eur_per_mwh": price if price is not None and math.isfinite(price) else None,
            }
            place = (held["bidding_zone"], held["product"], held["delivery_start"])
            if place not in not_stored:
                model[place] = held
    wanted = [
        model[place]
        for place in sorted(model)
        if any(model[place][name] is not None for name in PRICES.fields)
    ]
    newest = {(row["bidding_zone"], row["product"]): row for row in wanted}
    assert_frame_equal(store.read(measurement), points(*wanted), check_exact=True)
    assert_frame_equal(store.latest(measurement), points(*newest.values()), check_exact=True)
    assert store.empty_points(measurement) == len(model) - len(wanted)
    assert store.committed_offset(measurement) == len(writes)


def test_threads_share_a_store(store: HotStore) -> None:
    def write(number: int) -> None:
        for n in range(10):
            put(store, PRICES, points(point(n, zone=str(number), trades=n)), stop=n)
            store.latest(PRICES)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert store.read(PRICES).height == 40


@pytest.mark.parametrize(
    "size", [20_000, pytest.param(1_000_000, marks=[pytest.mark.nightly, pytest.mark.timeout(600)])]
)
def test_many_points_come_back(store: HotStore, size: int) -> None:
    n = pl.int_range(size)
    written = pl.select(
        bidding_zone=(n % 100).cast(pl.String),
        product=pl.lit("QH"),
        delivery_start=(pl.lit(EPOCH) + pl.duration(seconds=n)).cast(INSTANT),
        price_eur_per_mwh=n / 7,
        trades=n.cast(pl.Int32),
        is_final=n % 2 == 0,
        status=pl.when(n % 3 == 0).then(pl.lit("final")),
        published_at=pl.lit(EPOCH, dtype=INSTANT),
    )
    put(store, PRICES, written, stop=size)
    assert_frame_equal(store.read(PRICES), written.sort(*PRICES.tags, PRICES.time))
    assert store.latest(PRICES).height == 100
