"""Series side by side: aligned, brought to one length of period, in the units asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.history.knowledge_time import AsOf, for_later
from energy_platform.market.buckets import buckets, every, span
from energy_platform.market.conversion import converted
from energy_platform.market.instants import OUR_TIME
from energy_platform.market.resampling import resampled
from energy_platform.market.wall_clock import Fold, When, Window, Zone, calendar_of, in_zone, window
from energy_platform.reading.asking import Clock, Knowledge, RunAsked, question_of, with_run
from energy_platform.reading.choice import require_found
from energy_platform.reading.rows import Rows
from energy_platform.reading.series import Series, series_of, stretches
from energy_platform.reading.where import Value

_REACH: Final = timedelta(hours=25)
"""How long a row's period is at most: a day whose clocks are put back. One that begins before the
first bucket may reach into it."""
_TIMES: Final = ("delivery_start", "delivery_end")


class Frames(Rows):
    """Questions whose answer is series beside each other, for a model or a report."""

    def series(
        self,
        name: str,
        column: str,
        *,
        run: RunAsked | None = None,
        lag: str | timedelta | None = None,
        **where: Value,
    ) -> Series:
        """Name one series of a table: a column, and the key's values that tell it from others.

        Nothing is read yet; `frame` reads it.

        Args:
            name: A source's or mart's name, as `catalog` lists it.
            column: The column, such as `price_eur_per_mwh`.
            run: Of a forecast the run of this reference time; or "latest_each", for each valid
                time the newest run that has it; see `scan`.
            lag: How much later than it holds a value is shown: with "24h", or a `timedelta`,
                yesterday's price stands beside today's. With `as_of`, it counts only if it was
                known at the gate of the delivery beside which it stands.
            where: The values of key columns: `bidding_zone="DE-LU"`, `resolution="PT15M"`. `area`
                and `production` take the names that all tables share, as `areas` and `productions`
                list them: `area="IT-North"` is GME's NORD.

        Returns:
            The series, whose `unit` and `quantity` say what it is.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            UsageError: The table has no such column or key column, or a value is not of its type;
                or the column is a name, a number or a flag, which can't be summed up.

        >>> import energy_platform as ep
        >>> price = ep.series("energy_charts_price", "price_eur_per_mwh", bidding_zone="DE-LU")
        >>> price.unit, price.quantity
        ('EUR/MWh', <Quantity.PRICE: 'price'>)
        >>> night = {"start": "2025-01-15 00:00", "end": "2025-01-15 02:00"}
        >>> ep.frame(price=price, every="1h", zone="Europe/Berlin", **night)["price"].to_list()
        [95.0, 88.31]
        """
        moved = timedelta() if lag is None else span(lag, "lag")
        return series_of(name, column, where, run=run, lag=moved)

    def frame(
        self,
        *,
        every: str | timedelta,
        start: When | None = None,
        end: When | None = None,
        day: When | None = None,
        month: When | None = None,
        zone: Zone | None = None,
        fold: Fold | None = None,
        as_of: AsOf | None = None,
        known: Clock = "received",
        look_ahead: bool = False,
        max_gap: str | timedelta | None = None,
        max_missing: float = 0.0,
        units: Mapping[str, str] | None = None,
        **series: Series,
    ) -> pl.DataFrame:
        """Return series beside each other, one row for each period of a length.

        Each column of a table has a kind of quantity, which says how its values are brought to
        other periods. Prices, powers and shares are averaged by time, and held in shorter periods;
        energy and rain are summed, and split in proportion; of a level, such as gas in storage, the
        last value counts; the mean of directions is that of the vectors; of gusts the highest
        counts. A value of an instant holds until the next one, and a sum or a mean in a table of
        instants is of the time before it.

        Args:
            every: How long a period is: "15m", "1h", "4h", or "1d", "1w", "1mo", "1q", "1y" of the
                calendar of `zone`.
            start: The beginning of the first period, or an instant before it.
            end: No period begins at this instant or later.
            day: A whole day of `zone` instead.
            month: A whole month of `zone` instead, "2026-03".
            zone: Whose days, months and clocks are meant, and in which instants are shown; UTC,
                unless given. `Europe/Gas_Day` has days from six to six.
            fold: Which one is meant of two times that the clocks show alike.
            as_of: Only what was known by then: an instant, a lead time before each row's event
                time, or a gate such as "D-1 12:00 Europe/Berlin".
            known: By whose clock: "received", when this platform had a row, or "published", when
                its provider had published it.
            look_ahead: Whether `as_of` may lie after the beginning of a delivery: a negative lead
                time, or a moment of the day itself.
            max_gap: How long a value of an instant holds at most if no other follows, "90m" or a
                `timedelta`; as long as values usually are apart, unless given.
            max_missing: Which share of a period may lack a value, from 0 to 1; its value is then
                made of what is there. If more is missing, the value is null.
            units: Units to convert series to: `{"price": "ct/kWh", "wind": "GW"}`.
            series: The series, by the names that their columns get.

        Returns:
            `delivery_start` and `delivery_end` of each period, and a column for each series, in the
            unit of its source's column, or of `units`. A value that is missing, or was not known,
            is null.

        Raises:
            UsageError: Several series of a table match (the message lists the values that tell them
                apart); a unit measures something else; a count would have to be split; a mart is
                asked as of a moment; `as_of` looks ahead; or no period begins in the window.

        >>> import energy_platform as ep
        >>> frame = ep.frame(
        ...     price=ep.series("ote_day_ahead_price", "price_eur_per_mwh"),
        ...     day_before=ep.series("ote_day_ahead_price", "price_eur_per_mwh", lag=timedelta(1)),
        ...     every="1h", day="2026-03-29", zone="Europe/Prague", units={"price": "ct/kWh"},
        ... )
        >>> frame.height
        23
        """
        wanted = window(start=start, end=end, day=day, month=month, zone=zone, fold=fold)
        grid, units = _grid(every, wanted, zone), {} if units is None else units
        _require(series, units, max_missing)
        knowledge = Knowledge(as_of=as_of, known=known, look_ahead=look_ahead, zone=zone, fold=fold)
        how = _How(knowledge=knowledge, max_gap=_gap(max_gap), max_missing=max_missing)
        values = {name: self._values(one, grid, how) for name, one in series.items()}
        conversions = {
            name: converted(pl.col(name), series[name].unit, unit) for name, unit in units.items()
        }
        named = grid.rename({"bucket_start": "delivery_start", "bucket_end": "delivery_end"})
        return in_zone(named.with_columns(**values).with_columns(**conversions), zone)

    def _values(self, series: Series, grid: pl.DataFrame, how: "_How") -> pl.Series:
        """Return a series' value in each bucket."""
        found = stretches(series, self._rows_of(series, grid, how), how.max_gap)
        try:
            values = resampled(found, grid, series.quantity, max_missing=how.max_missing)
        except UsageError as error:
            raise UsageError(f"{series.name}.{series.column}: {error}") from None
        return values["value"]

    def _rows_of(self, series: Series, grid: pl.DataFrame, how: "_How") -> pl.DataFrame:
        """Return the rows of a series that reach into the buckets."""
        about, reach = series.dataset, max(_REACH, how.max_gap or _REACH)
        first: datetime = grid["bucket_start"][0] - series.lag - reach
        last: datetime = grid["bucket_end"][-1] - series.lag + reach
        wanted, knowledge = Window(first, last), how.knowledge
        asked = (series, question_of(about, wanted, knowledge), knowledge)
        return self._once(about, asked, partial(self._read_series, series, wanted, knowledge))

    def _read_series(self, series: Series, wanted: Window, knowledge: Knowledge) -> pl.DataFrame:
        """Return the rows of a series that begin in a window, as they were known."""
        about, asked = series.dataset, self._asked(series, wanted, knowledge)
        ends = [] if series.until is None else [series.until]
        needed = [*dict.fromkeys([*about.key, about.event_time, *ends, series.column])]
        rows = asked.filter(series.condition).select(needed).collect()
        if rows.is_empty() and series.where:
            at_any_time = Knowledge(zone=knowledge.zone, fold=knowledge.fold)
            require_found(about, series.where, self._asked(series, wanted, at_any_time))
        return rows

    def _asked(self, series: Series, wanted: Window, knowledge: Knowledge) -> pl.LazyFrame:
        """Return the table's rows of a window, as they were known for the frame's deliveries."""
        about = series.dataset
        if about.kind == "mart":
            return self.scan(
                about.name,
                start=wanted.start,
                end=wanted.end,
                as_of=knowledge.as_of,
                run=series.run,
            )
        question = question_of(about, wanted, knowledge)
        if question.known is not None:
            question = replace(question, known=for_later(question.known, series.lag))
        warehouse = self.place.warehouse()
        if series.run is not None:
            question = with_run(question, about, warehouse, series.run, knowledge)
        return warehouse.answer(question)


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """How the values of each series of a frame are made."""

    knowledge: Knowledge
    max_gap: timedelta | None
    max_missing: float


