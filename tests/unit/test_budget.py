"""One small message blocks no source: what breaks its budget is set apart, and the rest goes on."""

import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from energy_platform.encodings.body_weight import MOST_SEPARATORS, weight
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline import parsing
from energy_platform.pipeline.checks import check_messages
from energy_platform.pipeline.hot_lane.lane import HotLane
from energy_platform.pipeline.layouts.reading import layouts_of
from energy_platform.pipeline.micro_batch import BATCH
from energy_platform.pipeline.parsing import OVER_BUDGET, SET_ASIDE
from energy_platform.pipeline.replay import replay
from energy_platform.pipeline.set_aside import BY_HAND
from tests.support import bombs
from tests.support.fatal import FATAL
from tests.support.memory import A_FEW_HUNDRED_MEGABYTES, most_memory
from tests.support.sources import EXAMPLE, example_message, prices, quote
from tests.support.stores import batches_in, hot, land, quarantined, run_all, stored
from tests.support.testcases import case_messages

TESTCASES = Path(__file__).parent.parent / "testcases"
AT = datetime(2026, 3, 29, 4, tzinfo=UTC)
HEAVY_FORMATS: Mapping[str, Callable[[], bytes]] = {
    "ods": bombs.ods,
    "xlsx": bombs.xlsx,
    "zip": bombs.zip_of_zeros,
    "grib": lambda: bombs.grib(4_000, 5_000),
    "hdf5": bombs.hdf5,
    "kml": bombs.kml,
}


def of_source(source: MarketSource, body: bytes, offset: int = 0) -> RawMessage:
    return RawMessage(
        body=body, received_at=AT, context=dict(source.context), landing_offset=offset
    )


# The sources' own formats


@cache
def good_messages(name: str) -> list[RawMessage]:
    """Return the payloads of a source's first test case that give rows."""
    source = market_source(name)
    for case in sorted((TESTCASES / name).iterdir()):
        messages = case_messages(source, case)
        if not check_messages(source, messages).rows.is_empty():
            return messages
    raise LookupError(name)


def bombs_for(body: bytes) -> Mapping[str, Callable[[], bytes]]:
    """Return the bombs in the format of a good body."""
    start = body[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"PK"):
        return {name: HEAVY_FORMATS[name] for name in ("ods", "xlsx", "kml", "zip")}
    if start.startswith(b"GRIB"):
        return {"grib": HEAVY_FORMATS["grib"]}
    if start.startswith(b"\x89HDF"):
        return {"hdf5": bombs.hdf5}
    return bombs.XML if start.startswith(b"<") else bombs.JSON


@pytest.mark.parametrize("name", market_sources())
def test_a_bomb_in_a_sources_own_format_costs_only_itself(name: str) -> None:
    source, good = market_source(name), good_messages(name)
    alone = check_messages(source, good)
    explosives = [make() for make in bombs_for(good[0].body).values()]
    behind = [
        replace(message, landing_offset=len(explosives) + number)
        for number, message in enumerate(good)
    ]
    before = most_memory()
    messages = [
        *(
            replace(good[0], body=body, landing_offset=offset)
            for offset, body in enumerate(explosives)
        ),
        *behind,
    ]
    checked = check_messages(source, messages)
    assert len(checked.messages) == len(messages)
    is_behind = pl.col("landing_offset") >= len(explosives)
    assert (
        checked.rows.filter(is_behind)
        .drop("landing_offset")
        .equals(alone.rows.drop("landing_offset"))
    )
    told = set(checked.quarantined["landing_offset"]) | set(checked.rows["landing_offset"])
    assert told.issuperset(range(len(explosives))), "a bomb has vanished without a word"
    assert not checked.rows.filter(~is_behind).height
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


@pytest.mark.parametrize("bomb", HEAVY_FORMATS)
def test_the_look_at_a_layout_survives_what_the_parser_does(bomb: str) -> None:
    body, before = HEAVY_FORMATS[bomb](), most_memory()
    found = layouts_of(body)
    assert not found or bomb in ("ods", "kml"), "these alone have a beginning that can be read"
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


@pytest.mark.nightly
@pytest.mark.parametrize("name", market_sources())
@pytest.mark.parametrize("bomb", bombs.LARGE_JSON)
def test_thirty_megabytes_of_nothing_cost_only_themselves(name: str, bomb: str) -> None:
    source, good = market_source(name), good_messages(name)
    body = bombs.LARGE_JSON[bomb]()
    before = most_memory()
    checked = check_messages(source, [of_source(source, body), replace(good[0], landing_offset=1)])
    assert checked.broken.issuperset({0})
    assert checked.rows.height or 1 in set(checked.quarantined["landing_offset"])
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


