"""`history` shows what the batches did, of one source line by line, of all of them in sum."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import energy_platform as ep
from energy_platform.cli import app
from energy_platform.errors import UnknownSourceError, UsageError
from energy_platform.operations.batch_history import SCHEMA, BatchHistory
from energy_platform.pipeline.micro_batch import BatchReport
from energy_platform.settings import settings

pytestmark = pytest.mark.usefixtures("home")

REPORT = BatchReport(
    source="smard_price",
    start=0,
    stop=1,
    rows_parsed=90,
    rows_new=40,
    quarantined=pl.DataFrame({"landing_offset": [0], "check": ["price"]}),
    unparsed=1,
    last_received_at=datetime(2026, 3, 1, tzinfo=UTC),
    drift=(),
    seconds=0.25,
)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["history", *arguments])
    if result.exception is not None:
        raise result.exception
    return result


def shown(*arguments: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = json.loads(run(*arguments, "--json").stdout)
    return lines


@pytest.fixture
def history() -> BatchHistory:
    history = BatchHistory(settings().state)
    for number in range(3):
        history.add(replace(REPORT, start=number, stop=number + 1))
    history.add(replace(REPORT, source="ceps_load", drift=("new field `x` (number)",)))
    history.add_failure("smard_price", OSError("torn\x1b[31m"))
    return history


def test_before_any_batch_there_is_nothing() -> None:
    assert shown() == []
    assert shown("smard_price") == []
    assert not (settings().home / "batch_history.sqlite").exists()


def test_all_sources_are_summed(history: BatchHistory) -> None:
    ceps, smard = shown()
    assert (ceps["source"], ceps["batches"], ceps["drift"]) == (
        "ceps_load", 1, "new field `x` (number)"
    )  # fmt: skip
    assert (smard["batches"], smard["failed"], smard["rows_new"], smard["quarantined"]) == (
        3, 1, 120, 3
    )  # fmt: skip
    assert (smard["start_offset"], smard["stop_offset"], smard["messages"]) == (0, 3, 3)
    table = run().stdout
    assert "[0, 3)" in table
    assert "layout: new field `x` (number)" in table


def test_one_source_is_told_line_by_line(history: BatchHistory) -> None:
    lines = shown("smard_price")
    assert [line["start_offset"] for line in lines] == [0, 1, 2, None]
    assert lines[-1]["error"].startswith("OSError: torn")
    newest = run("smard_price", "--limit", "2").stdout
    assert "2 lines before these" in newest
    assert "OSError: torn [31m" in newest
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert shown("smard_price", "--from", tomorrow) == []


def test_a_source_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownSourceError):
        run("no_such_source")


def test_a_notebook_reads_the_same_lines(history: BatchHistory) -> None:
    frame = ep.batch_history("smard_price")
    assert frame.schema == pl.Schema(SCHEMA)
    assert frame["messages"].to_list() == [1, 1, 1, 0]
    assert ep.batch_history().height == 5
    assert ep.batch_history(start=datetime.now(UTC) + timedelta(days=1)).is_empty()
    with pytest.raises(UnknownSourceError):
        ep.batch_history("no_such_source")
    with pytest.raises(UsageError, match="time zone"):
        ep.batch_history(start=datetime(2026, 3, 1))  # noqa: DTZ001 (that is what is refused)
