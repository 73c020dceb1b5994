"""One series of a table, and its values as stretches of time.

A series is a column and the values of the key that tell it from the table's other series. `frames`
puts several of them side by side.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.history.revisions import RUN
from energy_platform.market import areas, production
from energy_platform.market.areas import area_names
from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.quantity import Quantity
from energy_platform.market.resampling import STRETCHES, of_instants, require_arithmetic
from energy_platform.reading.asking import RunAsked
from energy_platform.reading.choice import condition_on_key, near
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.places import area_column, production_column
from energy_platform.reading.where import Value, values_of

_SHOWN: Final = 12
"""How many open values a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A column of a table, of one area, point or station.

    Attributes:
        name: The source's or mart's name.
        column: The column.
        where: The values of key columns that tell the series from the table's others.
        run: Of a forecast one run, or "latest_each", for each valid time the newest
            one that has it; see `scan`.
        lag: How much later than it holds a value is shown: yesterday's price beside today's.
    """

    name: str
    column: str
    where: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    run: RunAsked | None = None
    lag: timedelta = timedelta()

    def __post_init__(self) -> None:
        """Keep the conditions as they are given now."""
        object.__setattr__(self, "where", MappingProxyType({**self.where}))

    def __reduce__(self) -> tuple[partial["Series"], tuple[()]]:
        """Let a series be sent to another process."""
        told = {"column": self.column, "run": self.run, "lag": self.lag}
        return partial(Series, name=self.name, where={**self.where}, **told), ()  # type: ignore[arg-type] # the fields of a Series

    @property
    def dataset(self) -> Dataset:
        """The table."""
        return dataset(self.name)

    @property
    def about(self) -> ColumnInfo:
        """The column: its description, unit and kind of quantity."""
        return next(one for one in self.dataset.columns if one.name == self.column)

    @property
    def unit(self) -> str | None:
        """The unit of its values."""
        return self.about.unit

    @property
    def quantity(self) -> Quantity:
        """The kind of its values, which says how they are summed up and split."""
        return self.about.quantity

    @property
    def condition(self) -> pl.Expr:
        """Whether a row is of the series."""
        return condition_on_key(self.dataset, self.where)

    @property
    def until(self) -> str | None:
        """The column with the end of a row's period; None in a table of instants."""
        return self.dataset.until


def series_of(name: str, column: str, where: Mapping[str, Value], **how: object) -> Series:
    """Return a series, if its table has these columns and its values can be summed up.

    Raises:
        UnknownSourceError: There is no table of this name.
        UsageError: The table has no such column, or no such key column; or the column holds
            names or numbers that no period sums up.
    """
    asked = dataset(name)
    numbers = [one.name for one in asked.columns if one.unit is not None]
    if column not in asked.dtypes:
        raise UsageError(f"{name} has no column {column!r}; {near(str(column), numbers)}")
    where = _translated(asked, where)
    condition_on_key(asked, where)
    found = Series(name=name, column=column, where=where, **how)  # type: ignore[arg-type] # the fields of a Series
    try:
        require_arithmetic(found.quantity)
    except UsageError as error:
        raise UsageError(f"{name}.{column}: {error}") from None
    return found


def _translated(asked: Dataset, where: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return conditions in the provider's own words: `area` and `production` are everyone's.

    Raises:
        UsageError: The table has no areas or kinds of production, or several names for this one.
    """
    said: dict[str, Value] = {}
    for key, value in where.items():
        if values_of(value) != [value]:
            raise UsageError(f"a series has one value of {key}, not {value!r}")
        column, names = key, [value]
        if key == "area" and value in area_names():
            column = area_column(asked) or key
            names = _area_names(asked, column, str(value))
        elif key == "production" and value in production.PRODUCTIONS:
            column = production_column(asked) or key
            names = [*production.own_names(asked.provider, str(value))]
        if len(names) > 1:
            raise UsageError(f"{asked.name} tells parts of {value!r} apart; say {column}={names}")
        said[column] = names[0]
    return said


def _area_names(asked: Dataset, column: str, area: str) -> list[Value]:
    """Return what a table calls an area: a provider may say FR in one and fr in another."""
    own = areas.own_names(asked.provider, area)
    known = next((one.values for one in asked.columns if one.name == column), ())
    for names in (own, [area]):
        if there := [name for name in names if name in known]:
            return [*there]
    return [*own] or [area]


def stretches(series: Series, rows: pl.DataFrame, max_gap: timedelta | None) -> pl.DataFrame:
    """Return a series' values as stretches of time, moved by its lag.

    Args:
        series: The series.
        rows: Its rows: key columns, event time, end and value.
        max_gap: How long a value of an instant holds at most.

    Raises:
        UsageError: Several series match, or rows overlap.
    """
    require_one(series, rows)
    since, value = pl.col(series.dataset.event_time), pl.col(series.column).cast(pl.Float64)
    if series.until is None:
        found = of_instants(rows.select(at=since, value=value), series.quantity, max_gap)
    else:
        found = rows.select(since=since, until=pl.col(series.until), value=value).sort("since")
    if found.select((pl.col("since") < pl.col("until").shift(1).cum_max()).any()).item():
        lengths = rows.select((pl.col(series.until or "") - since).unique().sort()).to_series()
        raise UsageError(
            f"{series.name}: periods overlap, of {', '.join(map(str, lengths))}; choose among them"
        )
    moved = (pl.col(name) + series.lag for name in ("since", "until"))
    return found.with_columns(moved).cast(pl.Schema(STRETCHES))


def require_one(series: Series, rows: pl.DataFrame) -> None:
    """Refuse rows of several series, and say what tells them apart.

    Raises:
        UsageError: There are several; the message lists the open values.
    """
    open_columns = [name for name in series.dataset.key if not _is_time(series, name)]
    apart = rows.select(open_columns).unique() if open_columns else rows.clear()
    if apart.height <= 1 and not _has_runs(series, rows):
        return
    said = [f"{name}={_listed(apart[name])}" for name in open_columns if apart[name].n_unique() > 1]
    if _has_runs(series, rows):
        said.append('run="latest_each", or one of its runs')
    raise UsageError(f"{series.name}.{series.column}: several series match; say {'; '.join(said)}")


def _has_runs(series: Series, rows: pl.DataFrame) -> bool:
    return series.dataset.has_runs and series.run is None and rows[RUN].n_unique() > 1


def _is_time(series: Series, name: str) -> bool:
    return series.dataset.dtypes[name].is_temporal()


def _listed(values: "pl.Series") -> str:
    found = values.unique().sort().to_list()
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(map(repr, found[:_SHOWN])) + more
