"""The runs of a forecast: since when each was known, what it reaches to, and whether it is all."""

import polars as pl

from energy_platform.history.revisions import RUN
from energy_platform.market.wall_clock import Fold, When, Zone, in_zone, window
from energy_platform.reading.asking import Knowledge, question_of, require_runs, runs_of
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import dataset


class Runs(Connected):
    """Questions about a forecast's runs."""

    def runs(
        self,
        name: str,
        *,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        as_of: When | None = None,
    ) -> pl.DataFrame:
        """Return the runs of a forecast, one row each, in order of their reference time.

        Args:
            name: A forecast's name, as `catalog` lists it.
            start: Only runs whose reference time is at or after this time.
            end: Only runs whose reference time is before this time.
            day: Only runs of this day of `zone`.
            month: Only runs of this month of `zone`.
            zone: The zone of times and days, and of the answer's instants; UTC, unless given.
            fold: Which one is meant of two times that the clocks show alike.
            as_of: Only what was received by this time; now, unless given.

        Returns:
            `run_at`; `first_received_at` and `last_received_at`; `first_valid_at` and
            `last_valid_at`; `rows`, every revision counted; `values`, each series and valid time
            counted once; `expected_values`, how many a complete run has, and `expected_from`, which
            says whence that is known: "declared" by the source, or from other runs of the table;
            `is_complete`, null if nothing could be expected; and `complete_at`, since when.

        Raises:
            UnknownSourceError: There is no source of this name.
            UsageError: The source has no runs, or a time can't be read.

        >>> import energy_platform as ep
        >>> ep.runs("noaa_gfs_wind_forecast").columns[:3]
        ['run_at', 'first_received_at', 'last_received_at']
        """
        asked = dataset(name)
        require_runs(asked)
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        knowledge = Knowledge(as_of=as_of, zone=zone, fold=fold)
        question = question_of(asked, wanted, knowledge)
        found = runs_of(question, asked, self.place.warehouse(), wanted)
        return in_zone(
            found.select(
                RUN,
                "first_valid_at",
                "last_valid_at",
                "expected_values",
                "expected_from",
                "is_complete",
                "complete_at",
                first_received_at="first_known_at",
                last_received_at="last_known_at",
                rows="row_count",
                values="value_count",
            ).select(
                *(RUN, "first_received_at", "last_received_at", "first_valid_at", "last_valid_at"),
                *("rows", "values", "expected_values", "expected_from"),
                *("is_complete", "complete_at"),
            ),
            zone,
        )
