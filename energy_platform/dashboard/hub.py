"""Who watches what: opens rooms, closes those that nobody watches, and beats each second."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from energy_platform.dashboard import frames
from energy_platform.dashboard.frames import Changes
from energy_platform.dashboard.live_rows import Listener, LiveRows
from energy_platform.dashboard.room import Room, RoomListener, Since
from energy_platform.dashboard.topics.topic import Loaded, Topic
from energy_platform.dashboard.viewer import Viewer

_BEAT_SECONDS: Final = 1.0
_LINGER_SECONDS: Final = 60.0
"""How long a room that nobody watches stays open, so that who comes back may resume."""
_QUESTIONS: Final = 2
"""How many questions to the stores run at a time."""


@dataclass(slots=True)
class _Open:
    room: Room
    task: asyncio.Task[None]
    empty_since: float | None = None


@dataclass(slots=True)
class Hub:
    """All rooms.

    Attributes:
        topic_named: Returns the topic of a name, or raises `UnknownTopicError`.
        live_rows: What the live bus brings.
        troubles: Returns what else may be behind, and why.
        viewers: Who is connected.
    """

    topic_named: Callable[[str], Topic]
    live_rows: LiveRows
    troubles: Callable[[], frozenset[str]] = frozenset
    viewers: set[Viewer] = field(default_factory=set)
    _rooms: dict[str, _Open] = field(default_factory=dict)
    _since: dict[str, datetime] = field(default_factory=dict)
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(_QUESTIONS, thread_name_prefix="stores")
    )

    @property
    def rooms(self) -> list[Room]:
        """The open rooms."""
        return [one.room for one in self._rooms.values()]

    def open(self, viewer: Viewer, name: str, since: Since | None = None) -> None:
        """Let a viewer watch a topic, from the frame that it saw last or from a snapshot.

        Raises:
            EnergyPlatformError: There is no such topic.
        """
        self._room(name).enter(viewer, since)

    def listen(self, name: str, listener: RoomListener) -> None:
        """Tell a listener all rows of a topic, and what changes in it.

        Raises:
            EnergyPlatformError: There is no such topic.
        """
        self._room(name).listen(listener)

    def unlisten(self, name: str, listener: RoomListener) -> None:
        """Tell a listener no longer."""
        opened = self._rooms.get(name)
        if opened is not None:
            opened.room.unlisten(listener)

    def tell(self, name: str, changes: Changes) -> None:
        """Show changes of a topic that no source's row brings, if it is open."""
        opened = self._rooms.get(name)
        if opened is not None:
            opened.room.show(changes)

    def close(self, viewer: Viewer, name: str) -> None:
        """Let a viewer watch a topic no longer."""
        opened = self._rooms.get(name)
        if opened is not None:
            opened.room.leave(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Let a viewer go."""
        self.viewers.discard(viewer)
        for room in list(viewer.seen):
            room.leave(viewer)

    async def run(self) -> None:
        """Beat, and close rooms that nobody watches, until cancelled."""
        try:
            while True:
                self._beat()
                self._close_empty_rooms()
                await asyncio.sleep(_BEAT_SECONDS)
        finally:
            for name in list(self._rooms):
                self._close(name)
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _room(self, name: str) -> Room:
        """Return the room of a topic, opened if it must be."""
        opened = self._rooms.get(name)
        if opened is None:
            topic = self.topic_named(name)
            room = Room(name, topic, self._in_thread)
            opened = self._rooms[name] = _Open(room, asyncio.create_task(room.run(), name=name))
            for source in topic.sources:
                for listener in _listeners(room, source):
                    self.live_rows.watch(source, listener)
        opened.empty_since = None
        return opened.room

    def _in_thread(self, question: Callable[[], Loaded]) -> asyncio.Future[Loaded]:
        return asyncio.get_running_loop().run_in_executor(self._threads, question)

    def _beat(self) -> None:
        common = self.troubles() if self.viewers else frozenset[str]()
        of_rooms = {room: self._troubles(room) for room in self.rooms}
        now = datetime.now(UTC)
        self._since = {one: self._since.get(one, now) for one in common.union(*of_rooms.values())}
        messages: dict[frozenset[str], str] = {}
        for viewer in self.viewers:
            why = common.union(*(of_rooms.get(room, ()) for room in viewer.seen))
            if why not in messages:
                messages[why] = frames.beat({one: self._since[one] for one in why})
            viewer.tell(messages[why])

    def _troubles(self, room: Room) -> frozenset[str]:
        """Return why a room's rows may be behind."""
        told = (room.trouble, *(self.live_rows.trouble(source) for source in room.topic.sources))
        return frozenset(one for one in told if one is not None)

    def _close_empty_rooms(self) -> None:
        now = asyncio.get_running_loop().time()
        for name, opened in list(self._rooms.items()):
            if not opened.room.is_empty:
                opened.empty_since = None
            elif opened.empty_since is None:
                opened.empty_since = now
            elif now - opened.empty_since > _LINGER_SECONDS:
                self._close(name)

    def _close(self, name: str) -> None:
        opened = self._rooms.pop(name)
        opened.task.cancel()
        for source in opened.room.topic.sources:
            for listener in _listeners(opened.room, source):
                self.live_rows.leave(source, listener)


def _listeners(room: Room, source: str) -> list[Listener]:
    """Return who takes the new rows of one of a room's sources, the room itself last."""
    return [*(shared for shared in room.topic.shared if source in shared.sources), room]
