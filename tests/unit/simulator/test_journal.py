"""What the markets emitted is remembered, line by line, whatever became of the simulator."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from simulator.journal import Journal, JournalBounds
from tests.support.comparison import compare
from tests.support.sources import EXAMPLE, QUARTER_HOUR

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_emissions_come_back_in_order_with_instants_as_text(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.emit("trade", NOON, [{"traded_at": NOON, "price": 1.5}])
    journal.emit("trade", NOON + timedelta(seconds=1), [{"traded_at": NOON, "price": None}])
    rows = [emission.rows for emission in Journal(tmp_path).emissions("trade")]
    assert rows == [
        [{"traded_at": "2026-03-01T12:00:00+00:00", "price": 1.5}],
        [{"traded_at": "2026-03-01T12:00:00+00:00", "price": None}],
    ]
    assert journal.last_market_at("trade") == NOON + timedelta(seconds=1)
    assert journal.last_market_at("price") is None


def test_a_line_cut_off_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.emit("trade", NOON, [{"number": 1}])
    [segment] = (tmp_path / "trade").glob("*.ndjson")
    with segment.open("a") as file:
        file.write('{"emitted_at": "2026-03-01T12:00:0')
    assert [e.rows for e in journal.emissions("trade")] == [[{"number": 1}]]
    journal.emit("trade", NOON, [{"number": 2}])
    assert [e.rows for e in journal.emissions("trade")] == [[{"number": 1}], [{"number": 2}]]


SMALL = JournalBounds(age=timedelta(days=3), total_bytes=20_000, segment_bytes=2_000)


def test_a_journal_that_grows_for_ever_stays_within_its_bounds(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SMALL)
    journal.emit("price", NOON, [{"number": -1}])
    for number in range(900):
        journal.emit("trade", NOON + timedelta(seconds=number), [{"number": number}])
        if number % 200 == 0:
            journal.emit("frequency", NOON, [{"number": number}])
        if number % 50 == 0:
            taken = sum(file.stat().st_size for file in tmp_path.glob("*/*.ndjson"))
            assert taken <= SMALL.total_bytes + 3 * SMALL.segment_bytes
    kept = [row["number"] for e in journal.emissions("trade") for row in e.rows]
    assert kept == list(range(kept[0], 900)), "the oldest go first, and no hole is left"
    assert 0 < kept[0] < 850
    since, oldest = journal.reaches_back_to("trade"), next(journal.emissions("trade"))
    assert since is not None
    assert since <= oldest.emitted_at
    # A source that says little keeps what a provider that starts again asks for.
    assert [e.rows for e in journal.emissions("price")] == [[{"number": -1}]]
    assert journal.reaches_back_to("price") is None


def test_a_restarted_provider_knows_when_it_began_and_where_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path, SMALL)
    for number in range(500):
        journal.emit("trade", NOON + timedelta(seconds=number), [{"number": number}])
    assert journal.reaches_back_to("trade") is not None
    again = Journal(tmp_path, SMALL)
    assert again.market_times("trade") == (NOON, NOON + timedelta(seconds=499))
    again.emit("trade", NOON + timedelta(seconds=500), [{"number": 500}])
    assert again.last_market_at("trade") == NOON + timedelta(seconds=500)
    assert [row["number"] for e in again.emissions("trade") for row in e.rows][-2:] == [499, 500]


def test_a_start_reads_the_end_of_a_journal_however_long_it_is(tmp_path: Path) -> None:
    bounds = JournalBounds(segment_bytes=200_000)
    journal = Journal(tmp_path, bounds)
    for minute in range(3_000):
        rows = [{"number": minute, "text": "x" * 300}] * (400 if minute == 2_999 else 1)
        journal.emit("trade", NOON + timedelta(minutes=minute), rows)
    *older, _, _ = sorted(tmp_path.glob("trade/*.ndjson"))
    assert len(older) > 3
    for segment in older:  # whoever opens one of them fails
        segment.unlink()
        segment.mkdir()
    again, newest = Journal(tmp_path, bounds), NOON + timedelta(minutes=2_999)
    assert again.market_times("trade") == (NOON, newest), "the last line is longer than a look"
    lately = again.emissions("trade", since=newest - timedelta(minutes=2))
    assert [one.rows[0]["number"] for one in lately] == [2_997, 2_998, 2_999]


def test_a_market_that_was_set_back_is_gone_on_from(tmp_path: Path) -> None:
    """A simulator that is given an earlier origin goes on from the latest instant it has told."""
    journal = Journal(tmp_path)
    for hours in (1, 3, 2):
        journal.emit("trade", NOON + timedelta(hours=hours), [{"number": hours}])
    assert journal.market_times("trade") == (
        NOON + timedelta(hours=1), NOON + timedelta(hours=3)
    )  # fmt: skip
    since = journal.emissions("trade", since=NOON + timedelta(hours=2))
    assert [one.rows for one in since] == [[{"number": 3}], [{"number": 2}]]


def test_what_is_too_old_is_dropped_and_a_segment_lasts_a_day(tmp_path: Path) -> None:
    Journal(tmp_path).emit("trade", NOON, [{"number": 0}])
    [first] = (tmp_path / "trade").glob("*.ndjson")
    for days in (9, 5):  # as if its segments had begun so long ago
        began = datetime.now(UTC) - timedelta(days=days)
        old = first.with_name(f"{int(began.timestamp() * 1e6):020}.ndjson")
        old.write_bytes(first.read_bytes().replace(b":0}", b":%d}" % days))
    first.unlink()
    journal = Journal(tmp_path)
    journal.emit("trade", NOON + timedelta(hours=1), [{"number": 1}])
    assert [e.rows for e in journal.emissions("trade")] == [[{"number": 5}], [{"number": 1}]]
    assert journal.market_times("trade") == (NOON, NOON + timedelta(hours=1))


def test_a_reserved_source_is_noted_by_its_holder_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    held = journal.reserved("trade")
    journal.emit("trade", NOON, [{"number": 1}])
    held.emit(NOON, [{"number": 2}])
    assert [e.rows for e in journal.emissions("trade")] == [[{"number": 2}]]


def test_a_comparison_holds_within_what_a_journal_kept(tmp_path: Path) -> None:
    """What the warehouse holds from before the journal's reach is nobody's invention."""
    journal = Journal(tmp_path, SMALL)
    stored = []
    for number in range(500):
        row = {
            "delivery_start": NOON + number * QUARTER_HOUR,
            "delivery_end": NOON + (number + 1) * QUARTER_HOUR,
            "bidding_zone": "CZ",
            "price_eur_per_mwh": float(number),
        }
        journal.emit(EXAMPLE.name, NOON, [row])
        stored.append({**row, "received_at": datetime.now(UTC), "landing_offset": number})
    rows = pl.DataFrame(stored, schema=EXAMPLE.dtypes)
    assert journal.reaches_back_to(EXAMPLE.name) is not None
    found = compare(EXAMPLE, journal, rows)
    assert 0 < found.journalled < 500
    assert (found.lost.height, found.stale.height, found.invented.height) == (0, 0, 0)
    late = datetime.now(UTC) + timedelta(hours=1)
    made_up = rows.tail(1).with_columns(price_eur_per_mwh=-1.0, received_at=pl.lit(late))
    assert (
        compare(
            EXAMPLE, journal, rows.vstack(made_up.select(rows.columns).cast(rows.schema))
        ).invented.height
        == 1
    )
