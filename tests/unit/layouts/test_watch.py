"""What a batch's messages are held against, is kept beside the logs and shared by all workers."""

import json
from dataclasses import replace
from typing import Any

import pytest

from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source
from energy_platform.pipeline.layouts import watch
from energy_platform.pipeline.layouts.baseline import ALWAYS, Baseline
from energy_platform.pipeline.micro_batch import MicroBatches
from energy_platform.storage.landing import LandingZone
from tests.support.sources import EXAMPLE, NOON, example_message, prices
from tests.support.stores import batches_in, land, quarantined, run_all, stored


@pytest.fixture
def batches(tmp_path: Any) -> MicroBatches:
    return batches_in(tmp_path)


def message(**record: Any) -> RawMessage:
    return RawMessage(body=json.dumps([record]).encode(), received_at=NOON)


GOOD = {"zone": "CZ", "quarter": 0, "price": 1.0}


def see(batches: MicroBatches, **record: Any) -> tuple[str, ...]:
    land(batches, [message(**record)])
    [report] = run_all(batches)
    return report.drift


def test_a_batch_names_what_drifts_and_loses_nothing(batches: MicroBatches) -> None:
    for _ in range(ALWAYS):
        assert see(batches, **GOOD) == ()
    assert see(batches, **GOOD | {"price_forecast": 5}) == ("new field `price_forecast` (number)",)
    assert see(batches, zone="CZ", quarter=1) == ("`price` is missing",)
    assert see(batches, zone="CZ", quarter=2, price="9999") == ("`price` was number, is text",)
    assert prices(stored(batches)) == [1.0, None], "what still parses goes through"
    assert quarantined(batches).height == 1, "what doesn't is kept with its reason"
    assert batches.landing.log(EXAMPLE.name).end_offset() == ALWAYS + 3


def test_documents_of_portfolios_are_not_held_against_each_other(batches: MicroBatches) -> None:
    """Each sender writes them in another way, and a difference could name a portfolio."""
    position = market_source("position")
    row = {
        "portfolio": "wind", "area": "DE-LU", "kind": "contract", "name": "deal",
        "delivery_start": "2026-03-28T10:00Z", "delivery_end": "2026-03-28T10:15Z", "power_mw": 5,
    }  # fmt: skip
    context = {"sender": "alice"}
    for document in ([row], [row | {"heliodor": 1, "power_mw": "6"}], [row | {"zone": "x"}]):
        body = RawMessage(body=json.dumps(document).encode(), received_at=NOON, context=context)
        assert watch.drift(batches.landing.notes, position, [body]) == ()
        assert watch.pending(batches.landing.notes, position, [body]) == ()


def test_a_drift_goes_on_until_it_is_accepted(batches: MicroBatches) -> None:
    notes = batches.landing.notes
    see(batches, **GOOD)
    drifted = GOOD | {"price_forecast": 5}
    expected = ("new field `price_forecast` (number)",)
    for _ in range(3):
        assert see(batches, **drifted) == expected
    assert watch.pending(notes, EXAMPLE, [message(**drifted)]) == expected
    assert watch.accept(notes, EXAMPLE, [message(**drifted)]) == expected
    assert see(batches, **drifted) == ()
    assert watch.pending(notes, EXAMPLE, [message(**drifted)]) == ()


