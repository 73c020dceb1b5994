"""What the markets emitted is remembered, line by line, whatever became of the simulator."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from simulator.journal import Journal

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
    with (tmp_path / "trade.ndjson").open("a") as file:
        file.write('{"emitted_at": "2026-03-01T12:00:0')
    assert [e.rows for e in journal.emissions("trade")] == [[{"number": 1}]]
    journal.emit("trade", NOON, [{"number": 2}])
    assert [e.rows for e in journal.emissions("trade")] == [[{"number": 1}], [{"number": 2}]]