def _grid(lasting: str | timedelta, wanted: Window, zone: Zone | None) -> pl.DataFrame:
    """Return the buckets of a window.

    Raises:
        UsageError: The window is open, or no bucket begins in it.
    """
    if wanted.start is None or wanted.end is None:
        raise UsageError("a frame needs start and end, or a day or a month")
    if wanted.start < OUR_TIME[0] or wanted.end > OUR_TIME[1]:
        raise UsageError(f"a frame is between {OUR_TIME[0]:%Y-%m-%d} and {OUR_TIME[1]:%Y-%m-%d}")
    grid = buckets(wanted.start, wanted.end, every(lasting), calendar_of(zone or "UTC"))
    if grid.is_empty():
        raise UsageError(f"no period of {lasting} begins in the window")
    return grid


def _gap(said: str | timedelta | None) -> timedelta | None:
    """Return how long a value of an instant holds at most."""
    gap = None if said is None else span(said, "max_gap")
    if gap is not None and gap <= timedelta():
        raise UsageError(f"a value holds longer than max_gap={said!r}")
    return gap


def _require(series: Mapping[str, object], units: object, max_missing: object) -> None:
    if not series:
        raise UsageError("name at least one series, as in price=ep.series(…)")
    for label, one in series.items():
        if not isinstance(one, Series):
            raise UsageError(f"{label} is no series: {one!r}; write {label}=ep.series(…)")
        if label in _TIMES:
            raise UsageError(f"{label} is the frame's own column; give the series another name")
    if not isinstance(units, Mapping):
        raise UsageError(f'units is a mapping such as {{"price": "ct/kWh"}}, not {units!r}')
    if wrong := [unit for unit in units.values() if not isinstance(unit, str)]:
        raise UsageError(f"a unit is a text such as 'ct/kWh', not {wrong[0]!r}")
    if unknown := units.keys() - series.keys():
        raise UsageError(f"units names no series {', '.join(sorted(map(str, unknown)))}")
    if not isinstance(max_missing, int | float) or not 0 <= max_missing <= 1:
        raise UsageError(f"max_missing is a share from 0 to 1, not {max_missing!r}")
