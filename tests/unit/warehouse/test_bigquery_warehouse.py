"""Who dies in the middle of a write to BigQuery, what it leaves, and how the next goes on."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace as changed
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from google.api_core import exceptions
from google.cloud import bigquery
from polars.testing import assert_frame_equal

from energy_platform.errors import CommitConflictError
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.warehouse.bigquery import loads, schema
from energy_platform.storage.warehouse.bigquery.appends import Appends
from energy_platform.storage.warehouse.bigquery.client import Clients, passes
from energy_platform.storage.warehouse.bigquery.ledger import LEDGER
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.protocol import Position
from tests.support.bigquery_server import MISSING, bigquery_server, is_installed
from tests.support.sources import EXAMPLE
from tests.support.stores import KilledError
from tests.support.warehouses import STEP, Place, go, prices, rows

TABLE = prices()
LONG_AGO = pl.lit("1999-01-01T00:00:00Z").str.to_datetime("%+", time_unit="us", time_zone="UTC")


@pytest.fixture
def open_one(clients: Clients) -> Callable[[], BigQueryWarehouse]:
    """Open the warehouse as another process does, that takes any other for dead."""
    return lambda: BigQueryWarehouse(clients, ledger_age_seconds=0, patience_seconds=0)


@pytest.fixture
def ours(open_one: Callable[[], BigQueryWarehouse]) -> BigQueryWarehouse:
    """A warehouse with a first batch in its table."""
    warehouse = open_one()
    warehouse.commit(TABLE, rows(TABLE, 0, 5), start=0, stop=5)
    return warehouse


def stored(warehouse: BigQueryWarehouse) -> pl.DataFrame:
    return warehouse.scan(TABLE).collect()


def die_at(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, call: int = 1, done: bool
) -> None:
    """End the process at a call, made or not made; what it left behind stays as it is."""
    made, calls = getattr(owner, name), iter(range(1, 100))

    def last(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != call:
            return made(*args, **kwargs)
        monkeypatch.setattr(owner, name, made)
        if done:
            made(*args, **kwargs)
        raise KilledError(name)

    monkeypatch.setattr(owner, name, last)


# Of one commit: the intent, the rows, the outcome; each is one append.
@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("done", [False, True])
def test_who_dies_at_any_append_loses_and_doubles_nothing(  # noqa: PLR0913 (fixtures)
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    call: int,
    done: bool,
) -> None:
    die_at(monkeypatch, Appends, "append", call=call, done=done)
    with pytest.raises(KilledError):
        ours.commit(TABLE, rows(TABLE, 5, 9), start=5, stop=9)
    heir = open_one()
    moved = (call, done) == (3, True)
    assert heir.committed_offset(TABLE) == (9 if moved else 5)
    left = call in (2, 3) or done
    if left and not moved:
        patient = BigQueryWarehouse(clients, ledger_age_seconds=0, patience_seconds=3_600)
        with pytest.raises(CommitConflictError, match="at work"):
            patient.commit(TABLE, rows(TABLE, 5, 12), start=5, stop=12)
    # The heir takes a larger batch: the dead writer's rows count if they are there.
    is_there = (call, done) >= (2, True)
    if is_there and not moved:
        with pytest.raises(CommitConflictError, match="offset 9"):
            heir.commit(TABLE, rows(TABLE, 5, 12), start=5, stop=12)
        assert "are there" in caplog.text
    start = heir.committed_offset(TABLE)
    assert start == (9 if is_there else 5)
    heir.commit(TABLE, rows(TABLE, start, 12), start=start, stop=12)
    assert_frame_equal(stored(heir), rows(TABLE, 0, 12))
    assert heir.summary(TABLE).rows == 12


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("name", ["load", "run"])
def test_who_dies_at_a_job_loses_and_doubles_nothing(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    done: bool,
) -> None:
    die_at(monkeypatch, loads, name, done=done)
    frame = rows(TABLE, 5, 9).with_columns(delivery_start=LONG_AGO)
    before = ours.position(TABLE)
    nothing, after = rows(TABLE, 0, 0), before.replaced()
    write: dict[str, Callable[[], object]] = {
        "load": lambda: ours.commit(TABLE, frame, start=5, stop=9),
        "run": lambda: ours.replace(TABLE, nothing, range(2), before=before, after=after),
    }
    with pytest.raises(KilledError):
        write[name]()
    heir = open_one()
    after, wanted = Position(offset=9), pl.concat([rows(TABLE, 0, 5), frame])
    if name == "run" and done:
        with pytest.raises(CommitConflictError, match="replaced"):
            heir.commit(TABLE, frame, start=5, stop=9)
        after, wanted = before.replaced(), rows(TABLE, 2, 5)
    else:
        heir.commit(TABLE, frame, start=5, stop=9)
    assert heir.position(TABLE) == after
    assert_frame_equal(stored(heir), wanted)
    assert heir.summary(TABLE).rows == wanted.height


def test_who_was_taken_for_dead_can_append_no_more(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A writer that only slept finds its stream closed; the other's rows are the table's."""
    append, calls = Appends.append, iter(range(100))

    def sleep_before_the_rows(self: Appends, *args: Any) -> bool:
        if next(calls) == 1:
            monkeypatch.setattr(Appends, "append", append)
            heir = open_one()
            heir.commit(TABLE, rows(TABLE, 5, 12, price=1.0), start=5, stop=12)
        return append(self, *args)

    monkeypatch.setattr(Appends, "append", sleep_before_the_rows)
    with pytest.raises(CommitConflictError):
        ours.commit(TABLE, rows(TABLE, 5, 9), start=5, stop=9)
    wanted = pl.concat([rows(TABLE, 0, 5), rows(TABLE, 5, 12, price=1.0)])
    assert_frame_equal(stored(ours), wanted)
    ours.commit(TABLE, rows(TABLE, 12, 13), start=12, stop=13)
    assert stored(ours).height == 13


