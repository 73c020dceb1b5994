"""Files dropped into a folder land whole, once, in the order in which they came."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from energy_platform.errors import FeedError
from energy_platform.feeds.drop_folder import inbox as inboxes
from energy_platform.feeds.drop_folder.feed import DropFolderFeed
from energy_platform.feeds.drop_folder.inbox import Inbox, InboxFullError
from tests.support.feeds import MemorySession

FEED = DropFolderFeed(
    every=timedelta(milliseconds=10),
    settle=timedelta(milliseconds=100),
    settle_cut=timedelta(seconds=60),
)


@pytest.fixture
def session(tmp_path: Path) -> MemorySession:
    return MemorySession("position", tmp_path / "feeds" / "position")


@pytest.fixture
def inbox(session: MemorySession) -> Inbox:
    made = Inbox(session.inbox)
    made.create()
    return made


@asynccontextmanager
async def running(session: MemorySession, feed: DropFolderFeed = FEED) -> AsyncIterator[None]:
    task = asyncio.create_task(feed.run(session))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def left(inbox: Inbox) -> list[str]:
    return sorted(file.name for file in inbox.folder.iterdir())


async def test_a_submission_lands_as_it_was_sent_and_leaves(
    session: MemorySession, inbox: Inbox
) -> None:
    body = b"\xef\xbb\xbfa;b\r\n1;2\r\n\x00\xff"
    number = inbox.put(body, sender="alice <x>", way="api")
    async with running(session):
        await until(lambda: bool(session.landed) and not left(inbox))
    [message] = session.landed
    assert message.body == body
    assert dict(message.context) == {
        "file": f"{number}.submission", "sender": "alice <x>", "way": "api", "submission": number,
    }  # fmt: skip


async def test_submissions_of_one_moment_keep_their_order(
    session: MemorySession, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_774_000_000_000_000_000)
    for number in range(60):
        inbox.put(str(number).encode(), sender="bot")
    async with running(session):
        await until(lambda: len(session.landed) == 60)
    assert [int(message.body) for message in session.landed] == list(range(60))


async def test_a_dropped_file_lands_with_its_owner_as_the_sender(
    session: MemorySession, inbox: Inbox
) -> None:
    names = ["wind nörd.csv", "a;b'\"<i>.CSV", "-rf", "zeile\nzwei.csv"]
    for name in names:
        (inbox.folder / name).write_bytes(b"a;b\n")
    os.close(os.open(os.fsencode(inbox.folder) + b"/\xff\xfe.csv", os.O_CREAT | os.O_WRONLY))
    (inbox.folder / os.fsdecode(b"\xff\xfe.csv")).write_bytes(b"a;b\n")
    async with running(session):
        await until(lambda: len(session.landed) == 5 and not left(inbox))
    files = {message.context["file"] for message in session.landed}
    assert files == {*names, "\\xff\\xfe.csv"}
    assert {message.context["sender"] for message in session.landed} == {(inbox.folder).owner()}


async def test_a_file_that_is_being_written_is_left_alone(
    session: MemorySession, inbox: Inbox
) -> None:
    for name in (".wind.csv", "wind.csv.part", "wind.tmp", "~$wind.csv"):
        (inbox.folder / name).write_bytes(b"a;b\n")
    (inbox.folder / "cut.csv").write_bytes(b"a;b\n1;")
    growing = inbox.folder / "growing.csv"
    async with running(session):
        for _ in range(15):
            with growing.open("ab") as file:
                file.write(b"a;b\n")
            await asyncio.sleep(0.02)
            assert not session.landed
        (inbox.folder / "wind.csv.part").rename(inbox.folder / "wind.csv")
        await until(lambda: len(session.landed) == 2)
    assert sorted(message.body for message in session.landed) == [b"a;b\n", b"a;b\n" * 15]
    assert "cut.csv" in left(inbox)


async def test_a_file_whose_end_never_comes_is_taken_at_last(
    session: MemorySession, inbox: Inbox
) -> None:
    (inbox.folder / "cut.csv").write_bytes(b"a;b\n1;")
    async with running(session, DropFolderFeed(settle_cut=timedelta(milliseconds=50))):
        await until(lambda: bool(session.landed))


async def test_killed_before_it_removed_a_file_it_lands_it_once(
    session: MemorySession, inbox: Inbox
) -> None:
    inbox.put(b"first", sender="alice")
    inbox.put(b"second", sender="alice")
    kept = {file: file.read_bytes() for file in inbox.folder.iterdir()}

    class KilledError(Exception):
        pass

    land = session.land

    async def land_and_die(*args: object, **named: object) -> None:
        await land(*args, **named)  # type: ignore[arg-type]
        raise KilledError

    session.land = land_and_die  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        await FEED.run(session)
    assert len(session.landed) == 2
    assert sorted(kept) == sorted(inbox.folder.iterdir()), "it was killed before they were removed"
    session.land = land  # type: ignore[method-assign]
    async with running(session):
        inbox.put(b"third", sender="alice")
        await until(lambda: len(session.landed) == 3 and not left(inbox))
    assert [message.body for message in session.landed] == [b"first", b"second", b"third"]


async def test_what_is_too_large_lands_with_the_reason_and_is_kept_beside(
    session: MemorySession, inbox: Inbox
) -> None:
    for number in range(12):
        with (inbox.folder / f"{number:02}.csv").open("wb") as file:
            file.truncate(inboxes.MOST_BYTES + 100_000)
    (inbox.folder / "fine.csv").write_bytes(b"a;b\n")
    async with running(session, DropFolderFeed(settle_cut=timedelta(milliseconds=50))):
        await until(lambda: len(session.landed) == 13 and left(inbox) == ["refused"])
    refused = [message for message in session.landed if "refused" in message.context]
    assert len(refused) == 12
    assert "is the most" in refused[0].context["refused"]
    assert len(refused[0].body) < 100_000
    assert len(list((inbox.folder / "refused").iterdir())) == 10


async def test_only_plain_files_are_taken(session: MemorySession, inbox: Inbox) -> None:
    (inbox.folder / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(inbox.folder / "pipe.csv")
    (inbox.folder / "folder.csv").mkdir()
    (inbox.folder / "fine.csv").write_bytes(b"a;b\n")
    async with running(session):
        await until(lambda: bool(session.landed))
        await asyncio.sleep(0.1)
    assert [message.context["file"] for message in session.landed] == ["fine.csv"]


async def test_what_a_killed_program_left_goes_after_an_hour(
    session: MemorySession, inbox: Inbox
) -> None:
    old, young = (inbox.folder / f".{name}.submission" for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"{")
    os.utime(old, (0, 0))
    async with running(session):
        await until(lambda: not old.exists())
    assert young.exists()


async def test_a_folder_that_is_gone_is_said_and_made_again(
    session: MemorySession, inbox: Inbox
) -> None:
    task = asyncio.create_task(FEED.run(session))
    await asyncio.sleep(0.05)
    inbox.folder.rmdir()
    with pytest.raises(FeedError, match="position"):
        await asyncio.wait_for(task, 5)
    async with running(session):
        await until(inbox.folder.exists)


def test_a_full_inbox_takes_no_more(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inboxes, "MOST_WAITING", 2)
    inbox.put(b"1", sender="a")
    inbox.put(b"2", sender="a")
    with pytest.raises(InboxFullError):
        inbox.put(b"3", sender="a")
    assert len(left(inbox)) == 2


def test_the_folder_is_for_its_user_alone(inbox: Inbox) -> None:
    assert inbox.folder.stat().st_mode & 0o077 == 0
    inbox.put(b"secret", sender="a")
    [file] = inbox.folder.iterdir()
    assert file.name.endswith(".submission")
