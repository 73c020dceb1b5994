"""What the platform's batches did, for whoever asks why a row is missing."""

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from energy_platform.market.wall_clock import Fold, When, Zone, window
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import dataset

_A_DAY: Final = timedelta(days=1)


class Operating(Connected):
    """Questions about the platform's own work."""

    def batch_history(
        self,
        name: str | None = None,
        *,
        start: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
    ) -> pl.DataFrame:
        """Return what the platform's batches did, in order of when they finished.

        Args:
            name: A market source's name; all sources, unless given.
            start: The earliest `finished_at`; 24 hours ago, unless given.
            zone: Whose clocks are meant if `start` has no zone of its own.
            fold: Which one is meant of two times that the clocks show alike.

        Returns:
            Each batch has a row for three days; older rows hold the batches of an hour, for ninety
            days. `batches` and `failed` count them; `start_offset`, `stop_offset`, `messages`,
            `rows_parsed`, `rows_new`, `quarantined` and `seconds` cover all batches of the row;
            `drift` and `error` say what was wrong, and are null if nothing was.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: `start` lacks its time zone, or can't be read; or the place is a folder of
                tables, a bucket or a dataset, which no batches are known of.

        >>> import energy_platform as ep
        >>> ep.batch_history("smard_price").select("source", "batches", "failed").rows()
        [('smard_price', 1, 0)]
        """
        from energy_platform.operations.batch_history import BatchHistory

        asked = window(start=start, zone=zone, fold=fold)
        if name is not None:
            dataset(name)
        since = asked.start or datetime.now(UTC) - _A_DAY
        return BatchHistory(self.place.state).lines(name, since=since)
