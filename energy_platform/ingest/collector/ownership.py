"""Runs the feeds of those sources that this collector owns, and of no others.

Each source has one owner among all collectors of a landing zone (`storage/leases`). Three tasks run
beside the feeds: one renews this collector's membership, one looks how the leases stand, and one
stops the feeds once the membership was not renewed in time. They run on the event loop of the
feeds, so a collector whose loop hangs loses its sources as a dead one does.

Files that are dropped into a home reach no other machine: the collector of that home takes them,
also when another one owns their source.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from filelock import FileLock, Timeout

from energy_platform.ingest.collector.source_task import SourceTask
from energy_platform.ingest.collector.tenure import Tenure
from energy_platform.market.feed import WireProtocol
from energy_platform.storage.leases import (
    BEAT_SECONDS,
    Cells,
    LeaseLostError,
    LeaseStoreError,
    Membership,
    Standing,
)

_log = logging.getLogger(__name__)

_SHORTEST_PAUSE_SECONDS: Final = 0.2
_WATCH_SECONDS: Final = 0.5
_LEAVE_SECONDS: Final = 5.0
_THREADS: Final = 3
"""Threads of its own, since those of the feeds may all wait for providers."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Run:
    """A running feed, and the term for which it runs; None beside the owner."""

    task: asyncio.Task[None]
    term: int | None


class Ownership:
    """One collector's share of the sources.

    Args:
        cells: Where the collectors meet.
        home: This collector's home.
        jobs: The tasks of all sources.
    """

    def __init__(self, cells: Cells, home: Path, jobs: Collection[SourceTask]) -> None:
        self._cells = cells
        self._jobs = {job.source.name: job for job in jobs}
        self._able = [name for name, job in self._jobs.items() if job.is_able]
        self._home = _HomeLock(home)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="leases")
        self._membership = self._new_membership()
        self._is_member = asyncio.Event()
        self._running: dict[str, _Run] = {}
        self._giving: set[str] = set()
        self._feeds: asyncio.TaskGroup

    async def run(self) -> None:
        """Run the feeds of this collector's sources until cancelled; then give all to others."""
        for name in self._able:
            self._jobs[name].stand_by()
        try:
            async with asyncio.TaskGroup() as self._feeds:
                for loop in (self._renew, self._look, self._watch):
                    self._feeds.create_task(loop())
        finally:
            await self._leave()

    async def _renew(self) -> None:
        """Keep up the membership; begin another one if others have ended it."""
        while True:
            try:
                await self._in_a_thread(self._membership.renew)
                if not self._is_member.is_set():
                    await self._in_a_thread(self._succeed)
                    self._is_member.set()
            except LeaseLostError as error:
                _log.warning("%s: it begins anew", error)
                self._stop("another collector took over")
                self._membership = self._new_membership()
                continue
            except LeaseStoreError as error:
                _log.warning("the leases were not renewed: %s", error)
            await asyncio.sleep(BEAT_SECONDS)

    async def _look(self) -> None:
        """See how the leases stand, and do what follows."""
        while True:
            await self._is_member.wait()
            membership = self._membership
            try:
                standing = await self._in_a_thread(membership.look)
            except LeaseStoreError as error:
                _log.warning("the leases can't be read: %s", error)
            else:
                if membership.seconds_left > 0:
                    self._follow(standing, membership)
            pause = membership.until_somebody_may_be_dead()
            await asyncio.sleep(min(BEAT_SECONDS, max(_SHORTEST_PAUSE_SECONDS, pause)))

    async def _watch(self) -> None:
        """Stop the feeds once the membership was not renewed in time."""
        while True:
            if self._is_member.is_set() and self._membership.seconds_left <= 0:
                _log.warning("the leases were not renewed in time: the feeds stop")
                self._stop("the leases can't be renewed")
            await asyncio.sleep(_WATCH_SECONDS)

    def _follow(self, standing: Standing, membership: Membership) -> None:
        """Start and stop feeds, so that those run here that should."""
        surplus = standing.surplus - self._giving
        wanted: dict[str, int | None] = {
            name: term for name, term in standing.mine.items() if name not in self._giving | surplus
        }
        if self._home.is_held:
            wanted |= {name: None for name in self._inboxes() if name not in standing.mine}
        for name, run in self._running.items():
            if name not in wanted or wanted[name] != run.term:
                run.task.cancel()
        for name in wanted.keys() - self._running.keys():
            self._start(name, wanted[name], membership)
        for name, job in self._jobs.items():
            if name in self._able and name not in self._running and name not in wanted:
                job.stand_by()
        if surplus:
            self._giving |= surplus
            self._feeds.create_task(self._give(surplus, membership))

    def _start(self, name: str, term: int | None, membership: Membership) -> None:
        def is_held() -> bool:
            return membership is self._membership and membership.seconds_left > 0

        tenure = None if term is None else Tenure(term, is_held)
        task = self._feeds.create_task(self._jobs[name].run(tenure), name=name)
        self._running[name] = _Run(task, term)
        task.add_done_callback(lambda _: self._running.pop(name))

    async def _give(self, sources: frozenset[str], membership: Membership) -> None:
        """Stop the feeds of sources, and give these to those who should have them."""
        _log.info("gives to other collectors: %s", ", ".join(sorted(sources)))
        try:
            ending = [self._running[name].task for name in sources if name in self._running]
            if ending:
                await asyncio.wait(ending)
            await self._in_a_thread(lambda: membership.give(sources))
        except LeaseStoreError as error:
            _log.warning("sources were not given to other collectors: %s", error)
        finally:
            self._giving -= sources

    def _stop(self, why: str) -> None:
        """Stop all feeds that run by a lease."""
        self._is_member.clear()
        for name, run in self._running.items():
            if run.term is not None:
                run.task.cancel()
                self._jobs[name].stand_by(why)

    async def _leave(self) -> None:
        """Give all sources to others; if the store is away, they see it some seconds later."""
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._in_a_thread(self._membership.leave)
        except (LeaseStoreError, TimeoutError) as error:
            _log.warning("the leases were not given to other collectors: %s", error)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._home.release()

    def _succeed(self) -> None:
        """End the membership of this home's collector before, whose process is dead."""
        if self._home.is_held:
            if (before := self._home.member()) and before != self._membership.id:
                self._membership.end(before)
            self._home.note(self._membership.id)

    def _inboxes(self) -> list[str]:
        return [
            name
            for name in self._able
            if self._jobs[name].source.feed.protocol is WireProtocol.FILE
        ]

    def _new_membership(self) -> Membership:
        name = f"{socket.gethostname()}:{os.getpid()}"
        return Membership(self._cells, name, self._able)

    async def _in_a_thread(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class _HomeLock:
    """Tells the collector of a home that the one before it is dead.

    The kernel holds the lock for as long as that process lives, hung or not.
    """

    def __init__(self, home: Path) -> None:
        folder = home / "run"
        self._member = folder / "collector.member"
        self._lock = FileLock(folder / "collector.lock", thread_local=False)
        with contextlib.suppress(Timeout, OSError):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)

    @property
    def is_held(self) -> bool:
        """Whether no other collector of this home lives."""
        return self._lock.is_locked

    def release(self) -> None:
        """Let another collector of this home begin."""
        self._lock.release()

    def member(self) -> str:
        """Return the membership that was noted last; an empty text if none was."""
        try:
            return self._member.read_text()
        except (OSError, ValueError):
            return ""

    def note(self, member: str) -> None:
        """Note the membership of this process."""
        with contextlib.suppress(OSError):  # the next collector then waits until it may take over
            self._member.write_text(member)
