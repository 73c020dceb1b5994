"""The FTP feed against the simulated open data server, on real sockets."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from aioftp import Client, Code, StatusCodeError
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from energy_platform.encodings.zip_archive import is_whole
from energy_platform.errors import FeedError
from energy_platform.feeds.ftp import FtpFeed, is_wanted
from energy_platform.feeds.ftp_cursor import FtpCursor, Revision
from energy_platform.market.provider import Provider
from energy_platform.pipeline.checks import check_messages
from energy_platform.sources.dwd_wind_observation import DWD_WIND_OBSERVATION
from simulator.faults import Fault, FaultKind
from simulator.ftp_server import certificate
from simulator.providers.dwd.provider import Dwd
from simulator.providers.dwd.wind import FOLDER, SOURCE
from simulator.providers.dwd.wind import STATIONS as ALL_STATIONS
from simulator.server import running
from simulator.world import World
from tests.support.feeds import MemorySession, a_session, a_world, free_ports, nowhere
from tests.support.running_feeds import comes_true, run_until

STATIONS = 20
PROVIDER = partial(Dwd, wind_stations=ALL_STATIONS[:STATIONS], forecast_stations=())
NOON = datetime(2026, 7, 1, 12, 3, tzinfo=UTC)
FEED = FtpFeed(
    provider=Provider(name="DWD"),
    url=f"ftp://opendata.dwd.de/{FOLDER}/",
    pattern="10minutenwerte_wind_*_now.zip",
    is_complete=is_whole,
    every=timedelta(seconds=0.2),
    settle=timedelta(seconds=0.2),
    answer_seconds=20.0,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = a_world(tmp_path, origin=NOON)
    async with running(world, [PROVIDER]):
        await published(world)
        yield world


async def published(world: World) -> None:
    """Wait until the first files are all there."""
    folder = world.folder / "dwd/ftp" / FOLDER
    async with asyncio.timeout(60):
        while len(list(folder.glob("10*.zip"))) < STATIONS:
            await asyncio.sleep(0.02)


def a_client(world: World) -> MemorySession:
    return replace(a_session(world, SOURCE), clock=None)


def names(session: MemorySession) -> list[str]:
    return [message.context["url"].rpartition("/")[2] for message in session.landed]


@pytest.mark.parametrize("scheme", ["ftp", "ftpes", "ftps"])
async def test_every_file_is_taken_once_plain_or_with_tls(world: World, scheme: str) -> None:
    session = a_client(world)
    session.ca_file = certificate(world)
    url = FEED.url.replace("ftp:", f"{scheme}:")
    feed = replace(FEED, url=url)
    await run_until(feed, session, lambda: len(session.landed) >= STATIONS)
    with pytest.raises(TimeoutError):
        await run_until(feed, session, lambda: len(session.landed) > STATIONS, seconds=1.0)
    assert len(set(names(session))) == STATIONS
    assert all(message.context["url"].startswith(url) for message in session.landed)
    assert all(is_whole(message.body) for message in session.landed)
    assert set(FtpCursor.read(session.cursor).taken) == set(names(session))


@pytest.mark.parametrize("scheme", ["ftpes", "ftps"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(world: World, scheme: str) -> None:
    feed = replace(FEED, url=FEED.url.replace("ftp:", f"{scheme}:"))
    with pytest.raises(FeedError, match="CERTIFICATE_VERIFY_FAILED"):
        await feed.run(a_client(world))


async def test_a_user_logs_in_with_a_password(world: World) -> None:
    session = a_client(world)
    feed = replace(FEED, username="GME_USERNAME", password="GME_PASSWORD")
    await run_until(feed, session, lambda: len(session.landed) >= STATIONS)
    session.secrets["GME_PASSWORD"] = "hunter2"
    with pytest.raises(FeedError, match="530") as raised:
        await feed.run(session)
    assert "hunter2" not in str(raised.value)


async def test_a_restart_goes_on_after_the_cursor(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    session = a_client(world)
    async with running(world, [PROVIDER]):
        await published(world)
        await run_until(FEED, session, lambda: len(session.landed) >= STATIONS)
    session.landed.clear()
    later = replace(world, clock=a_world(tmp_path, origin=NOON + timedelta(minutes=10)).clock)
    async with running(later, [PROVIDER]):
        await run_until(FEED, session, lambda: len(session.landed) >= STATIONS)
    assert len(set(names(session))) == STATIONS
    modified = {message.context["modified"] for message in session.landed}
    assert modified == {"20260701121000"}, "market time, and only of what was rewritten"


async def test_the_rows_are_the_journal_s(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON, speed=600.0)
    session = a_client(world)
    feed = replace(FEED, settle=timedelta(seconds=0.1), every=timedelta(seconds=0.1))
    async with running(world, [PROVIDER]):
        task = asyncio.create_task(feed.run(session))
        async with asyncio.timeout(60):
            while not any(len(said) > 1 for said in journalled(world).values()):
                await asyncio.sleep(0.2)  # files are rewritten, until a value is corrected
        world.clock.freeze()
        await comes_true(lambda: assert_same_ends(parsed(session), journalled(world)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    emitted = journalled(world)
    for key, said in parsed(session).items():
        assert set(said) <= set(emitted[key])


Said = dict[tuple[str, str], list[tuple[object, ...]]]
VALUES = ("quality_level", "wind_speed_m_per_s", "wind_direction_deg")


def assert_same_ends(said: Said, emitted: Said) -> None:
    assert {key: each[-1] for key, each in said.items()} == {
        key: each[-1] for key, each in emitted.items()
    }


def journalled(world: World) -> Said:
    """Return what the journal says of each station and time, oldest first."""
    said: Said = {}
    for emission in world.journal.emissions(SOURCE):
        for row in emission.rows:
            key = row["station_id"], row["observed_at"]
            said.setdefault(key, []).append(tuple(row[name] for name in VALUES))
    return said


def parsed(session: MemorySession) -> Said:
    """Return what the landed files say of each station and time, oldest first."""
    landed = [replace(message, landing_offset=n) for n, message in enumerate(session.landed)]
    checked = check_messages(DWD_WIND_OBSERVATION, landed)
    assert checked.quarantined.is_empty()
    said: Said = {}
    for row in checked.rows.iter_rows(named=True):
        key = row["station_id"], row["observed_at"].isoformat()
        said.setdefault(key, []).append(tuple(row[name] for name in VALUES))
    return said


async def test_a_half_written_file_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    world = a_world(tmp_path, origin=NOON)
    world.faults.ask(SOURCE, Fault(FaultKind.HALF_WRITTEN_FILE, seconds=2.0))
    session = a_client(world)
    async with running(world, [PROVIDER]):
        await run_until(
            replace(FEED, patience=100), session, lambda: len(session.landed) >= STATIONS
        )
    assert len(set(names(session))) == STATIONS
    assert all(is_whole(message.body) for message in session.landed)


async def test_a_file_that_grows_between_two_looks_is_left_alone(world: World) -> None:
    growing = world.folder / "dwd/ftp" / FOLDER / "10minutenwerte_wind_88888_now.zip"
    session = a_client(world)
    feed = replace(FEED, patience=1)

    async def grow() -> None:
        while True:
            with growing.open("ab") as file:
                file.write(b"x" * 10)
            await asyncio.sleep(0.02)

    growth = asyncio.create_task(grow())
    await run_until(feed, session, lambda: len(session.landed) >= STATIONS)
    with pytest.raises(TimeoutError):
        await run_until(feed, session, lambda: growing.name in names(session), seconds=1.5)
    growth.cancel()
    await run_until(feed, session, lambda: growing.name in names(session))


async def test_a_file_that_stays_incomplete_is_landed_to_be_quarantined(world: World) -> None:
    broken = world.folder / "dwd/ftp" / FOLDER / "10minutenwerte_wind_88888_now.zip"
    broken.write_bytes(b"PK and no more")
    session = a_client(world)
    await run_until(FEED, session, lambda: broken.name in names(session))
    landed = [replace(one, landing_offset=n) for n, one in enumerate(session.landed)]
    checked = check_messages(DWD_WIND_OBSERVATION, landed)
    assert checked.unparsed == 1
    assert "not a whole ZIP archive" in checked.quarantined["reason"][0]


async def test_a_truncated_answer_is_asked_for_again(world: World) -> None:
    world.faults.ask(SOURCE, Fault(FaultKind.TRUNCATED, count=2))
    session = a_client(world)
    await run_until(FEED, session, lambda: len(session.landed) >= STATIONS)
    assert all(is_whole(message.body) for message in session.landed)
    assert world.faults.pending(SOURCE) == 0


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (FaultKind.SERVER_ERROR, "450 File busy"),
        (FaultKind.CUT, "opendata.dwd.de"),
        (FaultKind.HANG, "opendata.dwd.de"),
    ],
)
async def test_a_failing_server_is_said_and_tried_again(
    world: World, kind: FaultKind, complaint: str
) -> None:
    session = a_client(world)
    world.faults.ask(SOURCE, Fault(kind, seconds=3.0))
    with pytest.raises(FeedError, match=complaint):
        await run_until(replace(FEED, answer_seconds=1.0), session, lambda: False)
    await run_until(FEED, session, lambda: len(session.landed) >= STATIONS)
    assert len(set(names(session))) == STATIONS


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (StatusCodeError(Code("2xx"), Code("550"), [" No permission"]), "550 No permission"),
        (StatusCodeError(Code("2xx"), Code("451"), [" Local error"]), "451 Local error"),
        (TimeoutError(), "TimeoutError"),
        (ConnectionResetError("reset"), "reset"),
    ],
)
@pytest.mark.parametrize("position", [0, STATIONS - 1])
async def test_a_file_that_is_not_given_holds_back_no_other_and_is_named(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Exception,
    said: str,
    position: int,
) -> None:
    session, feed = a_client(world), replace(FEED, every=timedelta(hours=1))
    folder = world.folder / "dwd/ftp" / FOLDER
    victim = sorted(folder.glob("10*.zip"))[position].name
    download = FtpFeed._download

    async def fails(self: FtpFeed, client: Client, name: str) -> bytes:
        if name == victim:
            raise trouble
        return await download(self, client, name)

    monkeypatch.setattr(FtpFeed, "_download", fails)
    for _ in range(2):  # a broken connection is opened again, as after a restart
        with suppress(FeedError):
            await run_until(feed, session, lambda: len(session.landed) >= STATIONS - 1)
    assert set(names(session)) == {file.name for file in folder.glob("10*.zip")} - {victim}
    assert feed.unanswered(session.cursor).reasons == {victim: said}
    assert feed.unanswered(session.cursor).asked == STATIONS
    monkeypatch.undo()
    later = replace(feed, every=timedelta(seconds=0.1))
    session.now = lambda: datetime.now(UTC) + timedelta(days=1)  # type: ignore[method-assign]
    await run_until(later, session, lambda: victim in names(session))
    assert feed.unanswered(session.cursor).reasons == {}


async def test_a_file_that_stays_incomplete_is_named_until_it_is_another(world: World) -> None:
    broken = world.folder / "dwd/ftp" / FOLDER / "10minutenwerte_wind_88888_now.zip"
    broken.write_bytes(b"PK and no more")
    session = a_client(world)
    await run_until(FEED, session, lambda: broken.name in names(session))
    assert FEED.unanswered(session.cursor).reasons == {broken.name: "stays incomplete"}
    with pytest.raises(TimeoutError):
        await run_until(FEED, session, lambda: names(session).count(broken.name) > 1, seconds=1.0)
    broken.unlink()
    await run_until(FEED, session, lambda: not FEED.unanswered(session.cursor).reasons)


async def test_an_unreachable_server_is_a_feed_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="Connect call failed"):
        await FEED.run(MemorySession(SOURCE, tmp_path, addresses=nowhere("ftp")))


async def test_a_folder_that_does_not_exist_is_said(world: World) -> None:
    with pytest.raises(FeedError, match="550"):
        await replace(FEED, url="ftp://opendata.dwd.de/nowhere/").run(a_client(world))


async def test_a_file_too_large_is_left_and_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    large = world.folder / "dwd/ftp" / FOLDER / "10minutenwerte_wind_88888_now.zip"
    large.write_bytes(b"x" * 200_000)
    session = a_client(world)
    feed = replace(FEED, file_bytes=100_000)
    await run_until(feed, session, lambda: len(session.landed) >= STATIONS)
    assert large.name not in names(session)
    assert "200000 bytes, too many to take" in caplog.text


async def test_the_cursor_forgets_files_that_are_gone(world: World) -> None:
    session = a_client(world)
    await run_until(FEED, session, lambda: len(session.landed) >= STATIONS)
    folder = world.folder / "dwd/ftp" / FOLDER
    gone, changed = sorted(folder.glob("*.zip"))[:2]
    gone.unlink()
    changed.write_bytes(changed.read_bytes())
    await run_until(FEED, session, lambda: len(session.landed) > STATIONS)
    assert gone.name not in json.loads(session.cursor or "")
    assert len(json.loads(session.cursor or "")) == STATIONS - 1


async def test_a_server_without_mlsd_is_asked_for_each_file_s_time(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"first")
    (tmp_path / "b.zip").write_bytes(b"other")
    with a_server_without_mlsd(tmp_path) as port:
        session = MemorySession("any", tmp_path, addresses={"ftp://old": f"ftp://127.0.0.1:{port}"})
        feed = replace(FEED, url="ftp://old/", pattern="*.zip", is_complete=bool)
        await run_until(feed, session, lambda: len(session.landed) == 2)
        first = FtpCursor.read(session.cursor).taken
        (tmp_path / "a.zip").write_bytes(b"FIRST")
        await asyncio.sleep(1.1)
        (tmp_path / "a.zip").write_bytes(b"First")
        await run_until(feed, session, lambda: session.landed[-1].body == b"First")
    assert all(len(revision.modified) == len("20260701120000") for revision in first.values())
    assert first["a.zip"] != FtpCursor.read(session.cursor).taken["a.zip"], (
        "the same size, another second"
    )


@contextlib.contextmanager
def a_server_without_mlsd(root: Path) -> Iterator[int]:
    """Run a plain server that knows LIST alone."""
    [port] = free_ports(1)
    authorizer = DummyAuthorizer()
    authorizer.add_anonymous(str(root))
    commands = {n: c for n, c in FTPHandler.proto_cmds.items() if n not in ("MLSD", "MLST")}
    handler = type("Old", (FTPHandler,), {"authorizer": authorizer, "proto_cmds": commands})
    loop, stop = IOLoop(), threading.Event()
    server = FTPServer(("127.0.0.1", port), handler, ioloop=loop)

    def serve() -> None:
        while not stop.is_set():
            loop.loop(timeout=0.05, blocking=False)
        server.close_all()
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield port
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.zip", True),
        ("A.zip", True),
        (".a.zip", False),
        ("a.zip.part", False),
        ("a.zip.tmp", False),
        ("a.txt", False),
    ],
)
def test_names_of_files_being_written_are_not_wanted(name: str, *, wanted: bool) -> None:
    assert is_wanted(name, "*.zip*") is wanted


def test_a_cursor_keeps_revisions() -> None:
    assert FtpCursor.read('{"a.zip":[5,"20260701120000"]}').taken == {
        "a.zip": Revision(5, "20260701120000")
    }
    assert FtpCursor.read(None) == FtpCursor()
