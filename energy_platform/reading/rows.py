"""Rows of a market source or a mart, as of now or of any past moment."""

import polars as pl

from energy_platform.history.knowledge_time import AsOf
from energy_platform.market.wall_clock import Fold, When, Window, Zone, in_zone, window
from energy_platform.reading.asking import (
    Clock,
    Knowledge,
    RunAsked,
    question_of,
    require_present,
    with_run,
)
from energy_platform.reading.connected import Connected
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.place import Missing, StoredTables


class Rows(Connected):
    """Questions whose answer is rows as their table has them."""

    def scan(
        self,
        name: str,
        *,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        as_of: AsOf | None = None,
        run: RunAsked | None = None,
        known: Clock = "received",
        look_ahead: bool = False,
        missing: Missing = "raise",
    ) -> pl.LazyFrame:
        """Return the rows of a market source or a mart, lazily: of each key the latest revision.

        Args:
            name: A name, as `catalog` lists it.
            start: Only rows whose event time (delivery start, observation, valid time) is at or
                after this time: an instant, or what the clocks of `zone` show, as text or a naive
                datetime; a date means the beginning of its day.
            end: Only rows whose event time is before this time.
            day: Only this day of `zone`, instead of `start` and `end`.
            month: Only this month of `zone`, "2026-03", instead.
            zone: The zone of times and days, and of the answer's instants; UTC, unless given.
                "Europe/Gas_Day" has days from six to six.
            fold: Which one is meant of two times that the clocks show alike: 0 the first, 1 the
                second.
            as_of: Only what was known by then; later rows and revisions are ignored, so that a
                back-test can't look ahead. An instant; a lead time before each row's event time,
                `timedelta(hours=1)`; or a moment some days before each row's local day, "D-1 12:00
                Europe/Berlin". A row received at that very moment counts as known. Now, unless
                given.
            run: Of a forecast only the run of this reference time; "latest", the newest run known
                by `as_of`, whole or not; "latest_complete", the newest that was complete by then
                (see `runs`); or "latest_each", for each valid time the newest run that has it,
                which are rows of several runs. Every run, unless given.
            known: By whose clock a row is known: "received", when this platform had it, or
                "published", when its provider had published it by the source's own rules. Rows then
                have `known_at`, and `known_basis` says on what that rests: `stated`, `run_delay`,
                `publication`, `expected_lag` or `received`.
            look_ahead: Whether `as_of` may lie after the beginning of a delivery: a negative lead
                time, or a moment of the day itself.
            missing: What a table that was never stored is: an error, or "empty".

        Returns:
            The source's columns (units in their names), and `received_at` and `landing_offset`,
            which say when a row was known and where it came from. Instants are UTC, or in `zone`.
            For every key and moment there is at most one row, and it had been received by that
            moment: the same question has the same answer at any later time.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            NoPlatformError: There is no platform where it is looked for.
            NeverStoredError: The platform has never stored a row of it.
            UsageError: A time lacks its zone or can't be read, `as_of` has another form or looks
                ahead, the source has no runs or none that is complete; or the past of a mart is
                asked for, which is built from what is known now.

        >>> import energy_platform as ep
        >>> from datetime import UTC, datetime, timedelta
        >>> march = datetime(2026, 3, 1, tzinfo=UTC)
        >>> at_eleven = ep.scan("ote_day_ahead_price", as_of=march + timedelta(hours=11))
        >>> an_hour_ahead = ep.scan("ote_intraday_price", start=march, as_of=timedelta(hours=1))
        >>> at_the_gate = ep.scan("energy_charts_price", as_of="D-1 14:00 Europe/Berlin")
        >>> forecast = ep.scan("noaa_gfs_wind_forecast", as_of=timedelta(hours=6), run="latest")
        >>> at_the_gate.select("price_eur_per_mwh").head(2).collect().height
        2
        """
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        asked = dataset(name)
        require_present(asked, {"as_of": as_of, "run": run, "known": known})
        if asked.kind == "mart":
            tables = self.place.warehouse(missing=missing)
            return in_zone(_scan_mart(tables, asked, wanted), zone)
        knowledge = Knowledge(as_of=as_of, known=known, look_ahead=look_ahead, zone=zone, fold=fold)
        warehouse = self.place.warehouse(missing=missing)
        question = question_of(asked, wanted, knowledge)
        if run is not None:
            question = with_run(question, asked, warehouse, run, knowledge)
        return in_zone(warehouse.answer(question), zone)


def _scan_mart(tables: StoredTables, mart: Dataset, wanted: Window) -> pl.LazyFrame:
    """Return a mart's rows, as the last finished run has left the table."""
    rows, event_time = tables.scan(mart.table), pl.col(mart.event_time)
    if wanted.start is not None:
        rows = rows.filter(event_time >= wanted.start)
    return rows if wanted.end is None else rows.filter(event_time < wanted.end)
