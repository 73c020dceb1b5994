"""What a backfill asks for, checked before any provider is asked."""

from dataclasses import dataclass
from datetime import datetime

from energy_platform.errors import UsageError
from energy_platform.ingest.session import missing_environment
from energy_platform.market.feed import HistoricalFeed
from energy_platform.market.source import MarketSource
from energy_platform.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillWindow:
    """The past of one source in [start, end), UTC."""

    source: MarketSource
    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        """The window as text; equal for equal windows."""
        return f"{self.source.name} {self.start.isoformat()} {self.end.isoformat()}"

    def feed(self, settings: Settings, now: datetime) -> HistoricalFeed:
        """Return the feed to ask.

        Args:
            settings: Which markets are asked, and so which environment variables are needed.
            now: Market time.

        Raises:
            UsageError: This window can't be asked for; the message says why.
        """
        source, feed = self.source, self.source.feed
        if not isinstance(feed, HistoricalFeed) or not feed.keeps_history:
            raise UsageError(
                f"{source.name}: {source.provider.name} serves no history by this feed"
            )
        if self.start >= self.end:
            raise UsageError(f"a backfill starts before it ends, not at {self.start.isoformat()}")
        if self.end > now:
            raise UsageError(f"history ends now, at {now.isoformat(timespec='seconds')}")
        if needs := missing_environment(source, settings):
            raise UsageError(f"{source.name} needs {', '.join(needs)}")
        return feed
