"""Runs one market source's feed for ever: claim its log, run the feed, back off, repeat.

Whether this collector may run it at all is decided by `ownership`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from energy_platform.errors import FeedError, FencedError, in_one_line
from energy_platform.ingest.collector.lander import Appending, Lander
from energy_platform.ingest.collector.tenure import ALONE, BesideTheOwner, OwnedLog, Tenure
from energy_platform.ingest.provider_limits import ProviderLimits
from energy_platform.ingest.session import MarketSession, missing_environment
from energy_platform.market.back_off import pause_seconds
from energy_platform.market.feed import AskingFeed, Feed, WireProtocol
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.settings import Settings
from energy_platform.storage.landing import LandingZone

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_QUIET_SECONDS: Final = 10.0
"""How long a log that another writer took must be quiet before it is claimed again."""


class FeedState(StrEnum):
    """The state of a source's feed."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing off"
    FENCED = "fenced"
    NEEDS = "needs"
    STANDBY = "standby"


@dataclass(slots=True)
class FeedStatus:
    """What `energy-platform status` shows of a feed.

    Attributes:
        state: Its state.
        detail: The last error in one line, or what is needed.
        failures: Failures in a row.
        landed_messages: Messages landed since the process started.
        unanswered: The questions that the provider does not answer while it answers others, each
            with the reason.
        questions: How many questions the feed asks; 0 if it asks none or has not begun.
    """

    state: FeedState = FeedState.STARTING
    detail: str = ""
    failures: int = 0
    landed_messages: int = 0
    unanswered: Mapping[str, str] = field(default_factory=dict)
    questions: int = 0


Taken = Callable[[MarketSource], int]
"""Returns up to which landing offset messages of a source were taken from its log."""

Witness = Callable[[MarketSource, Sequence[RawMessage]], None]
"""Is told, in a thread, what has landed of a source that people hand in."""


@dataclass(slots=True)
class _NotedLander:
    """Lands a feed's messages, and records that the feed is well, except for single questions."""

    lander: Lander
    status: FeedStatus
    source: MarketSource
    witness: Witness | None

    @property
    def feed(self) -> Feed:
        return self.source.feed

    @property
    def cursor(self) -> str | None:
        return self.lander.cursor

    async def land(self, messages: Sequence[RawMessage], cursor: str | None) -> None:
        await self.lander.land(messages, cursor)
        self.status.state, self.status.detail, self.status.failures = FeedState.RUNNING, "", 0
        self.status.landed_messages += len(messages)
        self.note_unanswered()
        if self.witness is not None and self.feed.protocol is WireProtocol.FILE:
            await asyncio.to_thread(self.witness, self.source, messages)

    def note_unanswered(self) -> None:
        """Record which questions are unanswered according to the cursor."""
        if isinstance(self.feed, AskingFeed):
            try:
                told = self.feed.unanswered(self.cursor)
            except (ValueError, TypeError, LookupError, AttributeError):
                return  # the feed itself says that its cursor can't be read
            self.status.unanswered, self.status.questions = told.reasons, told.asked


@dataclass(slots=True)
class SourceTask:
    """The task that runs one market source in the collector."""

    source: MarketSource
    settings: Settings
    zone: LandingZone
    limits: ProviderLimits
    status: FeedStatus = field(default_factory=FeedStatus)
    witness: Witness | None = None
    taken: Taken = field(default=lambda _source: 0)

    @property
    def is_able(self) -> bool:
        """Whether this environment has what the feed needs; if not, the status says so."""
        if needs := missing_environment(self.source, self.settings):
            self.status.state, self.status.detail = FeedState.NEEDS, f"needs {', '.join(needs)}"
        return not needs

    def stand_by(self, detail: str = "") -> None:
        """Say in the status that the feed does not run here."""
        self.status.state, self.status.detail = FeedState.STANDBY, detail

    async def run(self, tenure: Tenure | None = ALONE) -> None:
        """Run the feed until cancelled, whatever it raises.

        Args:
            tenure: This collector's right to the source; with None its messages land beside those
                of the owner.
        """
        if not self.is_able:
            return
        while True:
            try:
                if self.status.state is FeedState.FENCED:
                    await self._wait_for_a_quiet_log()
                await self._run_feed(tenure)
            except FencedError as error:
                self.status.state, self.status.detail = FeedState.FENCED, str(error)
                _log.warning("%s: %s", self.source.name, error)
            except Exception as error:  # noqa: BLE001 (no feed may end the collector)
                await self._back_off(error)

    async def _run_feed(self, tenure: Tenure | None) -> None:
        writer = await asyncio.to_thread(self._log, tenure)
        lander = Lander(writer, linger_seconds=self._linger_seconds)
        landing_place = _NotedLander(lander, self.status, self.source, self.witness)
        landing_place.note_unanswered()
        session = MarketSession.open(
            self.source, self.settings, self.limits, landing_place, (tenure or ALONE).require
        )
        # A feed with nothing to land, like most files and topics at night, is not backing off.
        self.status.state = FeedState.STARTING
        landing = asyncio.create_task(lander.run())
        feeding = asyncio.create_task(self.source.feed.run(session))
        try:
            await asyncio.wait((landing, feeding), return_when=asyncio.FIRST_COMPLETED)
        finally:
            landing.cancel()
            feeding.cancel()
            outcomes = await asyncio.gather(landing, feeding, return_exceptions=True)
        self._raise_first(outcomes)

    @property
    def _linger_seconds(self) -> float:
        """How long a landing waits for others.

        Only streams bring more meanwhile. Every other feed waits until a landing is durable.
        """
        is_stream = self.source.feed.protocol is WireProtocol.WEBSOCKET
        return self.settings.linger if is_stream else 0.0

    def _log(self, tenure: Tenure | None) -> Appending:
        at_least = self.taken(self.source)
        if tenure is None:
            return BesideTheOwner(self.zone.guest(self.source.name, at_least=at_least))
        tenure.require()
        writer = self.zone.writer(self.source.name, at_least=at_least, term=tenure.term)
        return OwnedLog(writer, tenure)

    def _raise_first(self, outcomes: Sequence[BaseException | None]) -> None:
        """Raise the error that ended the run, the landing zone's before the feed's."""
        errors = [error for error in outcomes if isinstance(error, Exception)]
        if errors:
            raise errors[0]
        raise FeedError("the feed ended")

    async def _back_off(self, error: Exception) -> None:
        """Wait longer after each failure in a row, or as long as the provider asked for."""
        self.status.failures += 1
        pause = pause_seconds(
            self.status.failures,
            first_seconds=_FIRST_PAUSE_SECONDS,
            longest_seconds=_LONGEST_PAUSE_SECONDS,
        )
        if isinstance(error, FeedError):
            pause = max(pause, error.retry_after_seconds or 0.0)
            _log.warning("%s: %s; again in %.1f s", self.source.name, error, pause)
        else:
            _log.error("%s: again in %.1f s", self.source.name, pause, exc_info=error)
        self.status.state = FeedState.BACKING_OFF
        self.status.detail = in_one_line(f"{type(error).__name__}: {error}".splitlines()[0])
        await asyncio.sleep(pause)

    async def _wait_for_a_quiet_log(self) -> None:
        """Wait until the writer that took the log has finished.

        Otherwise two live collectors would take the log from each other in turns.
        """
        log = self.zone.log(self.source.name)
        end, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET_SECONDS:
            await asyncio.sleep(_QUIET_SECONDS / 10)
            newest = await asyncio.to_thread(log.end_offset)
            if newest != end:
                end, since = newest, time.monotonic()