def test_thirty_megabytes_side_by_side_kill_their_reader_and_not_the_worker() -> None:
    source, body = market_source("entsog_flow"), b"{}" * 15_000_000
    before = most_memory()
    checked = check_messages(source, [of_source(source, body)])
    assert checked.quarantined["check"].to_list() == [OVER_BUDGET]
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


def test_a_period_of_centuries_is_refused_before_its_days_are_listed() -> None:
    source = market_source("entsoe_load")
    [good, *_] = good_messages("entsoe_load")
    head, _, rest = good.body.partition(b"<TimeSeries>")
    series, _, tail = rest.rpartition(b"</TimeSeries>")
    period = (
        b"<Period><timeInterval><start>0001-01-01T00:00Z</start><end>9999-01-01T00:00Z</end>"
        b"</timeInterval><resolution>P1D</resolution><Point><position>1</position>"
        b"<quantity>1</quantity></Point></Period>"
    )
    start = series.index(b"<Period>")
    body = b"".join([head, b"<TimeSeries>", series[:start], period * 300, b"</TimeSeries>", tail])
    before = most_memory()
    checked = check_messages(source, [replace(good, body=body)])
    assert checked.rows.is_empty()
    assert checked.quarantined.height
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


# Batches and hot lane


def test_eight_grib_messages_of_179_bytes_do_not_hold_up_the_file_behind_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, batches = market_source("noaa_gfs_wind_forecast"), batches_in(tmp_path)
    bomb = bombs.grib(4_000, 5_000)
    assert len(bomb) == 179
    good = bombs.grib(3, 4) + bombs.grib(3, 4, parameter=3)
    land(batches, [of_source(source, body) for body in [bomb] * 8 + [good]], source=source)
    before = most_memory()
    with caplog.at_level(logging.ERROR):
        run_all(batches, source)
    assert stored(batches, source)["landing_offset"].to_list() == [8] * 12
    assert hot(batches, source).height == 12
    lines = quarantined(batches, source)
    assert lines["check"].to_list() == [OVER_BUDGET] * 8
    assert set(lines["reason"]) == {"20,000,000 points lie in the area; 1,000,000 is the most"}
    assert "noaa_gfs_wind_forecast: the message at offset 7 is quarantined" in caplog.text
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


def test_a_refused_workbook_does_not_end_the_look_at_its_layout(tmp_path: Path) -> None:
    source, batches = market_source("regelleistung_tender"), batches_in(tmp_path)
    good = good_messages("regelleistung_tender")
    bodies = [bombs.xlsx(), bombs.ods()]
    land(batches, [*(of_source(source, body) for body in bodies), *good], source=source)
    run_all(batches, source)
    assert set(quarantined(batches, source)["landing_offset"]) >= {0, 1}
    offsets = stored(batches, source)["landing_offset"]
    assert not offsets.is_empty()
    assert offsets.is_between(2, 1 + len(good)).all()


def test_a_batch_ends_before_it_has_too_many_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MOST_ROWS", 5)
    batches = batches_in(tmp_path)
    land(batches, [example_message([("CZ", n, 1.0), ("CZ", n + 1, 1.0)]) for n in range(0, 20, 2)])
    reports = run_all(batches)
    assert [report.messages for report in reports] == [3, 4, 3]
    assert stored(batches).height == hot(batches).height == 20


def test_a_message_with_too_many_rows_is_quarantined_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MOST_ROWS", 5)
    batches = batches_in(tmp_path)
    land(batches, [quote(1.0), example_message([("CZ", n, 1.0) for n in range(6)]), quote(2.0)])
    run_all(batches)
    assert prices(stored(batches)) == [1.0, 2.0]
    [line] = quarantined(batches).rows(named=True)
    assert (line["check"], line["row"]) == (OVER_BUDGET, None)
    assert line["reason"] == "it has 6 rows; 5 is the most"


def test_a_batch_that_takes_long_ends_with_the_message_at_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parsing, "BATCH_SECONDS", -1.0)
    monkeypatch.setattr(parsing, "_GROUP_SEPARATORS", 1)
    checked = check_messages(EXAMPLE, [replace(quote(1.0), landing_offset=n) for n in range(3)])
    assert [one.landing_offset for one in checked.messages] == [0]
    assert checked.rows["landing_offset"].to_list() == [0]


