"""What others keep of the tables: marts, a copy of recent rows, a collector's place in its log."""

import copy
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from energy_platform.errors import DamagedTableError
from energy_platform.ingest.collector.service import _taken
from energy_platform.market.registry import market_sources
from energy_platform.marts.catalogue import marts
from energy_platform.marts.changes import Progress, are_behind, find_changes
from energy_platform.operations.alerts import conditions
from energy_platform.operations.alerts.watch import look
from energy_platform.operations.home_bounds import bound_landing, bound_tables
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.pipeline.tables import market_table
from energy_platform.settings import WarehouseKind, settings
from energy_platform.storage.warehouse.delta import DeltaWarehouse
from energy_platform.storage.warehouse.mirrored import MirroredWarehouse
from tests.support.damage import DAMAGES, EACH_DAMAGE
from tests.support.sources import EXAMPLE, NOON, quote
from tests.support.stores import FOR_GOOD_DAYS, land, run_all, stored
from tests.unit.damage.filled_home import (
    MESSAGES,
    OTHER,
    commits,
    data_files,
    reopened,
    segments,
    status_of,
)

TABLE = market_table(EXAMPLE)


@pytest.mark.parametrize("damage", EACH_DAMAGE)
@pytest.mark.parametrize("files", ["_delta_log/*.json", "*.parquet"])
def test_a_damaged_copy_of_recent_rows_is_made_again(
    files: str, damage: str, home: Path, batches: MicroBatches
) -> None:
    def mirrored() -> MicroBatches:
        beside = MirroredWarehouse(batches.warehouse, home / "recent", days=FOR_GOOD_DAYS)
        return replace(batches, warehouse=beside)

    land(batches, [quote(44.0, quarter=50)])
    run_all(mirrored())
    [day] = (home / "recent").glob("[0-9]*")
    DAMAGES[damage](min((day / TABLE.name).glob(files)))
    mirrored().warehouse.damage(TABLE)
    for price in (45.0, 46.0, 47.0):
        land(batches, [quote(price, quarter=51)])
        run_all(mirrored())
    assert stored(batches)["price_eur_per_mwh"].to_list()[-4:] == [44.0, 45.0, 46.0, 47.0]
    beside = DeltaWarehouse(day)
    assert not beside.damage(TABLE)
    assert beside.position(TABLE) == batches.warehouse.position(TABLE)


@pytest.mark.parametrize("damage", ["torn", "missing", "garbage"])
def test_marts_of_a_damaged_table_wait_and_the_others_are_made(
    damage: str, home: Path, batches: MicroBatches, caplog: pytest.LogCaptureFixture
) -> None:
    source = min(name for mart in marts().values() for name in mart.upstream)
    table = market_table(market_sources()[source])
    row = pl.DataFrame(schema=table.dtypes).clear(1)
    for offset in range(2):
        numbered = row.with_columns(landing_offset=pl.lit(offset, dtype=pl.Int64))
        batches.warehouse.commit(table, numbered, start=offset, stop=offset + 1)
    DAMAGES[damage](data_files(home, source)[0])
    progress = Progress(settings())
    made = {one.mart.name for one in find_changes(batches.warehouse, progress, marts().values())}
    unmade = {name for name, mart in marts().items() if source in mart.upstream}
    assert unmade
    assert made == marts().keys() - unmade
    assert f"energy-platform replay {source}" in caplog.text


@pytest.mark.parametrize("damage", ["torn", "empty", "missing", "garbage"])
def test_a_damaged_mart_is_made_as_a_whole(damage: str, home: Path, batches: MicroBatches) -> None:
    mart, progress = next(iter(marts().values())), Progress(settings())
    folder = home / "warehouse" / mart.table.name
    for _ in range(2):
        pl.DataFrame(schema=mart.dtypes).clear(1).write_delta(folder, mode="append")
    for one in find_changes(batches.warehouse, progress, marts().values()):
        progress.note(one.mart, one.positions)
    assert not are_behind(batches.warehouse, progress)
    assert find_changes(batches.warehouse, progress, [mart])[0].days == ()
    DAMAGES[damage](data_files(home, mart.table.name)[0])
    assert are_behind(batches.warehouse, progress)
    assert find_changes(batches.warehouse, progress, [mart])[0].days is None
    assert not batches.warehouse.damage(mart.table)


def test_a_collector_goes_on_behind_files_that_are_missing(
    home: Path, batches: MicroBatches
) -> None:
    taken = _taken(settings())
    assert taken(EXAMPLE) == MESSAGES
    DAMAGES["garbage"](commits(home, EXAMPLE.name)[0])
    assert _taken(settings())(EXAMPLE) == 0, "what lands does not wait for a table"
    far = settings().model_copy(update={"warehouse": WarehouseKind.BIGQUERY})
    assert _taken(far)(OTHER) == 0
    del batches


def test_bounds_are_kept_beside_damage(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    DAMAGES["garbage"](commits(home, EXAMPLE.name)[0])
    for file in segments(home):
        DAMAGES["torn"](file)
    batches = reopened()
    later = NOON.replace(year=NOON.year + 1)
    assert bound_landing(batches, now=later, age=later - NOON, most_bytes=10**9) == 0
    assert EXAMPLE.name in caplog.text
    bound_tables(batches, now=NOON)
    assert batches.warehouse.committed_offset(market_table(OTHER)) == MESSAGES


def test_damage_of_a_log_is_alerted_once_and_over_when_the_log_goes_on(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_BRIEF", conditions._BRIEF * 0)
    DAMAGES["torn"](segments(home)[-1])
    incidents, _ = look(settings(), reopened())
    [one] = [each for each in incidents if each.key == f"landing:{EXAMPLE.name}"]
    assert str(segments(home)[-1]) in one.text
    assert f"energy-platform verify {EXAMPLE.name}" in one.text
    batches = reopened()
    batches.landing.writer(EXAMPLE.name, at_least=MESSAGES).append([quote(1.0)], None)
    run_all(batches)
    wrong = conditions.conditions([status_of(reopened(), EXAMPLE)], [], settings())
    assert f"landing:{EXAMPLE.name}" not in {each.key for each in wrong}


def test_an_error_of_a_damaged_table_survives_its_way_between_processes() -> None:
    error = DamagedTableError("quarantine/x", Path("/a"), "it is torn")
    again = copy.copy(error)
    assert str(again) == str(error)
    assert "energy-platform replay x " in str(again)
    assert again.place == Path("/a")
