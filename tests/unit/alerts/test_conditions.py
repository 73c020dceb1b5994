"""What is wrong, and the words for it: source, since when, expected lag, last event, what next."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from energy_platform.market.timeliness import Lateness
from energy_platform.operations.alerts.conditions import Condition, FailedRuns, Trouble, conditions
from energy_platform.operations.status import SourceState, SourceStatus
from energy_platform.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WELL = SourceStatus(
    name="example_price",
    protocol="REST",
    group="auctions",
    landed_offset=5,
    committed_offset=5,
    rows=100,
    last_event_at=NOON,
    lag_seconds=60,
    expected_lag_seconds=3600,
    is_daily=False,
    late=None,
    quarantined=0,
    rows_lately=1_000,
    refused_lately=0,
    quarantine_rate=0.0,
    drift=(),
    state=SourceState.FLOWING,
    needs=[],
    detail="",
    hot_copy_behind="",
)


def wrong(status: SourceStatus, **settings: float) -> list[Condition]:
    return conditions([status], [], Settings.model_validate(settings))


def test_nothing_is_said_of_what_is_well() -> None:
    assert wrong(WELL) == []


def test_files_of_the_log_that_could_not_be_read_are_told_for_an_hour() -> None:
    [one] = wrong(replace(WELL, lost_segments=5, lost_segments_lately=2))
    assert one.key == "landing:example_price"
    assert one.text == (
        "example_price: 2 files of its landing log could not be read in the last hour. A line in"
        " quarantine stands for each; all other messages go on."
        " Next: energy-platform verify example_price"
    )
    assert wrong(replace(WELL, lost_segments=5)) == []
    newest = "example_price: [0, 3) is damaged"
    [one] = wrong(replace(WELL, lost_segments_lately=2, landing_damage=newest))
    assert one.text.startswith(f"{newest}. What lands next")


def test_a_late_source() -> None:
    late = Lateness(NOON + timedelta(hours=1), "values of 2026-03-02")
    [one] = wrong(replace(WELL, late=late, state=SourceState.LATE))
    assert one.key == "late:example_price"
    assert one.text == (
        "example_price is late since 2026-03-01 13:00 UTC: values of 2026-03-02 not there"
        " (expected lag 60 min, last event 2026-03-01 12:00 UTC). Next: energy-platform status"
    )
    assert one.over == "example_price is on time again (last event 2026-03-01 12:00 UTC)."


def test_a_question_without_an_answer_is_told_though_the_source_flows() -> None:
    [one] = wrong(replace(WELL, unanswered={"in_Domain=XK": "answered 400"}, questions=47))
    assert one.key == "unanswered:example_price"
    assert one.text == (
        "example_price: no answer to 1 of 47 questions: in_Domain=XK (answered 400). They are"
        " asked again, ever more slowly, and the others go on. Next: energy-platform status"
    )
    assert one.patience == timedelta()


def test_a_feed_that_fails_for_long_is_told_beside_its_lateness() -> None:
    late = Lateness(NOON, "values after 2026-03-01 11:00:00 UTC")
    failing = replace(WELL, late=late, state=SourceState.BACKING_OFF, detail="FeedError: 503")
    assert [one.trouble for one in wrong(failing)] == [Trouble.LATE, Trouble.FEED]
    feed = wrong(failing)[1]
    assert "FeedError: 503" in feed.text
    assert feed.patience == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("is_daily", "patience"), [(False, timedelta(hours=1)), (True, timedelta(days=1, hours=1))]
)
def test_a_source_that_never_spoke_is_given_its_time(
    *, is_daily: bool, patience: timedelta
) -> None:
    [one] = wrong(replace(WELL, state=SourceState.WAITING, is_daily=is_daily))
    assert (one.trouble, one.patience) == (Trouble.SILENT, patience)


@pytest.mark.parametrize(
    ("rows", "refused", "told"),
    [(1_000, 50, False), (1_000, 51, True), (20, 19, False), (20, 20, True), (0, 0, False)],
)
def test_quarantine_is_told_over_a_part_and_a_number(
    rows: int, refused: int, *, told: bool
) -> None:
    status = replace(
        WELL,
        rows_lately=rows,
        refused_lately=refused,
        quarantine_rate=refused / rows if rows else None,
    )
    assert bool(wrong(status)) is told
    if told:
        assert "energy-platform quarantine example_price" in wrong(status)[0].text
    assert wrong(status, alert_quarantine_percent=100) == []


def test_a_blocked_source_is_told_with_what_helps() -> None:
    why = "at offset 5, with 3 messages waiting: ValueError: no number"
    [one] = wrong(replace(WELL, state=SourceState.BLOCKED, blocked=why))
    assert one.key == "blocked:example_price"
    assert one.text == (
        f"example_price is blocked {why}. What landed is kept. Next: energy-platform history"
        " example_price; if that message is the cause, energy-platform quarantine --skip"
        " example_price 5 sets it aside"
    )
    assert one.patience == timedelta()


def test_the_thresholds_are_settings() -> None:
    status = replace(WELL, rows_lately=100, refused_lately=2, quarantine_rate=0.02)
    assert wrong(status) == []
    assert wrong(status, alert_quarantine_percent=1, alert_quarantine_rows=2)


def test_drift_is_told_in_its_own_words() -> None:
    [one] = wrong(replace(WELL, drift=("new field `a` (number)", "`b` is missing")))
    assert "has drifted: new field `a` (number); `b` is missing." in one.text
    assert "energy-platform layout example_price" in one.text


def test_a_source_that_lacks_its_key_is_no_trouble() -> None:
    lacking = replace(WELL, needs=["KEY"], state=SourceState.NEEDS, late=Lateness(NOON, "x"))
    assert wrong(lacking) == []


def test_failed_runs_of_a_job_are_one_thing() -> None:
    found = conditions([], [FailedRuns("grid_micro_batch", 7, NOON, "in ceps_load")], Settings())
    assert [one.key for one in found] == ["run:grid_micro_batch"]
    assert found[0].text.startswith(
        "7 runs of grid_micro_batch failed, the last at 2026-03-01 12:00 UTC: in ceps_load."
    )


def test_a_hot_store_that_is_away_is_told_once_for_all_sources() -> None:
    away = [
        replace(WELL, name=name, hot_copy_behind="InfluxDB at http://i does not answer")
        for name in ("example_price", "other_price")
    ]
    [one] = conditions([*away, replace(WELL, name="third")], [], Settings())
    assert one.key == "hot_copy:hot_store"
    assert one.text == (
        "The hot copy of 2 sources is behind for 2 min or longer, so that dashboards are"
        " (example_price: InfluxDB at http://i does not answer). No row is lost, and it catches up"
        " by itself. Next: energy-platform status, logs/hot-lane.log, and the hot store's own log"
    )
    assert one.patience == timedelta(minutes=2)
