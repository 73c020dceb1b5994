"""A file that a person drops lands through the collector, and the audit log says so."""

import asyncio
import getpass
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from energy_platform.cli.platform import _note_dropped
from energy_platform.dashboard.access.audit import AuditLog
from energy_platform.feeds.drop_folder.inbox import Inbox
from energy_platform.ingest.collector.source_task import SourceTask
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.market.registry import market_source
from energy_platform.settings import StatePlace, settings
from energy_platform.storage.landing import LandingZone


async def landed(home: Path) -> list[bytes]:
    """Drop a file and hand in a submission; return what lands."""
    inbox = Inbox.of(home, "position")
    inbox.put(b"of a program\n", sender="bot")
    (inbox.folder / "wind.csv").write_bytes(b"of a person\n")
    zone = LandingZone.open(settings().landing_url)
    source = market_source("position")
    task = SourceTask(
        source, settings(), zone, ProviderLimits(StatePlace(home)), witness=_note_dropped
    )
    running = asyncio.create_task(task.run())
    async with asyncio.timeout(20):
        while inbox.waiting():
            await asyncio.sleep(0.05)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    log = zone.log(source.name)
    return [one.body for one in log.read(0, log.end_offset())]


async def test_a_dropped_file_is_in_the_audit_log(home: Path) -> None:
    assert await landed(home) == [b"of a program\n", b"of a person\n"]
    [entry] = AuditLog.of(StatePlace(home)).newest(10)
    assert (entry.action, entry.user) == ("file dropped", getpass.getuser())
    assert entry.detail == {"source": "position", "file": "wind.csv"}


async def test_it_lands_though_it_can_not_be_noted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(AuditLog, "add", fails)
    assert len(await landed(home)) == 2
