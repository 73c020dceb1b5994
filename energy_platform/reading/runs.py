"""The runs of a forecast: since when each was known, and what it reaches to."""

import polars as pl

from energy_platform.history.revisions import RUN
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import dataset
from energy_platform.reading.demands import require_run


class Runs(Connected):
    """Questions about a forecast's runs."""

    def runs(self, name: str) -> pl.DataFrame:
        """Return the runs of a forecast, one row each, in order of their reference time.

        Columns: `run_at`, `first_received_at` and `last_received_at` (since when the run was known
        in part, and as a whole), `first_valid_at`, `last_valid_at`, `rows` (every revision
        counted). All but the last are UTC instants.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: The source has no runs.

        >>> import energy_platform as ep
        >>> ep.runs("noaa_gfs_wind_forecast").columns[:3]
        ['run_at', 'first_received_at', 'last_received_at']
        """
        asked = dataset(name)
        require_run(asked, "latest")
        received, valid = pl.col("received_at"), pl.col(asked.event_time)
        return (
            self.place.warehouse()
            .scan(asked.table)
            .group_by(RUN)
            .agg(
                first_received_at=received.min(),
                last_received_at=received.max(),
                first_valid_at=valid.min(),
                last_valid_at=valid.max(),
                rows=pl.len(),
            )
            .sort(RUN)
            .collect()
        )
