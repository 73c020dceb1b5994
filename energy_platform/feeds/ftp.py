"""The FTP feed: takes each new or changed file of a folder, or of folders below it, whole and once.

Providers do not say when a file is complete. The feed takes a file when two looks agree on its size
and time, as many bytes arrive as were listed, and the format's own end is there. A file that stays
without that end is landed after some looks, so that it appears in quarantine instead of being left
out silently.
"""

import asyncio
import logging
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import ClassVar, Final, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from aioftp import AIOFTPException, Client, StatusCodeError

from energy_platform.errors import FeedError, RefusedError, SourceDefinitionError, in_one_line
from energy_platform.feeds.ftp_client import FtpClient
from energy_platform.feeds.ftp_cursor import FtpCursor, HeldFile, Revision
from energy_platform.feeds.kept_cursor import read_or_begin_anew
from energy_platform.feeds.progress import slower
from energy_platform.market.feed import (
    FeedSession,
    HistoryChunk,
    Unanswered,
    UnfitAnswerError,
    WireProtocol,
)
from energy_platform.market.provider import Provider
from energy_platform.market.raw_message import RawMessage

_log = logging.getLogger(__name__)

_UNFINISHED_SUFFIXES: Final = (".part", ".filepart", ".tmp")
_GROUP_FILES: Final = 64
_GROUP_BYTES: Final = 16 * 1024 * 1024
_UNKNOWN_SIZE: Final = -1
_LONGEST_SIZE: Final = 18
"""The digits of the largest size that a file can have."""
_MOST_LISTED: Final = 200_000
"""A listing of more lines is given up; a provider's largest folder has some thousand files."""
_GOING_AWAY: Final = "421"
"""The replies with which the server closes the connection, whatever was asked."""
_PORTS: Final = {"ftp": 21, "ftpes": 21, "ftps": 990}
_ERRORS: Final = (OSError, TimeoutError, AIOFTPException, ValueError)
"""What aioftp raises when the server, or the way to it, fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FtpArchive:
    r"""A folder of files about the past, and how their names tell which time they cover.

    A file is taken whole, so it may cover more than was asked for.

    Attributes:
        url: The folder, on the feed's own server; it may be the feed's own folder.
        names: Regular expression of the names to take. Its group `first` is the time at which a
            file begins, and `last` the time of its last part; a file without `last` has one part.
        time_format: How these times are written, for `strptime`.
        zone: The time zone that they are in.
        part: How long a part is: most often a day.
        reaches_back: How far back files reach whose names have no time.

    >>> archive = FtpArchive(url="ftp://x", names=r"(?P<first>\d{8})P\.xml", zone="Europe/Rome")
    >>> start, end = datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC)
    >>> [archive.tells_of(f"202603{day}P.xml", start, end, end) for day in (28, 29)]
    [False, True]
    """

    url: str
    names: str
    time_format: str = "%Y%m%d"
    zone: str = "UTC"
    part: timedelta = timedelta(days=1)
    reaches_back: timedelta = timedelta()

    def tells_of(self, name: str, start: datetime, end: datetime, now: datetime) -> bool:
        """Return whether a file of this name covers any moment in [start, end)."""
        named = re.fullmatch(self.names, name)
        if named is None or is_unfinished(name) or not name.isprintable():
            return False
        times = named.groupdict()
        if times.get("first") is None:
            return now - self.reaches_back < end and start < now
        first = self._instant(times["first"])
        # A day of the market's time zone may have 23 or 25 hours.
        until = self._local(times.get("last") or times["first"]) + self.part
        return first < end and start < until.astimezone(UTC)

    def _instant(self, text: str) -> datetime:
        return self._local(text).astimezone(UTC)

    def _local(self, text: str) -> datetime:
        return datetime.strptime(text, self.time_format).replace(tzinfo=ZoneInfo(self.zone))


def _always(_name: str, _now: datetime) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FtpFeed:
    """Carries the files of a folder, each revision as one raw message.

    A message's context: `url` (the provider's own), `modified` (as the server writes it). A file
    that the server does not give holds up no other file: the feed asks for it again, ever more
    slowly.

    Attributes:
        provider: The provider, whose limits apply.
        url: The folder; `ftp` is plain, `ftpes` is explicit TLS, `ftps` is implicit TLS.
        pattern: Shell pattern of the names to take.
        folders: The folders below `url` to look into, each with its slash; by default, `url`
            itself.
        is_current: Returns whether the feed follows a file of this name at a market time, so that
            the first start does not fetch a folder of ten years.
        is_complete: Returns whether a file's bytes have the end that their format requires.
        username: Variable of the user's name; anonymous if it is None.
        password: Variable of the password.
        every: How long to wait between two polls.
        settle: How long a file must stay the same before it is taken.
        patience: How often the same revision may be found without its end before it is landed.
        answer_seconds: How long the server may be silent, on either connection.
        transfer_seconds: How long one listing or one file may take.
        file_bytes: A larger file is not taken, and logged.
        archives: Folders in which the provider keeps older files. Of two archives that cover the
            same time, the later one's files are taken later, and so count.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.FTP

    provider: Provider
    url: str
    pattern: str
    is_complete: Callable[[bytes], bool]
    folders: tuple[str, ...] = ("",)
    is_current: Callable[[str, datetime], bool] = _always
    username: str | None = None
    password: str | None = None
    every: timedelta = timedelta(minutes=1)
    settle: timedelta = timedelta(seconds=5)
    patience: int = 3
    answer_seconds: float = 30.0
    transfer_seconds: float = 300.0
    file_bytes: int = 64 * 1024 * 1024
    archives: tuple[FtpArchive, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a folder whose files' addresses can't be built.

        Raises:
            SourceDefinitionError: The message names the field and how to correct it.
        """
        if urlsplit(self.url).scheme not in _PORTS or not self.url.endswith("/"):
            raise SourceDefinitionError(
                f"feed: url ({self.url}) must be a folder like ftp://ftp.example.org/prices/,"
                f" its scheme one of {', '.join(_PORTS)}"
            )

    def context_names(self) -> frozenset[str]:
        """Return the names of a message's context."""
        return frozenset({"url", "modified"})

    async def run(self, session: FeedSession) -> None:
        """Carry files until cancelled; see `Feed.run`."""
        without_end: Counter[tuple[str, Revision]] = Counter()
        while True:
            await session.turn(self.provider)
            try:
                async with self._connected(session) as client:
                    await client.change_directory(_folder(session, self.url))
                    await self._poll(session, client, without_end)
            except _ERRORS as error:
                raise FeedError(f"{self.url}: {_said(error)}") from error
            _heed_cancellation()
            await asyncio.sleep(session.wall_seconds(self.every))

    @property
    def keeps_history(self) -> bool:
        """Whether the provider keeps older files."""
        return bool(self.archives)

    @asynccontextmanager
    async def history(
        self, session: FeedSession, start: datetime, end: datetime
    ) -> AsyncIterator[Sequence[HistoryChunk]]:
        """Open the archives' files that cover [start, end); see `HistoricalFeed.history`."""
        await session.turn(self.provider)
        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(self._connected(session))
                listed = []
                for archive in self.archives:
                    wanted = partial(archive.tells_of, start=start, end=end, now=session.now())
                    await client.change_directory(_folder(session, archive.url))
                    found = await self._look(client, ("",), wanted)
                    listed += [(archive, *one) for one in found.items()]
            except _ERRORS as error:
                raise FeedError(f"{self.url}: {_said(error)}") from error
            yield [
                HistoryChunk(
                    key=f"{archive.url}{name} {revision.size} {revision.modified}",
                    fetch=partial(self._fetch, session, client, archive, name, revision),
                )
                for archive, name, revision in listed
            ]

    async def _fetch(
        self,
        session: FeedSession,
        client: Client,
        archive: FtpArchive,
        name: str,
        revision: Revision,
    ) -> Sequence[RawMessage]:
        """Return an archive's file; an incomplete one is an error, to be tried again."""
        _heed_cancellation()
        await session.turn(self.provider)
        try:
            await client.change_directory(_folder(session, archive.url))
            body = await self._download(client, name)
        except _ERRORS as error:
            is_refusal = isinstance(error, StatusCodeError) and _refuses(error)
            kind = RefusedError if is_refusal else FeedError
            raise kind(f"{archive.url}{name}: {_said(error)}") from error
        message = _raw_message(archive.url + name, revision, body)
        all_came = revision.size in (_UNKNOWN_SIZE, len(body))
        if not (all_came and await asyncio.to_thread(self.is_complete, body)):
            raise UnfitAnswerError(f"{archive.url}{name} is not complete", message)
        return [message]

    @asynccontextmanager
    async def _connected(self, session: FeedSession) -> AsyncIterator[Client]:
        """Connect, protect both connections if required, and log in."""
        url = urlsplit(session.address(self.url))
        if url.scheme not in _PORTS or url.hostname is None:
            raise FeedError(f"{self.url} is no address of an FTP server")
        context = None if url.scheme == "ftp" else _trusting(session.ca_file)
        client = FtpClient(
            socket_timeout=self.answer_seconds,
            connection_timeout=self.answer_seconds,
            ssl=context if url.scheme == "ftps" else None,
        )
        try:
            async with asyncio.timeout(self.transfer_seconds):
                await client.connect(url.hostname, url.port or _PORTS[url.scheme])
                if url.scheme == "ftpes":
                    await client.upgrade_to_tls(context)
                await self._log_in(session, client)
                if url.scheme == "ftps":
                    await client.command("PBSZ 0", "200")
                    await client.command("PROT P", "200")
            yield client
            # A server that closes the connection without a reply has sent all that was asked for.
            with suppress(*_ERRORS):
                async with asyncio.timeout(self.answer_seconds):
                    await client.quit()
        finally:
            client.close()

    async def _log_in(self, session: FeedSession, client: Client) -> None:
        if self.username is None or self.password is None:
            await client.login()
        else:
            await client.login(session.secret(self.username), session.secret(self.password))

    async def _poll(
        self, session: FeedSession, client: Client, without_end: Counter[tuple[str, Revision]]
    ) -> None:
        """Take every file that is new or changed and stays the same for a while.

        Raises:
            FeedError: Some files could not be had, perhaps only for now; all others have landed.
        """
        known = read_or_begin_anew(session.source_name, session.cursor, FtpCursor.read)
        wanted = partial(self._follows, now=session.now())
        before = await self._look(client, self.folders, wanted)
        fresh = known.fresh(before, session.now())
        if not fresh:
            if known.held.keys() - before.keys():
                known.forget_all_but(before)
                await session.land([], cursor=known.write())
            return
        await asyncio.sleep(self.settle.total_seconds())
        listed = await self._look(client, self.folders, wanted)
        known.forget_all_but(listed)
        taking = _Taking(session, known)
        try:
            for name, revision in fresh.items():
                _heed_cancellation()
                if listed.get(name) == revision:
                    await self._take(client, name, revision, taking, without_end)
                await taking.land_if_large()
        except (*_ERRORS, FeedError):
            await taking.land()
            raise
        await taking.land()
        for found in [one for one in without_end if listed.get(one[0]) != one[1]]:
            del without_end[found]
        if taking.failures:
            raise taking.failures[0]

    def _follows(self, name: str, now: datetime) -> bool:
        return is_wanted(name, self.pattern) and self.is_current(name, now)

    async def _look(
        self, client: Client, folders: Sequence[str], wanted: Callable[[str], bool]
    ) -> dict[str, Revision]:
        """List the files to take, oldest first; times to the second, whatever the server offers."""
        async with asyncio.timeout(self.transfer_seconds):
            _, features = await client.command("FEAT", ("211", "5xx"))
            in_facts = any(line.strip().upper().startswith("MLST") for line in features)
            found: dict[str, Revision] = {}
            for folder in folders:
                command: Literal["MLSD", "LIST"] = "MLSD" if in_facts else "LIST"
                found |= await self._listed(client, folder, command, wanted)
            if not in_facts:
                for name, revision in found.items():
                    found[name] = revision._replace(
                        modified=await _modified(client, name, revision)
                    )
        return dict(sorted(found.items(), key=lambda one: one[1].modified))

    async def _listed(
        self,
        client: Client,
        folder: str,
        command: Literal["MLSD", "LIST"],
        wanted: Callable[[str], bool],
    ) -> dict[str, Revision]:
        """List one folder; if one of several folders is missing, the others are listed.

        Raises:
            FeedError: The listing has no end.
        """
        found: dict[str, Revision] = {}
        lines = 0
        try:
            async for path, info in client.list(folder, raw_command=command):
                lines += 1
                if lines > _MOST_LISTED:
                    raise FeedError(f"{self.url}{folder} lists more than {_MOST_LISTED} files")
                if info.get("type") == "file" and wanted(path.name):
                    found[folder + path.name] = _revision(info)
        except StatusCodeError as error:
            if not folder or not error.received_codes[-1].matches("5xx"):
                raise
            _log.warning("%s%s is not there", self.url, folder)
            return {}
        return found

    async def _take(
        self,
        client: Client,
        name: str,
        revision: Revision,
        taking: "_Taking",
        without_end: Counter[tuple[str, Revision]],
    ) -> None:
        """Take a file, or hold it if the server does not give it, so that other files go on.

        Raises:
            OSError: The connection is gone; so are others of `_ERRORS`.
        """
        if revision.size > self.file_bytes:
            _log.error("%s%s has %d bytes, too many to take", self.url, name, revision.size)
            return
        try:
            body = await self._download(client, name)
        except StatusCodeError as error:
            self._hold(name, revision, taking, _said(error))
            if not _refuses(error):
                taking.failures.append(FeedError(f"{self.url}{name}: {_said(error)}"))
            if error.received_codes[-1].matches(_GOING_AWAY):
                raise
            return
        except (*_ERRORS, FeedError) as error:
            self._hold(name, revision, taking, _said(error))
            raise
        all_came = revision.size in (_UNKNOWN_SIZE, len(body))
        if all_came and await asyncio.to_thread(self.is_complete, body):
            taking.add(_raw_message(self.url + name, revision, body))
            taking.known.take(name, revision)
            return
        without_end[name, revision] += 1
        if without_end[name, revision] < self.patience:
            _log.warning("%s%s is not complete yet", self.url, name)
            return
        _log.error("%s%s stays incomplete; landed as it is", self.url, name)
        taking.add(_raw_message(self.url + name, revision, body))
        taking.known.hold(name, HeldFile(**revision._asdict(), reason="stays incomplete"))

    def _hold(self, name: str, revision: Revision, taking: "_Taking", reason: str) -> None:
        before = taking.known.held.get(name)
        failures = 1 + (before.failures if before and before.revision == revision else 0)
        again_at = taking.session.now() + slower(self.every, failures)
        held = HeldFile(
            **revision._asdict(), reason=reason, failures=failures, again_at=again_at.isoformat()
        )
        taking.known.hold(name, held)
        _log.warning("%s%s is not had: %s", self.url, name, reason)

    def unanswered(self, cursor: str | None) -> Unanswered:
        """Return the files that the server does not give; see `AskingFeed.unanswered`."""
        known = FtpCursor.read(cursor)
        reasons = {name: one.reason for name, one in known.held.items()}
        return Unanswered(reasons=reasons, asked=len(known.taken) + len(known.held))

    async def _download(self, client: Client, name: str) -> bytes:
        body = bytearray()
        async with (
            asyncio.timeout(self.transfer_seconds),
            client.download_stream(name) as stream,
        ):
            async for block in stream.iter_by_block():
                body += block
                if len(body) > self.file_bytes:
                    raise FeedError(f"{self.url}{name} has more bytes than were listed")
        return bytes(body)


@dataclass(slots=True)
class _Taking:
    """The files that one poll has taken so far, landed in groups with the cursor."""

    session: FeedSession
    known: FtpCursor
    group: list[RawMessage] = field(default_factory=list)
    failures: list[FeedError] = field(default_factory=list)

    def add(self, message: RawMessage) -> None:
        self.group.append(message)

    async def land_if_large(self) -> None:
        size = sum(len(one.body) for one in self.group)
        if len(self.group) >= _GROUP_FILES or size >= _GROUP_BYTES:
            await self.land()

    async def land(self) -> None:
        cursor = self.known.write()
        if self.group or cursor != self.session.cursor:
            group, self.group = self.group, []
            await self.session.land(group, cursor=cursor)


def _refuses(error: StatusCodeError) -> bool:
    """Return whether the server refuses a file for good."""
    return bool(error.received_codes[-1].matches("5xx"))


def _folder(session: FeedSession, url: str) -> str:
    """Return a folder's path on the server that is really reached."""
    return unquote(urlsplit(session.address(url)).path) or "/"


def _raw_message(url: str, revision: Revision, body: bytes) -> RawMessage:
    return RawMessage(
        body=body,
        received_at=datetime.now(UTC),
        context={"url": url, "modified": revision.modified},
    )


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Return the trusted certificates for TLS: the system's, and those of a file."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _heed_cancellation() -> None:
    """End a task that was cancelled: in 3.11 `wait_for`, as aioftp uses it, may swallow that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _revision(facts: Mapping[str, object]) -> Revision:
    """Return what a listing says of a file; what makes no sense in it is not known."""
    size = str(facts.get("size", ""))
    is_size = size.isascii() and size.isdigit() and len(size) <= _LONGEST_SIZE
    return Revision(int(size) if is_size else _UNKNOWN_SIZE, str(facts.get("modify", "")))


def is_wanted(name: str, pattern: str) -> bool:
    """Return whether a file's name matches and is not that of a file being written.

    No name with a control character is: with a line break in it, one command would be two.
    """
    return name.isprintable() and fnmatchcase(name, pattern) and not is_unfinished(name)


def is_unfinished(name: str) -> bool:
    """Return whether a name is that of a file being written."""
    return name.startswith(".") or name.lower().endswith(_UNFINISHED_SUFFIXES)


async def _modified(client: Client, name: str, revision: Revision) -> str:
    """Ask for a file's time; a listing gives only the minute, and after half a year the day."""
    code, lines = await client.command(f"MDTM {name}", ("213", "5xx"))
    return lines[-1].strip() if code.matches("213") else revision.modified


def _said(error: Exception) -> str:
    """Return what went wrong in one line: the server's words, or the kind of error."""
    if isinstance(error, StatusCodeError):
        said = " ".join(str(line) for line in error.info).strip()
        return in_one_line(f"{error.received_codes[-1]} {said}")
    return in_one_line(str(error)) or type(error).__name__