def test_whose_job_was_taken_over_never_runs_it(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = loads.load
    frame = rows(TABLE, 5, 9).with_columns(delivery_start=LONG_AGO)

    def sleep_before(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(loads, "load", load)
        open_one().commit(TABLE, rows(TABLE, 5, 6), start=5, stop=6)
        return load(*args, **kwargs)

    monkeypatch.setattr(loads, "load", sleep_before)
    with pytest.raises(CommitConflictError, match="taken over"):
        ours.commit(TABLE, frame, start=5, stop=9)
    assert_frame_equal(stored(ours), rows(TABLE, 0, 6))


def test_a_stream_that_others_have_closed(
    ours: BigQueryWarehouse, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    standing = ours._ledger.standing(TABLE)
    for stream in (standing.settled.stream, standing.ledger_stream):
        clients.writer.finalize_write_stream(name=stream)
    ours.commit(TABLE, rows(TABLE, 5, 6), start=5, stop=6)
    ours.commit(TABLE, rows(TABLE, 6, 7), start=6, stop=7)
    assert_frame_equal(stored(ours), rows(TABLE, 0, 7))
    assert "its ledger stream is lost" in caplog.text
    assert ours._ledger.standing(TABLE).epoch == 1


def test_the_ledger_is_kept_short(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for start in (5, 6, 7):
        ours.commit(TABLE, rows(TABLE, start, start + 1), start=start, stop=start + 1)
    before = ours._ledger.standing(TABLE)
    ours.maintain([TABLE])
    [[kept]] = clients.rest.query_and_wait(f"SELECT COUNT(*) FROM `{clients.dataset}.{LEDGER}`")
    assert kept == 9, "what is two days old or younger is kept"
    monkeypatch.setattr("energy_platform.storage.warehouse.bigquery.ledger._KEPT", timedelta(0))
    ours.maintain([TABLE])
    [[kept]] = clients.rest.query_and_wait(f"SELECT COUNT(*) FROM `{clients.dataset}.{LEDGER}`")
    assert kept == 2, "its stream, and its last outcome"
    assert open_one()._ledger.standing(TABLE) == before


def test_tables_are_laid_out_for_who_reads_them(
    open_one: Callable[[], BigQueryWarehouse], clients: Clients
) -> None:
    source = EXAMPLE
    table = changed(market_table(source), is_large=True)
    for each in (table, quarantine_table(source)):
        open_one().commit(each, pl.DataFrame(schema=each.dtypes), start=0, stop=1)
    made = clients.rest.get_table(schema.reference(clients, table))
    assert made.time_partitioning.field == "delivery_start"
    assert made.time_partitioning.type_ == bigquery.TimePartitioningType.DAY
    assert made.clustering_fields == ["bidding_zone", "delivery_start"]
    assert made.require_partition_filter
    assert made.description == source.description
    assert made.labels == {"provider": "example", "market_group": "auctions", "protocol": "rest"}
    descriptions = {field.name: field.description for field in made.schema}
    assert descriptions["price_eur_per_mwh"] == "Price [EUR/MWh]"
    other = clients.rest.get_table(schema.reference(clients, quarantine_table(source)))
    assert (other.table_id, other.require_partition_filter) == ("quarantine__example_price", False)


def test_only_what_passes_by_itself_is_tried_again() -> None:
    quota = exceptions.Forbidden("too much", errors=[{"reason": "rateLimitExceeded"}])
    denied = exceptions.Forbidden("not yours", errors=[{"reason": "accessDenied"}])
    assert passes(quota)
    assert passes(exceptions.ResourceExhausted("too much"))
    assert passes(exceptions.ServiceUnavailable("down"))
    assert not passes(denied)
    assert not passes(exceptions.InvalidArgument("wrong"))
    assert not passes(exceptions.Conflict("there already"))


@pytest.mark.nightly
@pytest.mark.parametrize("kills", [1, 5])
def test_an_emulator_that_is_killed_again_and_again(tmp_path: Path, kills: int) -> None:
    """It forgets its streams each time; a process that commits meanwhile goes on by itself."""
    if not is_installed():
        pytest.skip(MISSING)
    with bigquery_server(tmp_path) as server, ExitStack() as stack:
        place = Place(
            kind="bigquery",
            where=server.address,
            grpc_address=server.grpc_address,
            dataset="energy",
        )
        warehouse = stack.enter_context(place.open())
        warehouse.commit(TABLE, rows(TABLE, 0, STEP), start=0, stop=STEP)
        writer = place.start_writer(TABLE, stop=1_000_000)
        stack.callback(writer.kill)
        go(writer)
        reached = STEP
        for _ in range(kills):
            wait_until_beyond(warehouse, reached)
            server.kill()
            server.start()
            reached = warehouse.committed_offset(TABLE)
        wait_until_beyond(warehouse, reached)
        assert writer.poll() is None, "the writer has lived through it"
        writer.kill()
        writer.communicate(timeout=60)
        committed = wait_until_settled(warehouse)
        assert_frame_equal(warehouse.scan(TABLE).collect(), rows(TABLE, 0, committed))


def wait_until_beyond(warehouse: Any, offset: int) -> None:
    deadline = time.monotonic() + 100
    while warehouse.committed_offset(TABLE) <= offset:
        assert time.monotonic() < deadline, "the writer has stopped"
        time.sleep(0.05)


def wait_until_settled(warehouse: Any) -> int:
    """Commit once more, as soon as the killed writer's batch is done with; return where it is.

    If the killed writer's rows turn out to be stored, they count, and the one row does not.
    """
    deadline = time.monotonic() + 30
    while True:
        start: int = warehouse.committed_offset(TABLE)
        try:
            warehouse.commit(TABLE, rows(TABLE, start, start + 1), start=start, stop=start + 1)
        except CommitConflictError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return int(warehouse.committed_offset(TABLE))


def test_more_tables_than_the_service_holds_calls_open(
    open_one: Callable[[], BigQueryWarehouse],
) -> None:
    """The emulator has 16 threads, and two streams a table each would keep one."""
    warehouse = open_one()
    tables = [changed(TABLE, name=f"{TABLE.name}_{number}") for number in range(9)]
    for start, stop in ((0, 5), (5, 9)):
        for table in tables:
            assert warehouse.commit(table, rows(table, start, stop), start=start, stop=stop)
    for table in tables:
        assert warehouse.scan(table).collect().height == rows(table, 0, 9).height