def test_light_and_heavy_messages_keep_their_order() -> None:
    heavy = b"[" + b" \n" * MOST_SEPARATORS + b"%s]"
    bodies = [example_message([("CZ", n, float(n))]).body for n in range(6)]
    messages = [
        replace(quote(1.0), landing_offset=n, body=heavy % body[1:-1] if n % 2 else body)
        for n, body in enumerate(bodies)
    ]
    assert [weight(one.body) is None for one in messages] == [False, True] * 3
    checked = check_messages(EXAMPLE, messages)
    assert checked.rows["landing_offset"].to_list() == list(range(6))
    careful = check_messages(EXAMPLE, messages, is_careful=True)
    assert careful.rows.equals(checked.rows)


@pytest.mark.parametrize("name", market_sources())
def test_a_message_gives_the_same_in_the_limited_process(name: str) -> None:
    source, messages = market_source(name), good_messages(name)
    garbage = replace(messages[0], body=b"garbage", landing_offset=len(messages))
    here = check_messages(source, [*messages, garbage])
    there = check_messages(source, [*messages, garbage], is_careful=True)
    assert there.rows.equals(here.rows)
    assert there.quarantined.equals(here.quarantined)


# What kills


def in_a_process_of_its_own(folder: Path, statement: str) -> int:
    """Run a statement about the fatal source and `batches`; return the exit code."""
    program = f"""
        from pathlib import Path
        from energy_platform.pipeline.hot_lane.lane import HotLane
        from tests.support.fatal import FATAL
        from tests.support.stores import batches_in
        batches = batches_in(Path({str(folder)!r}))
        {statement}
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, check=False
    ).returncode


def test_a_light_message_that_kills_its_worker_is_set_apart_by_the_next(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    land(batches, [quote(1.0), replace(quote(1.0), body=b"crash"), quote(2.0)])
    assert in_a_process_of_its_own(tmp_path, "batches.run(FATAL)") < 0
    trouble = batches.attempts.trouble(EXAMPLE.name, by=BATCH)
    assert trouble is not None
    assert trouble.under_way == 3
    batches.run(FATAL)
    assert prices(stored(batches)) == [1.0, 2.0]
    [line] = quarantined(batches).rows(named=True)
    assert (line["landing_offset"], line["check"]) == (1, OVER_BUDGET)
    assert line["reason"].startswith("it killed the process that read it")
    assert batches.attempts.trouble(EXAMPLE.name, by=BATCH) is None


def test_the_hot_lane_survives_it_too_and_shows_the_same(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    land(batches, [quote(1.0), replace(quote(1.0), body=b"crash"), quote(2.0, quarter=1)])
    assert in_a_process_of_its_own(tmp_path, "HotLane(batches, FATAL).bring_up()") < 0
    HotLane(batches, FATAL).bring_up()
    assert prices(hot(batches).sort("delivery_start")) == [1.0, 2.0]


def test_of_many_messages_the_fatal_ones_alone_are_set_apart() -> None:
    messages = [replace(quote(float(n)), landing_offset=n) for n in range(30)]
    for number in (3, 17, 29):
        messages[number] = replace(messages[number], body=b"crash")
    messages[9] = replace(messages[9], body=b"endless")
    checked = check_messages(FATAL, messages, is_careful=True)
    assert sorted(checked.broken) == [3, 9, 17, 29]
    assert checked.rows.height == 26
    reasons = dict(checked.quarantined.select("landing_offset", "reason").rows())
    assert reasons[9] == "reading it takes more than 30 s of CPU time"


# Set aside by a person


def test_what_is_set_aside_is_in_quarantine_in_the_table_and_in_replays(tmp_path: Path) -> None:
    batches = batches_in(tmp_path)
    land(batches, [quote(1.0), quote(2.0, quarter=1), quote(3.0, quarter=2)])
    batches.set_aside.add(EXAMPLE.name, 1, BY_HAND)
    run_all(batches)
    assert prices(stored(batches)) == [1.0, 3.0]
    [line] = quarantined(batches).rows(named=True)
    assert (line["landing_offset"], line["check"], line["reason"]) == (1, SET_ASIDE, BY_HAND)
    replay(batches, EXAMPLE, start=0)
    assert prices(stored(batches)) == [1.0, 3.0]
    assert hot(batches).height == 2
