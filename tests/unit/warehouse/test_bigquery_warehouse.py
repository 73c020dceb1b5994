"""Who dies in the middle of a write to BigQuery, what it leaves, and how the next goes on."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace as changed
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from google.api_core import exceptions
from google.cloud import bigquery
from polars.testing import assert_frame_equal

from energy_platform.errors import CommitConflictError
from energy_platform.pipeline.tables import market_table, quarantine_table
from energy_platform.storage.warehouse.bigquery import appends, jobs, schema
from energy_platform.storage.warehouse.bigquery.client import Clients, passes
from energy_platform.storage.warehouse.bigquery.ledger import LEDGER
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from energy_platform.storage.warehouse.protocol import Position
from tests.support.bigquery_server import MISSING, bigquery_server, is_installed
from tests.support.sources import EXAMPLE
from tests.support.stores import KilledError
from tests.support.warehouses import STEP, Place, go, instant_of, prices, rows

TABLE = prices()
LONG_AGO = pl.lit("1999-01-01T00:00:00Z").str.to_datetime("%+", time_unit="us", time_zone="UTC")


@pytest.fixture
def open_one(clients: Clients) -> Callable[[], BigQueryWarehouse]:
    """Open the warehouse as another process does, that takes any other for dead."""
    return lambda: BigQueryWarehouse(clients, ledger_age_seconds=0)


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


# Of one commit: the rows, and their record; each is one append.
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("done", [False, True])
def test_who_dies_at_any_append_loses_and_doubles_nothing(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
    *,
    call: int,
    done: bool,
) -> None:
    die_at(monkeypatch, appends, "append", call=call, done=done)
    with pytest.raises(KilledError):
        ours.commit(TABLE, rows(TABLE, 5, 9), start=5, stop=9)
    heir = open_one()
    is_there, is_recorded = (call, done) >= (1, True), (call, done) == (2, True)
    assert heir.committed_offset(TABLE) == (9 if is_recorded else 5)
    # The heir takes a larger batch: the dead writer's rows count if they are there.
    if is_there:
        with pytest.raises(CommitConflictError, match="offset 9"):
            heir.commit(TABLE, rows(TABLE, 5, 12), start=5, stop=12)
    start = heir.committed_offset(TABLE)
    assert start == (9 if is_there else 5)
    heir.commit(TABLE, rows(TABLE, start, 12), start=start, stop=12)
    assert_frame_equal(stored(heir), rows(TABLE, 0, 12))
    summary = heir.summary(TABLE)
    assert (summary.rows, summary.last_event_at) == (12, instant_of(11))
    assert heir.summary(TABLE) == open_one().summary(TABLE)


# Of one epoch: the load of its rows, and the transaction.
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize("write", ["commit", "replace"])
def test_who_dies_at_a_job_loses_and_doubles_nothing(  # noqa: PLR0913 (fixtures)
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
    *,
    write: str,
    call: int,
    done: bool,
) -> None:
    die_at(monkeypatch, jobs, "_run_once", call=call, done=done)
    before = ours.position(TABLE)
    attempt: Callable[[], object]
    if write == "commit":
        frame, start, replaced = rows(TABLE, 5, 9).with_columns(delivery_start=LONG_AGO), 5, 5
        after = Position(offset=9)
        attempt = partial(ours.commit, TABLE, frame, start=5, stop=9)
    else:
        frame, start, replaced = rows(TABLE, 0, 1, price=-1.0), 0, 2
        after = before.replaced()
        attempt = partial(ours.replace, TABLE, frame, range(2), before=before, after=after)
    with pytest.raises(KilledError):
        attempt()
    is_there = (call, done) == (2, True)
    kept = rows(TABLE, 0, 5)
    wanted = pl.concat([kept.head(start), frame, kept.slice(replaced)])
    assert_frame_equal(stored(open_one()), wanted if is_there else kept)
    heir = open_one()
    assert heir.position(TABLE) == (after if is_there else before)
    if write == "commit":
        assert heir.commit(TABLE, frame, start=5, stop=9) is not is_there
    elif not is_there:
        heir.replace(TABLE, frame, range(2), before=before, after=after)
    assert heir.position(TABLE) == after
    assert_frame_equal(stored(heir), wanted)
    assert heir.summary(TABLE).rows == wanted.height
    heir.commit(
        TABLE, rows(TABLE, 20, 21), start=after.offset, stop=21, replacements=after.replacements
    )
    assert stored(heir).height == wanted.height + 1


def test_who_was_taken_for_dead_can_append_no_more(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A writer that only slept finds its offset taken; the other's rows are the table's."""
    append = appends.append

    def sleep_before_the_rows(*args: Any) -> bool:
        monkeypatch.setattr(appends, "append", append)
        heir = open_one()
        heir.commit(TABLE, rows(TABLE, 5, 12, price=1.0), start=5, stop=12)
        return append(*args)

    monkeypatch.setattr(appends, "append", sleep_before_the_rows)
    assert not ours.commit(TABLE, rows(TABLE, 5, 9), start=5, stop=9)
    wanted = pl.concat([rows(TABLE, 0, 5), rows(TABLE, 5, 12, price=1.0)])
    assert_frame_equal(stored(ours), wanted)
    ours.commit(TABLE, rows(TABLE, 12, 13), start=12, stop=13)
    assert stored(ours).height == 13


