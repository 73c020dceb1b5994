"""An asset's materialization says what its micro-batch did, and its checks what failed."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    DagsterInstance,
    ExecuteInProcessResult,
    TableMetadataValue,
    materialize,
)
from polars.exceptions import PanicException

from assets import batch_history, market_assets
from assets.market import BATCH_PARSED, LAYOUT_KNOWN, ROWS_VALID
from energy_platform.market.source import MarketSource
from energy_platform.operations.batch_history import BatchHistory
from energy_platform.pipeline.micro_batch import BatchReport, MicroBatches
from energy_platform.settings import settings
from resources import Platform
from tests.support.sources import EXAMPLE, NOON, example_message, prices
from tests.support.stores import hot, land, quarantined, stored

OTHER = replace(EXAMPLE, name="example_other")
OWN = replace(EXAMPLE, name="example_own", entitlement="bidding_zone")


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: DagsterInstance, *names: str) -> ExecuteInProcessResult:
    return materialize(
        market_assets([EXAMPLE, OTHER, OWN]),
        selection=list(names or (EXAMPLE.name,)),
        resources={"platform": Platform()},
        instance=instance,
    )


def metadata(result: ExecuteInProcessResult, name: str = EXAMPLE.name) -> dict[str, Any]:
    [materialization] = result.asset_materializations_for_node(name)
    return {label: value.value for label, value in materialization.metadata.items()}


def checks(result: ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def samples(check: AssetCheckEvaluation) -> Any:
    return check.metadata["samples"].value


def test_a_good_batch(instance: DagsterInstance, platform_batches: MicroBatches) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0), ("CZ", 1, 2.0)], minutes=5)])
    land(platform_batches, [example_message([("CZ", 0, 1.0)], minutes=6)])
    result = run(instance)
    assert result.success
    said = metadata(result)
    assert said.pop("batch_seconds") > 0
    assert said.pop("lag_seconds") > 0
    assert said.pop("last_received_at") == NOON.timestamp() + 360
    assert said == {
        "dagster/row_count": 2,
        "rows_parsed": 3,
        "rows_quarantined": 0,
        "messages": 2,
        "landing_offsets": "[0, 2)",
    }
    assert {name: check.passed for name, check in checks(result).items()} == {
        ROWS_VALID: True,
        BATCH_PARSED: True,
        LAYOUT_KNOWN: True,
    }
    assert prices(stored(platform_batches)) == [1.0, 2.0]
    assert hot(platform_batches).is_empty(), "that is the hot lane's business"


def test_nothing_new_is_a_materialization_too(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    result = run(instance)
    assert result.success
    assert metadata(result)["landing_offsets"] == "[0, 0)"
    assert "lag_seconds" not in metadata(result)


def test_quarantined_rows_are_a_warning_with_samples(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    bad = [("CZ", quarter, 9_000.0 + quarter) for quarter in range(1, 15)]
    land(platform_batches, [example_message([("CZ", 0, 1.0), *bad])])
    result = run(instance)
    assert result.success, "bad rows end no run"
    rows_valid, batch_parsed = checks(result)[ROWS_VALID], checks(result)[BATCH_PARSED]
    assert batch_parsed.passed
    assert samples(batch_parsed) == []
    assert not rows_valid.passed
    assert rows_valid.severity is AssetCheckSeverity.WARN
    assert rows_valid.metadata["quarantined_rows"].value == 14
    assert len(samples(rows_valid)) == 10
    assert set(samples(rows_valid)[0]) == {"landing_offset", "check", "reason", "row"}
    assert samples(rows_valid)[0]["reason"] == (
        "price_eur_per_mwh = 9001.0 fails less_than_or_equal_to(5000)"
    )
    assert metadata(result)["rows_quarantined"] == 14


def test_of_a_portfolio_the_checks_tell_counts_alone(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    bad = [("CZ", quarter, 9_000.0 + quarter) for quarter in range(1, 15)]
    land(platform_batches, [example_message(bad), example_message(b"{}")], source=OWN)
    result = run(instance, OWN.name)
    found = checks(result)
    assert not found[ROWS_VALID].passed
    assert found[ROWS_VALID].metadata["quarantined_rows"].value == 14
    [told] = samples(found[ROWS_VALID])
    assert told == {"landing_offset": 0, "check": told["check"], "rows": 14}
    assert samples(found[BATCH_PARSED]) == [{"landing_offset": 1, "check": "parse", "rows": 1}]
    for event in result.all_events:
        assert "CZ" not in str(event), "the zone stands for a portfolio here"
        assert re.search(r"\b90(0[1-9]|1[0-4])\.0\b", str(event)) is None, "a value"


def test_an_unparsed_message_is_an_error_with_samples(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [example_message(b"{}"), example_message([("CZ", 0, 1.0)])])
    result = run(instance)
    assert result.success
    rows_valid, batch_parsed = checks(result)[ROWS_VALID], checks(result)[BATCH_PARSED]
    assert rows_valid.passed
    assert not batch_parsed.passed
    assert batch_parsed.severity is AssetCheckSeverity.ERROR
    assert batch_parsed.metadata["unparsed_messages"].value == 1
    assert samples(batch_parsed) == [
        {"landing_offset": 0, "check": "parse", "reason": "not a JSON array", "row": None}
    ]
    assert prices(stored(platform_batches)) == [1.0]
    assert quarantined(platform_batches).height == 1


def test_a_drifted_layout_is_a_warning_that_names_the_difference(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    assert checks(run(instance))[LAYOUT_KNOWN].passed
    drifted = b'[{"zone": "CZ", "quarter": 1, "price": 2.0, "price_forecast": 3}]'
    land(platform_batches, [example_message(drifted)])
    layout_known = checks(run(instance))[LAYOUT_KNOWN]
    assert not layout_known.passed
    assert layout_known.severity is AssetCheckSeverity.WARN
    assert layout_known.description == "new field `price_forecast` (number)"
    assert layout_known.metadata["differences"].value == ["new field `price_forecast` (number)"]
    assert prices(stored(platform_batches)) == [1.0, 2.0], "nothing is lost"


def test_what_a_batch_said_is_noted(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    land(platform_batches, [example_message([("CZ", 0, 1.0), ("CZ", 1, 9_999.0)])])
    land(platform_batches, [example_message(b"garbage")])
    run(instance)
    noted = BatchHistory(settings().state).lately()[EXAMPLE.name]
    assert (noted.rows, noted.refused, noted.drift) == (3, 2, ())


def test_one_run_takes_several_sources(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
    result = run(instance, EXAMPLE.name, OTHER.name)
    assert result.success
    for source in (EXAMPLE, OTHER):
        assert metadata(result, source.name)["messages"] == 1
        assert prices(stored(platform_batches, source)) == [1.0]
        assert instance.get_latest_materialization_event(AssetKey(source.name)) is not None


@pytest.mark.parametrize("error", [OSError("torn"), PanicException("at the page")])
@pytest.mark.parametrize("failing", [EXAMPLE, OTHER])
def test_a_failing_source_stops_no_other_of_the_run(
    instance: DagsterInstance,
    platform_batches: MicroBatches,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    failing: MarketSource,
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
    batch = MicroBatches.run

    def fail_one(self: MicroBatches, source: MarketSource) -> BatchReport:
        if source is failing:
            raise error
        return batch(self, source)

    monkeypatch.setattr(MicroBatches, "run", fail_one)
    result = materialize(
        market_assets([EXAMPLE, OTHER, OWN]),
        selection=[EXAMPLE.name, OTHER.name],
        resources={"platform": Platform()},
        instance=instance,
        raise_on_error=False,
    )
    assert not result.success
    sound = OTHER if failing is EXAMPLE else EXAMPLE
    assert instance.get_latest_materialization_event(AssetKey(sound.name)) is not None
    assert instance.get_latest_materialization_event(AssetKey(failing.name)) is None
    assert prices(stored(platform_batches, sound)) == [1.0]
    lately = BatchHistory(settings().state).lately()
    assert (lately[sound.name].failures, lately[failing.name].failures) == (0, 1)
    assert lately[failing.name].error == f"{type(error).__name__}: {error}"


def test_a_batch_does_not_depend_on_its_note(
    instance: DagsterInstance, platform_batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(BatchHistory, "add", full)
    land(platform_batches, [example_message([("CZ", 0, 1.0)])])
    assert run(instance).success
    assert prices(stored(platform_batches)) == [1.0]


def test_the_history_is_an_asset_that_shows_the_last_day(
    instance: DagsterInstance, platform_batches: MicroBatches
) -> None:
    for source in (EXAMPLE, OTHER):
        land(platform_batches, [example_message([("CZ", 0, 1.0)])], source=source)
        run(instance, source.name)
    result = materialize([batch_history], resources={"platform": Platform()}, instance=instance)
    said = metadata(result, "batch_history")
    assert (said["dagster/row_count"], said["batches_of_the_last_day"]) == (2, 2)
    [materialization] = result.asset_materializations_for_node("batch_history")
    last_day = materialization.metadata["last_day"]
    assert isinstance(last_day, TableMetadataValue)
    records = [record.data for record in last_day.records]
    assert [record["source"] for record in records] == [OTHER.name, EXAMPLE.name]
    assert [record["rows_new"] for record in records] == [1, 1]
