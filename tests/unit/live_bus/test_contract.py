"""What every live bus promises, held against each that there is."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from energy_platform.errors import UsageError
from energy_platform.market.registry import market_sources
from energy_platform.pipeline.tables import market_table
from energy_platform.storage.live_bus import entries
from energy_platform.storage.live_bus.protocol import LiveBus
from tests.support.live_bus import EACH_BUS, Following, begin_streams, some_rows
from tests.support.valkey_process import PATIENCE_SECONDS

Follow = Callable[..., Awaitable[Following]]

pytestmark = EACH_BUS


def publish(bus: LiveBus, start: int, stop: int, *, source: str = "s", copy: str = "") -> None:
    offsets = range(start, stop)
    bus.publish(source, some_rows(offsets), copy=copy, offsets=offsets)


async def test_what_is_published_arrives_in_order(bus: LiveBus, follow: Follow) -> None:
    follower = await follow("s")
    for start in range(0, 100, 2):
        publish(bus, start, start + 2)
    for start in range(0, 100, 2):
        message = await follower.rows()
        assert message.source == "s"
        assert_frame_equal(message.rows, some_rows(range(start, start + 2)))


async def test_who_follows_hears_that_the_bus_answers(bus: LiveBus) -> None:
    begin_streams(bus, "s", "t")
    told: list[str | None] = []
    follower = await Following(bus, ["s", "t"], on_link=told.append).begin()
    publish(bus, 0, 1)
    await follower.rows()
    assert told == [None]
    await follower.end()


async def test_a_reader_that_is_cancelled_while_it_is_busy_ends(bus: LiveBus) -> None:
    begin_streams(bus, "s")
    messages = bus.follow(["s"])

    async def read() -> None:
        async for _ in messages:
            reader.cancel()

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.3)
    publish(bus, 0, 1)
    done, _ = await asyncio.wait([reader], timeout=PATIENCE_SECONDS)
    assert done
    assert reader.cancelled()


async def test_types_and_nulls_arrive_as_they_were(bus: LiveBus, follow: Follow) -> None:
    tables = [market_table(source) for source in market_sources().values()]
    sent = {
        table.name: pl.DataFrame(schema=table.dtypes).clear(2).with_columns(landing_offset=0)
        for table in tables
    }
    sent["instant"] = pl.DataFrame(
        {"landing_offset": [0], "at": [datetime(2026, 3, 29, 1, tzinfo=UTC)], "price": [0.1]}
    )
    follower = await follow(*sent)
    for name, rows in sent.items():
        bus.publish(name, rows, copy="", offsets=range(1))
        assert_frame_equal((await follower.rows()).rows, rows)


async def test_a_follower_without_a_cursor_gets_the_next_and_not_the_last(
    bus: LiveBus, follow: Follow
) -> None:
    publish(bus, 0, 5)
    follower = await follow("s")
    publish(bus, 5, 6)
    assert (await follower.rows()).rows["landing_offset"].to_list() == [5]


async def test_a_follower_resumes_from_each_of_its_cursors(bus: LiveBus, follow: Follow) -> None:
    follower = await follow("s", "t")
    for offset in range(4):
        publish(bus, offset, offset + 1, source="s")
        publish(bus, offset, offset + 1, source="t")
    said = [await follower.rows() for _ in range(8)]
    for handled in (0, 3, 7):
        resumed = await follow("s", "t", cursor=said[handled].cursor)
        rest = [await resumed.rows() for _ in range(7 - handled)]
        told = {(one.source, *one.rows["landing_offset"]) for one in rest}
        assert told == {(one.source, *one.rows["landing_offset"]) for one in said[handled + 1 :]}
        assert await resumed.is_idle()


async def test_a_cursor_has_a_place_of_each_source(bus: LiveBus, follow: Follow) -> None:
    """So what a source publishes before its first message is handled is not lost."""
    follower = await follow("quiet", "s")
    publish(bus, 0, 1)
    cursor = (await follower.rows()).cursor
    publish(bus, 0, 1, source="quiet")
    resumed = await follow("quiet", "s", cursor=cursor)
    assert (await resumed.rows()).source == "quiet"


async def test_ranges_without_rows_are_no_gap(bus: LiveBus, follow: Follow) -> None:
    follower = await follow("s")
    publish(bus, 0, 1)
    bus.publish("s", some_rows(range(0)), copy="", offsets=range(1, 7))
    publish(bus, 7, 8)
    assert [(await follower.rows()).rows["landing_offset"][0] for _ in range(2)] == [0, 7]


async def test_rows_published_again_are_delivered_again(bus: LiveBus, follow: Follow) -> None:
    follower = await follow("s")
    publish(bus, 0, 4)
    publish(bus, 2, 6)
    assert [(await follower.rows()).rows.height for _ in range(2)] == [4, 4]


async def test_what_was_not_published_is_a_gap(bus: LiveBus, follow: Follow) -> None:
    follower = await follow("s", "t")
    publish(bus, 0, 3)
    await follower.rows()
    publish(bus, 5, 6)
    gap = await follower.gap()
    assert (gap.source, gap.since) == ("s", 3)
    resumed = await follow("s", "t", cursor=gap.cursor)
    publish(bus, 6, 7)
    for one in (follower, resumed):
        assert (await one.rows()).rows["landing_offset"].to_list() == [6]


async def test_what_came_before_a_stream_is_a_gap(bus: LiveBus) -> None:
    """A bus that was killed may have had rows that this one knows nothing of."""
    follower = await Following(bus, ["new"]).begin()
    publish(bus, 5, 6, source="new")
    assert (await follower.gap()).since == 0
    publish(bus, 6, 7, source="new")
    assert (await follower.rows()).rows["landing_offset"].to_list() == [6]
    await follower.end()


async def test_a_range_without_offsets_tells_of_a_gap_at_once(bus: LiveBus, follow: Follow) -> None:
    follower = await follow("s")
    publish(bus, 0, 3)
    await follower.rows()
    bus.publish("s", some_rows(range(0)), copy="", offsets=range(9, 9))
    assert (await follower.gap()).since == 3
    publish(bus, 9, 10)
    await follower.rows()


async def test_a_copy_that_was_made_again_is_a_gap_from_its_beginning(
    bus: LiveBus, follow: Follow
) -> None:
    follower = await follow("s")
    publish(bus, 0, 3)
    await follower.rows()
    publish(bus, 3, 4, copy="d")
    assert (await follower.gap()).since == 0
    publish(bus, 4, 5, copy="d")
    await follower.rows()


async def test_many_rows_are_cut_at_messages_and_none_is_lost(
    bus: LiveBus, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "MOST_BYTES", 2_000)
    follower = await follow("s")
    offsets = range(2_000)
    wanted = some_rows(offsets).with_columns(value=pl.int_range(pl.len()).hash())
    bus.publish("s", wanted, copy="", offsets=offsets)
    got = pl.DataFrame(schema=wanted.schema)
    while got.height < wanted.height:
        got = pl.concat([got, (await follower.rows()).rows])
    assert_frame_equal(got, wanted)
    assert await follower.is_idle()


async def test_a_message_that_is_too_large_is_a_gap(
    bus: LiveBus, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = await follow("s")
    publish(bus, 0, 1)
    await follower.rows()
    with monkeypatch.context() as patched:
        patched.setattr(entries, "MOST_BYTES", 100)
        publish(bus, 1, 2)
    assert (await follower.gap()).since == 1
    publish(bus, 2, 3)
    await follower.rows()


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"s": 1}', '{"s": ["$", "c", 1]}', "null"])
async def test_a_text_that_is_no_cursor_is_refused(bus: LiveBus, cursor: str) -> None:
    with pytest.raises(UsageError, match="cursor"):
        await anext(bus.follow(["s"], cursor))