def test_a_layout_that_changes_nothing_is_compared_once(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = batches.landing.notes
    for _ in range(ALWAYS + 2):
        assert see(batches, **GOOD) == ()

    def compared(_: bytes) -> Baseline:
        raise RuntimeError("compared")

    monkeypatch.setattr(Baseline, "from_json", compared)
    assert watch.drift(notes, EXAMPLE, [message(**GOOD), message(**GOOD | {"quarter": 9})]) == ()
    for other in (GOOD | {"price_forecast": 5}, GOOD | {"price": "9"}, {"zone": "CZ"}):
        with pytest.raises(RuntimeError, match="compared"):
            watch.drift(notes, EXAMPLE, [message(**GOOD), message(**other)])


def test_every_worker_goes_by_the_same_layout(batches: MicroBatches, tmp_path: Any) -> None:
    other = LandingZone.open((tmp_path / "landing").as_uri())
    assert watch.drift(other.notes, EXAMPLE, [message(**GOOD)]) == ()
    assert see(batches, **GOOD | {"more": True}) == ("new field `more` (boolean)",)
    watch.accept(batches.landing.notes, EXAMPLE, [message(**GOOD | {"more": True})])
    assert watch.drift(other.notes, EXAMPLE, [message(**GOOD | {"more": True})]) == ()


def test_an_optional_field_is_no_drift_there_or_not(batches: MicroBatches) -> None:
    notes, often, rare = batches.landing.notes, message(**GOOD), message(**GOOD | {"status": "A9"})
    source = replace(EXAMPLE, optional_fields=("status",))
    assert [watch.drift(notes, source, [often]) for _ in range(2 * ALWAYS)] == [()] * 2 * ALWAYS
    assert watch.drift(notes, source, [rare]) == ()
    assert [watch.drift(notes, source, [rare]) for _ in range(2 * ALWAYS)] == [()] * 2 * ALWAYS
    assert watch.drift(notes, source, [often]) == ()
    assert watch.drift(notes, EXAMPLE, [rare]) == ("new field `status` (text)",)


def test_of_two_writers_of_a_version_one_is_told(tmp_path: Any) -> None:
    one, other = (LandingZone.open(tmp_path.as_uri()).notes for _ in range(2))
    assert one.newest("layout/a") == (0, b"")
    assert one.add("layout/a", 1, b"first")
    assert not other.add("layout/a", 1, b"second")
    assert other.newest("layout/a") == (1, b"first")
    assert other.add("layout/a", 2, b"second")
    assert one.newest("layout/a") == (2, b"second")
    assert one.newest("layout/b") == (0, b"")


def test_notes_are_no_part_of_a_log(batches: MicroBatches) -> None:
    see(batches, **GOOD)
    zone = batches.landing
    assert zone.log(EXAMPLE.name).read(0, 1)[0].body == message(**GOOD).body
    assert zone.writer(EXAMPLE.name).append([message(**GOOD)], None) == range(1, 2)


def test_once_all_is_learned_nothing_more_is_written(batches: MicroBatches) -> None:
    notes = batches.landing.notes
    for _ in range(ALWAYS + 1):
        see(batches, **GOOD)
    version, _ = notes.newest(f"layout/{EXAMPLE.name}")
    for _ in range(3):
        see(batches, **GOOD)
        see(batches, **GOOD | {"more": 1})
    assert notes.newest(f"layout/{EXAMPLE.name}")[0] == version


def test_a_layout_that_cannot_be_looked_at_fails_no_batch(
    batches: MicroBatches, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no notes today")

    monkeypatch.setattr(watch, "drift", broken)
    assert see(batches, **GOOD) == ()
    assert prices(stored(batches)) == [1.0]
    assert "its layout could not be looked at" in caplog.text


def test_one_of_each_kind_is_looked_at_however_many_there_are() -> None:
    rows = [example_message([("CZ", number % 90, 1.0)], offset=number) for number in range(5_000)]
    other = RawMessage(body=b"<Refused/>", received_at=NOON, landing_offset=5_000)
    rare = RawMessage(body=b'{"error": 1}', received_at=NOON, landing_offset=5_001)
    messages = [*rows[:100], rare, *rows[100:4_000], other, *rows[4_000:]]
    chosen = watch.some_of_each(messages)
    assert len(chosen) <= 8
    assert rare in chosen
    assert other in chosen
    assert chosen == sorted(chosen, key=lambda one: one.landing_offset)


def test_what_is_looked_at_is_bounded_in_bytes() -> None:
    large = [replace(message(text="x" * 200_000, n=n), landing_offset=n) for n in range(50)]
    assert len(watch.some_of_each(large)) == 1
    assert watch.some_of_each([]) == []
