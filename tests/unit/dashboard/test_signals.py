"""What a page is told of the trading signals: the newest word of each, its model, its silence."""

from datetime import UTC, datetime, timedelta

from energy_platform.dashboard.signal_rows import SAYS_NOTHING
from tests.support.dashboard import Desk, Page, Row
from tests.support.trading_signals import (
    SOURCE,
    VERSION,
    hand_in,
    keep_manifest,
    next_quarter,
    words,
)

TOPIC = "signals"
QUARTER = timedelta(minutes=15)


def of(page: Page, start: datetime) -> Row:
    return page.rows.get(TOPIC, {}).get(f"imbalance_de|{start:%Y-%m-%dT%H:%M:%SZ}", {})


def test_a_page_is_told_what_is_said_by_which_model_and_when_it_falls_silent(desk: Desk) -> None:
    start = next_quarter()
    keep_manifest(desk.settings.home, loss=140.0, of_baselines=170.0)
    hand_in(desk, words(start - 5 * QUARTER, [1.0]))
    hand_in(desk, words(start, [340.0, -20.0]))
    with desk.page(**{TOPIC: None}) as page:
        page.until(lambda: of(page, start).get("q50") == 340.0)
        row = of(page, start)
        assert (row["q10"], row["q90"], row["chance_above_pct"]) == (-160.0, 840.0, 67.0)
        assert (row["unit"], row["gate"]) == ("MW", "60 min before delivery")
        assert (row["model_version"], row["score_days"]) == (VERSION, 40)
        assert (row["loss"], row["loss_of_climatology"]) == (140.0, 170.0)
        assert (row["loss_of_last_value"], row["hit_rate_pct"]) == (170.0, 65.0)
        assert row["beats_baselines"] is True
        assert row["landing_offset"] == 1
        # A delivery that has begun is past, and a signal that never spoke is there.
        assert {one["signal"] for one in page.rows[TOPIC].values()} == {
            "imbalance_de", "id3_spread_de"
        }  # fmt: skip
        assert page.rows[TOPIC]["id3_spread_de"]["silent_because"] == SAYS_NOTHING
        assert len(page.rows[TOPIC]) == 3
        hand_in(desk, words(start, [None], silent_because="drift: ramp"))
        page.until(lambda: of(page, start).get("silent_because") == "drift: ramp")
        assert of(page, start)["q50"] is None


def test_an_instant_is_answered_with_what_was_said_then(desk: Desk) -> None:
    start = next_quarter()
    then = datetime.now(UTC)
    desk.store(SOURCE, words(start, [10.0]), received_at=then - timedelta(minutes=2))
    desk.store(SOURCE, words(start, [30.0]), received_at=then)
    at = (then - timedelta(minutes=1)).isoformat()
    medians = [
        [row["q50"] for row in answer.json()["rows"] if row["signal"] == "imbalance_de"]
        for answer in (desk.get("/api/signals"), desk.get("/api/signals", as_of=at))
    ]
    assert medians == [[30.0], [10.0]]


def test_a_version_that_names_no_model_here_has_no_score(desk: Desk) -> None:
    keep_manifest(desk.settings.home, loss=140.0, of_baselines=170.0)
    desk.store(SOURCE, words(next_quarter(), [10.0], model_version="../imbalance_de/" + VERSION))
    [row] = [one for one in desk.get("/api/signals").json()["rows"] if one["q50"] is not None]
    assert (row["q50"], row["loss"]) == (10.0, None)
