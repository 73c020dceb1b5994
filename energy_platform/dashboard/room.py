"""One open topic: its rows, its newest frames, and the viewers that watch it.

The stores are asked once for all viewers: when the topic opens, when the live bus may have lost
something, and where the topic wants it from time to time. In between, the live bus brings new rows,
which are gathered until the topic's next turn. A viewer that comes back, or that was too slow, gets
the rows that have changed since the frame that it saw last; if that frame is no longer kept, it
gets all rows.
"""

import asyncio
import contextlib
import logging
import math
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import polars as pl
from polars.exceptions import PanicException

from energy_platform.dashboard import frames
from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.marks import Standing, row_marks
from energy_platform.dashboard.revised import MARK, marked, still_marked, with_mark
from energy_platform.dashboard.topics.topic import Loaded, Topic
from energy_platform.dashboard.viewer import Viewer
from energy_platform.errors import EnergyPlatformError
from energy_platform.market.back_off import pause_seconds

_log = logging.getLogger(__name__)

KEPT_FRAMES: Final = 600
_KEPT_MESSAGES: Final = 2_000
"""How many messages of the live bus wait while the stores are asked; then they are asked again."""
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0
_LOAD_SECONDS: Final = 60.0
"""How long the stores may take."""

_SETTLING_SECONDS: Final = 15.0
"""After how long the stores are asked again if they lacked a row's origin."""

RunInThread = Callable[[Callable[[], Loaded]], "asyncio.Future[Loaded]"]


class Since(NamedTuple):
    """The frame of a topic that a viewer saw last."""

    epoch: str
    sequence: int


class _Frame(NamedTuple):
    """Which rows a frame was about; only the newest frame's text is kept."""

    sequence: int
    ids: frozenset[str]


class RoomListener(Protocol):
    """Who hears what changes in a room, as its rows and not as messages."""

    def hear(self, rows: Iterable[Row], gone: Sequence[str], *, is_all: bool) -> None:
        """Take rows that are new or different, and the ids of those that went.

        Args:
            rows: The rows.
            gone: The ids.
            is_all: Whether these are all rows.
        """


