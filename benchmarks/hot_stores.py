"""Points per second into each hot store, compared with two stock ways of writing to InfluxDB.

    python benchmarks/hot_stores.py [--points 100000] [--rounds 5]

The same points (three tags, four fields) are written in each way in turn, round after round: to
SQLite; to InfluxDB by the hot store; and to InfluxDB by influxdb-client, from `Point` objects and
from a pandas DataFrame. All ways to InfluxDB send the same requests of 5,000 lines over the same
connection, so the difference is how lines are made, and what else the hot store promises. influxd
is started on a free port; each way has its own database, in which every point must be found. On a
busy machine the ratios are more reliable than the rates.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
from influxdb_client.client.write.dataframe_serializer import data_frame_to_list_of_points
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import PointSettings
from influxdb_client.domain.write_precision import WritePrecision

from energy_platform.market.instants import INSTANT
from energy_platform.storage.hot_store.influxdb.line_protocol import lines
from energy_platform.storage.hot_store.influxdb.server import InfluxServer
from energy_platform.storage.hot_store.influxdb.store import InfluxHotStore
from energy_platform.storage.hot_store.protocol import HotStore, Measurement
from energy_platform.storage.hot_store.sqlite import SqliteHotStore
from tests.support.influx_server import FOR_GOOD_DAYS, InfluxProcess, influx_process

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST_LINES: Final = 5_000
START: Final = datetime(2026, 3, 1, tzinfo=UTC)
GENERATION: Final = Measurement(
    name="generation",
    tags=("bidding_zone", "production_type", "resolution"),
    fields={
        "generation_mw": pl.Float64(),
        "forecast_mw": pl.Float64(),
        "units": pl.Int64(),
        "is_final": pl.Boolean(),
    },
    time="delivery_start",
)


def some_points(count: int) -> pl.DataFrame:
    """Return points of 500 series."""
    n = pl.int_range(count)
    return pl.select(
        bidding_zone=pl.format("DE {}", n % 50),
        production_type=pl.format("Wind, {}", n // 50 % 10),
        resolution=pl.lit("PT15M"),
        delivery_start=(pl.lit(START) + pl.duration(minutes=15 * (n // 500))).cast(INSTANT),
        generation_mw=n / 7,
        forecast_mw=n / 11,
        units=n % 100,
        is_final=n % 2 == 0,
    )


def into_store(store: HotStore, points: pl.DataFrame) -> None:
    """Write as a micro-batch does."""
    store.write(GENERATION, points, stop=1)
    store.commit_offset(GENERATION, stop=1)


def as_points(server: InfluxServer, points: pl.DataFrame) -> None:
    """Write `Point` objects."""
    written = []
    for row in points.iter_rows(named=True):
        point = Point(GENERATION.name)
        for tag in GENERATION.tags:
            point.tag(tag, row[tag])
        for name in GENERATION.fields:
            point.field(name, row[name])
        written.append(point.time(row["delivery_start"], WritePrecision.US).to_line_protocol())
    post(server, written)


def as_data_frame(server: InfluxServer, points: pl.DataFrame) -> None:
    """Write a pandas DataFrame."""
    frame = points.to_pandas().set_index("delivery_start")
    written = data_frame_to_list_of_points(
        frame,
        PointSettings(),
        WritePrecision.US,
        data_frame_measurement_name=GENERATION.name,
        data_frame_tag_columns=list(GENERATION.tags),
    )
    post(server, written)


def post(server: InfluxServer, written: list[str]) -> None:
    """Send lines in requests of the hot store's size."""
    for start in range(0, len(written), REQUEST_LINES):
        server.write("\n".join(written[start : start + REQUEST_LINES]).encode())


def found(server: InfluxServer) -> int:
    """Count the points in a database."""
    answer = server.query(
        f'SELECT COUNT("generation_mw") AS points FROM "{GENERATION.name}"',
        {"points": pl.Int64()},
    )
    return int(answer["points"].sum())


def measure(influx: InfluxProcess, folder: Path, points: pl.DataFrame, rounds: int) -> None:
    """Write in each way in turn, and print the medians."""
    servers = {
        name: InfluxServer(influx.login(name), days=FOR_GOOD_DAYS)
        for name in ("hot_store", "points", "data_frame")
    }
    sqlite = SqliteHotStore(folder / "hot.sqlite")
    hot_store = InfluxHotStore(servers["hot_store"], locks=folder / "locks")
    ways: dict[str, Callable[[], object]] = {
        "SQLite": partial(into_store, sqlite, points),
        "InfluxDB, lines by polars": partial(into_store, hot_store, points),
        "InfluxDB, influxdb-client Point": partial(as_points, servers["points"], points),
        "InfluxDB, influxdb-client DataFrame": partial(
            as_data_frame, servers["data_frame"], points
        ),
        "lines by polars, not sent": partial(lines, GENERATION, points, stop=1),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, write in ways.items():
            began, cpu_began = time.perf_counter(), time.process_time()
            write()
            taken[name].append((time.perf_counter() - began, time.process_time() - cpu_began))
    for name, server in servers.items():
        if (count := found(server)) != points.height:
            raise SystemExit(f"{name}: {count:,} of {points.height:,} points arrived")
    # The first round creates tables and series.
    median = {
        name: [statistics.median(column) for column in zip(*rows[1:], strict=True)]
        for name, rows in taken.items()
    }
    stock, stock_cpu = median["InfluxDB, influxdb-client Point"]
    for name, (seconds, cpu) in median.items():
        print(
            f"{name:36} {points.height / seconds / 1000:8.1f} k points/s,"
            f" {stock / seconds:5.2f} times Point's rate, {stock_cpu / cpu:6.2f} times less CPU"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, influx_process(Path(folder)) as influx:
        measure(influx, Path(folder), some_points(asked.points), asked.rounds)


if __name__ == "__main__":
    main()
