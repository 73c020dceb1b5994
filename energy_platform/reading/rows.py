"""Rows of a market source or a mart, as of now or of any past moment."""

from datetime import datetime

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import AsOf, knowledge_time
from energy_platform.history.question import Question, Run
from energy_platform.market.wall_clock import Window, window
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.demands import require_run


class Rows(Connected):
    """Questions whose answer is rows as their table has them."""

    def scan(
        self,
        name: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: AsOf | None = None,
        run: Run | None = None,
    ) -> pl.LazyFrame:
        """Return the rows of a market source or a mart, lazily: of each key the latest revision.

        Args:
            name: A name, as `catalog` lists it.
            start: Only rows whose event time (delivery start, observation, valid time) is at or
                after this instant.
            end: Only rows whose event time is before this instant.
            as_of: Only what was known by then; later rows and revisions are ignored, so that a
                back-test can't look ahead. An instant; a lead time before each row's event time,
                `timedelta(hours=1)`; or a moment some days before each row's local day, "D-1 12:00
                Europe/Berlin". A row received at that very moment counts as known. Now, unless
                given.
            run: Of a forecast only the run of this reference time; or "latest", for each valid time
                the latest run known by `as_of`. Every run, unless given.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            UsageError: An instant lacks its time zone, `as_of` has another form, or the source has
                no runs; or `as_of` is given for a mart, which is built from what is known now.

        The frame has the source's columns (units in their names), and `received_at` and
        `landing_offset`, which say when a row was known and where it came from. Instants are UTC.
        For every key and moment there is at most one row, and it had been received by that moment:
        the same question has the same answer at any later time.

        >>> import energy_platform as ep
        >>> from datetime import UTC, datetime, timedelta
        >>> march = datetime(2026, 3, 1, tzinfo=UTC)
        >>> at_eleven = ep.scan("ote_day_ahead_price", as_of=march + timedelta(hours=11))
        >>> an_hour_ahead = ep.scan("ote_intraday_price", start=march, as_of=timedelta(hours=1))
        >>> at_the_gate = ep.scan("energy_charts_price", as_of="D-1 12:00 Europe/Berlin")
        >>> forecast = ep.scan("noaa_gfs_wind_forecast", as_of=timedelta(hours=6), run="latest")
        >>> at_the_gate.collect_schema()["price_eur_per_mwh"]
        Float64
        """
        wanted = window(start=start, end=end)
        asked = dataset(name)
        if asked.kind == "mart":
            return self._scan_mart(asked, wanted, of_the_past=as_of is not None or run is not None)
        if run is not None:
            require_run(asked, run)
        question = Question(
            table=asked.table,
            revision=asked.revision,
            start=wanted.start,
            end=wanted.end,
            known=None if as_of is None else knowledge_time(as_of),
            run=run,
            facts_stay=not asked.facts_move,
        )
        return self.place.warehouse().answer(question)

    def load(
        self,
        name: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: AsOf | None = None,
        run: Run | None = None,
    ) -> pl.DataFrame:
        """Return the rows of `scan`, in order of event time and key."""
        rows = self.scan(name, start=start, end=end, as_of=as_of, run=run)
        asked = dataset(name)
        return rows.sort(asked.event_time, *asked.key).collect()

    def _scan_mart(self, mart: Dataset, wanted: Window, *, of_the_past: bool) -> pl.LazyFrame:
        """Return a mart's rows, as the last finished run has left the table."""
        if of_the_past:
            raise UsageError(f"{mart.name} is a mart: it has no past and no runs, its sources do")
        rows, event_time = self.place.warehouse().scan(mart.table), pl.col(mart.event_time)
        if wanted.start is not None:
            rows = rows.filter(event_time >= wanted.start)
        return rows if wanted.end is None else rows.filter(event_time < wanted.end)
