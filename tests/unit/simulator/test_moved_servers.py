"""A provider that moves while its feed runs on: the feed finds it, over every protocol."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from energy_platform.feeds.drop_folder.feed import DropFolderFeed
from energy_platform.market.feed import Feed
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source, market_sources
from simulator import server
from simulator.world import OpenProvider, World, modelled_providers
from tests.support.feeds import MemorySession, a_session, a_world
from tests.support.running_feeds import carrying, until

ORIGIN = datetime(2026, 3, 28, 22, tzinfo=UTC)
SPEED = 60.0


def _one_source_of_each_kind() -> list[str]:
    """Return the source that asks most often, of each kind of feed."""
    # Files that are dropped come from no server.
    served = [
        name for name, one in market_sources().items() if not isinstance(one.feed, DropFolderFeed)
    ]
    often = sorted(
        served,
        key=lambda name: getattr(market_source(name).feed, "every", timedelta()),
        reverse=True,
    )
    return sorted({type(market_source(name).feed): name for name in often}.values())


@dataclass
class CountingSession(MemorySession):
    """A session that counts how often the feed says that all is well."""

    landings: int = 0

    async def land(self, messages: Sequence[RawMessage], *, cursor: str | None = None) -> None:
        self.landings += 1
        await super().land(messages, cursor=cursor)


def a_counting_session(world: World, source: str) -> CountingSession:
    plain = a_session(world, source)
    return CountingSession(**{one.name: getattr(plain, one.name) for one in fields(plain)})


def asking_often(feed: Feed) -> Feed:
    """Return a feed that asks each second, if it asks at all."""
    if not hasattr(feed, "every"):
        return feed
    often: Feed = replace(cast("Any", feed), every=timedelta(seconds=SPEED))
    return often


def provider_of(name: str, folder: Path) -> OpenProvider:
    """Return what opens the provider that has a model of a source."""
    world = a_world(folder, origin=ORIGIN, speed=SPEED)
    try:
        return next(
            one for one in modelled_providers() if name in server.opened(world, [one])[0].models
        )
    finally:
        world.listeners.close()


def heard(session: CountingSession, feed: Feed) -> int:
    """Count the signs that a provider has been reached.

    A feed that asks lands each round, if only its cursor. An announcement comes before its file,
    and only the file shows that the bucket has been found.
    """
    if hasattr(feed, "every"):
        return session.landings
    return sum("announces" not in message.context for message in session.landed)


@pytest.mark.parametrize("name", _one_source_of_each_kind())
async def test_a_feed_that_runs_on_finds_a_provider_that_has_moved(
    tmp_path: Path, name: str
) -> None:
    provider = provider_of(name, tmp_path / "other")
    world = a_world(tmp_path, origin=ORIGIN, speed=SPEED)
    session = a_counting_session(world, name)
    feed = asking_often(market_source(name).feed)
    async with carrying(feed, session):
        async with server.running(world, [provider]):
            await until(lambda: heard(session, feed))
            before = dict(world.addresses)
        earlier = heard(session, feed)
        async with server.running(world, [provider]):
            assert world.addresses != before
            await until(lambda: heard(session, feed) > earlier, seconds=60)