@pytest.mark.parametrize("taken", [range(5, 9), range(5, 7)], ids=["all of it", "some of it"])
def test_a_record_that_comes_late_changes_nothing(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
    taken: range,
) -> None:
    """A writer sleeps between rows and record, while others count its rows and go on."""
    append, calls = appends.append, iter(range(100))

    def sleep_before_the_record(*args: Any) -> bool:
        if next(calls) == 1:
            monkeypatch.setattr(appends, "append", append)
            heir = open_one()
            with pytest.raises(CommitConflictError):
                heir.commit(TABLE, rows(TABLE, 5, 12), start=5, stop=12)
            assert heir.committed_offset(TABLE) == taken.stop
            heir.commit(TABLE, rows(TABLE, taken.stop, 20), start=taken.stop, stop=20)
        return append(*args)

    monkeypatch.setattr(appends, "append", sleep_before_the_record)
    # The batch's last messages may say nothing new.
    ours.commit(TABLE, rows(TABLE, taken.start, taken.stop), start=5, stop=9)
    for warehouse in (ours, open_one()):
        assert warehouse.position(TABLE) == Position(offset=20)
        assert_frame_equal(stored(warehouse), rows(TABLE, 0, 20))
        assert warehouse.summary(TABLE).rows == 20


def test_a_batch_that_was_read_before_a_replacement_is_refused(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    append = appends.append
    before = ours.position(TABLE)

    def sleep_before_the_rows(*args: Any) -> bool:
        monkeypatch.setattr(appends, "append", append)
        nothing = rows(TABLE, 0, 0)
        open_one().replace(TABLE, nothing, range(2), before=before, after=before.replaced())
        return append(*args)

    monkeypatch.setattr(appends, "append", sleep_before_the_rows)
    with pytest.raises(CommitConflictError):
        ours.commit(TABLE, rows(TABLE, 5, 9), start=5, stop=9)
    assert_frame_equal(stored(ours), rows(TABLE, 2, 5))


def test_a_batch_that_is_under_way_when_rows_are_replaced_counts(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its rows are there, so the replacement is made upon another position than it assumed."""
    append, calls = appends.append, iter(range(100))
    before = ours.position(TABLE)

    def sleep_before_the_record(*args: Any) -> bool:
        if next(calls) == 1:
            monkeypatch.setattr(appends, "append", append)
            nothing = rows(TABLE, 0, 0)
            with pytest.raises(CommitConflictError):
                open_one().replace(TABLE, nothing, range(2), before=before, after=before.replaced())
        return append(*args)

    monkeypatch.setattr(appends, "append", sleep_before_the_record)
    ours.commit(TABLE, rows(TABLE, 5, 9), start=5, stop=9)
    assert open_one().position(TABLE) == Position(offset=9)
    assert_frame_equal(stored(ours), rows(TABLE, 0, 9))


def test_whose_epoch_another_has_begun_never_runs_its_job(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = jobs.run
    frame = rows(TABLE, 5, 9).with_columns(delivery_start=LONG_AGO)

    def sleep_before(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(jobs, "run", run)
        open_one().commit(TABLE, rows(TABLE, 5, 6), start=5, stop=6)
        return run(*args, **kwargs)

    monkeypatch.setattr(jobs, "run", sleep_before)
    with pytest.raises(CommitConflictError, match="another writer"):
        ours.commit(TABLE, frame, start=5, stop=9)
    assert_frame_equal(stored(ours), rows(TABLE, 0, 6))


def test_a_stream_that_others_have_closed(
    ours: BigQueryWarehouse, clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    stream = ours._ledger.last_seen(TABLE).stream
    clients.writer.finalize_write_stream(name=stream)
    ours.commit(TABLE, rows(TABLE, 5, 6), start=5, stop=6)
    ours.commit(TABLE, rows(TABLE, 6, 7), start=6, stop=7)
    assert_frame_equal(stored(ours), rows(TABLE, 0, 7))
    assert "takes no rows" in caplog.text
    assert ours._ledger.last_seen(TABLE).epoch == 2


def test_a_ledger_that_is_lost_is_made_of_the_rows(
    ours: BigQueryWarehouse, open_one: Callable[[], BigQueryWarehouse], clients: Clients
) -> None:
    """Also that of a dataset that an earlier version wrote, whose ledger had another name."""
    clients.rest.delete_table(f"{schema.reference(clients, LEDGER)}")
    heir = open_one()
    assert heir.position(TABLE) == Position()
    with pytest.raises(CommitConflictError, match="offset 5"):
        heir.commit(TABLE, rows(TABLE, 0, 9), start=0, stop=9)
    heir.commit(TABLE, rows(TABLE, 5, 9), start=5, stop=9)
    assert_frame_equal(stored(heir), rows(TABLE, 0, 9))
    assert heir.summary(TABLE).rows == 9


def test_the_ledger_is_kept_short(
    ours: BigQueryWarehouse,
    open_one: Callable[[], BigQueryWarehouse],
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = changed(TABLE, name="other")
    ours.commit(other, rows(other, 0, 1), start=0, stop=1)
    for start in (5, 6, 7):
        ours.commit(TABLE, rows(TABLE, start, start + 1), start=start, stop=start + 1)
    before = [ours._ledger.anew(table) for table in (TABLE, other)]
    ours.maintain([TABLE])
    count = f"SELECT COUNT(*) FROM `{schema.reference(clients, LEDGER)}`"
    [[kept]] = clients.rest.query_and_wait(count)
    assert kept == 7, "what is two days old or younger is kept"
    monkeypatch.setattr("energy_platform.storage.warehouse.bigquery.ledger._KEPT", timedelta(0))
    ours.maintain([TABLE])
    [[kept]] = clients.rest.query_and_wait(count)
    assert kept == 2, "the newest record of each table"
    assert [open_one()._ledger.anew(table) for table in (TABLE, other)] == before


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


# A restart of the emulator takes up to a minute on a busy machine.
@pytest.mark.nightly
@pytest.mark.timeout(900)
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