class Room:
    """One open topic.

    Args:
        name: The topic's name.
        topic: The topic.
        in_thread: Runs a question to the stores.
    """

    def __init__(self, name: str, topic: Topic, in_thread: RunInThread) -> None:
        self.name = name
        self.topic = topic
        self.sequence = 0
        self.viewers: set[Viewer] = set()
        self._listeners: set[RoomListener] = set()
        self.trouble: str | None = None
        """Why the stores could not be asked the last time."""
        self._in_thread = in_thread
        self._epoch = secrets.token_urlsafe(6)
        self._kept: deque[_Frame] = deque(maxlen=KEPT_FRAMES)
        self._newest = ""
        self._rows: dict[str, Row] = {}
        self._snapshot: tuple[int, str] | None = None
        self._taken: list[tuple[str, pl.DataFrame]] = []
        self._is_loaded = False
        self._must_load = True
        self._refresh_at = math.inf
        self._news = asyncio.Event()

    def enter(self, viewer: Viewer, since: Since | None) -> None:
        """Let a viewer watch from the frame that it saw last, or from a snapshot."""
        is_of_today = since is not None and since.epoch == self._epoch
        viewer.seen[self] = since.sequence if since is not None and is_of_today else None
        self.viewers.add(viewer)
        if self._is_loaded or self.trouble is not None:
            viewer.tell_of(self)

    def leave(self, viewer: Viewer) -> None:
        """Let a viewer go."""
        viewer.forget(self)
        self.viewers.discard(viewer)

    @property
    def is_empty(self) -> bool:
        """Whether nobody watches or listens."""
        return not (self.viewers or self._listeners)

    def listen(self, listener: RoomListener) -> None:
        """Tell a listener of all rows, and of each change from now on."""
        self._listeners.add(listener)
        if self._is_loaded:
            listener.hear(self._rows.values(), (), is_all=True)

    def unlisten(self, listener: RoomListener) -> None:
        """Tell a listener no longer."""
        self._listeners.discard(listener)

    def show(self, changes: Changes) -> None:
        """Show changes that no source's row has brought; before the first load it has them."""
        if self._is_loaded:
            self._apply(changes)

    def mark(self, refused: Sequence[tuple[Standing, pl.DataFrame]], now: datetime) -> None:
        """Mark the rows of which newer values were refused, and no others."""
        rows = list(self._rows.values())
        marks: dict[str, dict[str, Any]] = {}
        for standing, values in refused:
            if not values.is_empty():
                marks |= row_marks(rows, values, standing, now)
        if marks or any(MARK in row for row in rows):
            self._tell([with_mark(row, marks.get(row["id"])) for row in rows], ())

    def take(self, source: str, rows: pl.DataFrame) -> None:
        """Keep new rows of a source for the next turn."""
        if len(self._taken) >= _KEPT_MESSAGES:
            self.reload()
        else:
            self._taken.append((source, rows))
            self._news.set()

    def reload(self) -> None:
        """Ask the stores again, since rows may have been missed."""
        self._taken.clear()
        self._must_load = True
        self._news.set()

    @property
    def place(self) -> int | None:
        """The frame that whoever was just told has seen; none while the stores don't answer."""
        return self.sequence if self.trouble is None else None

    def since(self, sequence: int | None) -> str | None:
        """Return what has changed after a frame; None if nothing has, a snapshot if unsure.

        While the stores don't answer, this is the reason.
        """
        if self.trouble is not None:
            return frames.trouble(self.name, self.trouble)
        if sequence == self.sequence:
            return None
        if sequence is not None and self._kept:
            if sequence == self.sequence - 1:
                return self._newest
            if self._kept[0].sequence - 1 <= sequence < self.sequence:
                return self._merged(sequence)
        if self._snapshot is None or self._snapshot[0] != self.sequence:
            text = frames.snapshot(self.name, self._epoch, self.sequence, self._rows.values())
            self._snapshot = (self.sequence, text)
        return self._snapshot[1]

    async def run(self) -> None:
        """Keep the rows up to date and tell the viewers, for ever."""
        failures = 0
        while True:
            if self._must_load:
                try:
                    await self._load()
                except (Exception, PanicException) as error:  # noqa: BLE001 (tried again)
                    failures += 1
                    self._say(error)
                    await asyncio.sleep(
                        pause_seconds(
                            failures,
                            first_seconds=_FIRST_PAUSE_SECONDS,
                            longest_seconds=_LONGEST_PAUSE_SECONDS,
                        )
                    )
                    continue
                failures = 0
                self._recover()
            if not self._must_load:
                self._take_turn()
            await self._rest()

    def _merged(self, sequence: int) -> str:
        """Return the rows that have changed after a kept frame, in one message."""
        ids = frozenset[str]().union(*(kept.ids for kept in self._kept if kept.sequence > sequence))
        rows = [self._rows[one] for one in ids if one in self._rows]
        gone = [one for one in ids if one not in self._rows]
        return frames.update(self.name, self._epoch, self.sequence, Changes(rows, gone))

    async def _load(self) -> None:
        self._must_load = False
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                loaded = await self._in_thread(self.topic.load)
        except BaseException:
            self._must_load = True
            raise
        wanted = {row["id"]: row for row in loaded.rows}
        gone = [one for one in self._rows if one not in wanted]
        self._taken = [
            (source, rows.filter(pl.col("landing_offset") >= loaded.reached.get(source, 0)))
            for source, rows in self._taken
        ]
        settling = _SETTLING_SECONDS if loaded.is_provisional else math.inf
        seconds = min(settling, self.topic.refresh_seconds or math.inf)
        self._refresh_at = asyncio.get_running_loop().time() + seconds
        is_first = not self._is_loaded
        self._is_loaded = True
        self._apply(Changes(list(wanted.values()), gone), is_first=is_first)

    def _take_turn(self) -> None:
        """Apply the rows that have come since the last turn."""
        taken, self._taken = self._taken, []
        parts: dict[str, list[pl.DataFrame]] = {}
        for source, rows in taken:
            if not rows.is_empty():
                parts.setdefault(source, []).append(rows)
        if not parts:
            return
        try:
            new = {source: _joined(rows) for source, rows in parts.items()}
            changes = self.topic.changed_by(new)
        except (Exception, PanicException) as error:  # noqa: BLE001 (the stores know better)
            _log.warning(
                "%s: new rows can't be shown, so the stores are asked", self.name, exc_info=error
            )
            self.reload()
            return
        self._must_load = self._must_load or changes.must_ask
        self._apply(changes)

    async def _rest(self) -> None:
        """Wait for the next turn: for news, but no shorter than the topic wants."""
        clock = asyncio.get_running_loop().time
        began = clock()
        if not (self._must_load or self._taken):
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._refresh_at):
                    await self._news.wait()
        await asyncio.sleep(max(0.0, began + self.topic.every_seconds - clock()))
        self._must_load = self._must_load or clock() >= self._refresh_at

    def _apply(self, changes: Changes, *, is_first: bool = False) -> None:
        """Apply changes to the rows, and tell the viewers if something is different."""
        self._tell(self._different(changes.rows), changes.gone, is_first=is_first)

    def _tell(self, told: Sequence[Row], left: Sequence[str], *, is_first: bool = False) -> None:
        """Replace rows by what is told of them now, and tell the viewers of the difference."""
        rows = [row for row in told if self._rows.get(row["id"]) != row]
        gone = [one for one in left if self._rows.pop(one, None) is not None]
        self._rows.update({row["id"]: row for row in rows})
        if not (rows or gone or is_first):
            return
        self.sequence += 1
        self._newest = frames.update(self.name, self._epoch, self.sequence, Changes(rows, gone))
        ids = frozenset([*(row["id"] for row in rows), *gone])
        self._kept.append(_Frame(self.sequence, ids))
        if self.trouble is None:
            self._tell_viewers()
        for listener in self._listeners:
            listener.hear(rows, gone, is_all=is_first)

    def _tell_viewers(self) -> None:
        for viewer in self.viewers:
            viewer.tell_of(self)

    def _different(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that say something else than before, revisions marked."""
        newest: dict[str, dict[str, Any]] = {}
        for row in rows:
            known = newest.get(row["id"], self._rows.get(row["id"]))
            told = row if known is None else self._told(known, row)
            if told != known:
                newest[row["id"]] = told
        return list(newest.values())

    def _told(self, known: Row, row: Row) -> Row:
        """Return a row with the marks that it has because of the row before it."""
        moment = self.topic.moment
        return with_mark(
            marked(with_mark(known, None), row, moment), still_marked(known, row, moment)
        )

    def _say(self, error: BaseException) -> None:
        """Tell the viewers why there is nothing new, once per reason."""
        is_known = isinstance(error, EnergyPlatformError)
        reason = str(error) if is_known else f"{type(error).__name__} while the stores were asked"
        if self.trouble != reason:
            _log.warning("%s: %s", self.name, reason, exc_info=None if is_known else error)
            self.trouble = reason
            self._tell_viewers()

    def _recover(self) -> None:
        """Tell the viewers all rows once the stores answer again, be they the same as before."""
        if self.trouble is not None:
            self.trouble = None
            self._tell_viewers()


def _joined(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return all parts as one frame; a single one costs nothing."""
    return parts[0] if len(parts) == 1 else pl.concat(parts)
