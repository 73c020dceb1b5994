"""Names and places that agree between providers: areas, kinds of production, weather stations."""

from datetime import timedelta
from typing import Final

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market import areas, production
from energy_platform.market.quantity import Quantity
from energy_platform.market.stations import distance_km, dwd_stations
from energy_platform.reading.dataset import Dataset, dataset
from energy_platform.reading.rows import Rows

_MOSMIX: Final = "dwd_mosmix_forecast"
_OBSERVED: Final = "dwd_wind_observation"
_OPEN_METEO: Final = "open_meteo_forecast"
_GRIDS: Final = ("met_office_forecast", "noaa_gfs_wind_forecast")
_LATELY: Final = timedelta(days=1)
_COLUMNS: Final = {
    "source": pl.String(),
    "station": pl.String(),
    "wmo_id": pl.String(),
    "name": pl.String(),
    "latitude_deg": pl.Float64(),
    "longitude_deg": pl.Float64(),
    "height_m": pl.Float64(),
}


class Places(Rows):
    """Questions about where things are, and what providers call them."""

    def areas(self) -> pl.DataFrame:
        """Return every area with its name here, and each provider's own where that is another.

        Returns:
            `area`, `kind` (bidding zone, control area, country or aggregate), `valid_from` and
            `valid_until` (the days of delivery between which there is the area; null where that is
            open), `provider`, `own_name`, `name_valid_from`, `name_valid_until`.

        >>> import energy_platform as ep
        >>> ep.areas().filter(own_name="NORD")["area"].to_list()
        ['IT-North']
        """
        return areas.areas_table()

    def productions(self) -> pl.DataFrame:
        """Return every kind of production, and each provider's own name where that is another.

        Returns:
            `production`, `provider`, `own_name`.

        >>> import energy_platform as ep
        >>> ep.productions().filter(own_name="photovoltaics")["production"].to_list()
        ['Solar']
        """
        return production.productions_table()

    def named(self, rows: pl.DataFrame, name: str) -> pl.DataFrame:
        """Return rows of a table with the names here beside the provider's own.

        Args:
            rows: Rows of the table, with its columns.
            name: The source's or mart's name.

        Returns:
            The rows, with `area` and `production`: null where the provider's name means none. A
            table that has a column of this name keeps it, and gets `common_area` instead.

        Raises:
            UnknownSourceError: There is no table of this name.
            UsageError: The table has neither areas nor kinds of production.

        >>> import energy_platform as ep
        >>> import polars as pl
        >>> rows = pl.DataFrame({"country": ["de"], "production_type": ["Wind offshore"]})
        >>> ep.named(rows, "energy_charts_generation").row(0)
        ('de', 'Wind offshore', 'DE', 'Wind Offshore')
        """
        asked = dataset(name)
        if not isinstance(rows, pl.DataFrame):
            raise UsageError(f"rows is a frame that was collected, not {type(rows).__name__}")
        found = {}
        if (area := area_column(asked)) is not None and area in rows.columns:
            label = "area" if "area" not in rows.columns else "common_area"
            found[label] = areas.named_area(asked.provider, pl.col(area), _day(asked, rows))
        if (kind := production_column(asked)) is not None and kind in rows.columns:
            found["production"] = production.named_production(asked.provider, pl.col(kind))
        if not found:
            raise UsageError(f"{name} has neither areas nor kinds of production")
        return rows.with_columns(**found)

    def stations(self, near: tuple[float, float] | None = None) -> pl.DataFrame:
        """Return the stations, places and grid points of the weather sources, with coordinates.

        DWD's forecast and observation of one station have the same `wmo_id`. Of grids, the points
        of the last day that is stored are listed; they and Open-Meteo's places are found by their
        distance.

        Args:
            near: Degrees north and east of a point: the nearest come first, with `distance_km`.

        Returns:
            `source`, `station` (what the source's key column has: a number or a name; null of a
            grid), `wmo_id`, `name`, `latitude_deg`, `longitude_deg`, `height_m` above sea level;
            null where it is not known.

        Raises:
            NoPlatformError: There is no platform where it is looked for.
            UsageError: `near` is no point of the earth.

        >>> import energy_platform as ep
        >>> ep.stations().filter(wmo_id="10384").select("source", "station").rows()
        [('dwd_mosmix_forecast', '10384'), ('dwd_wind_observation', '00433')]
        """
        if near is not None:
            _require_point(near)
        known = dwd_stations()
        listed = [
            known.with_columns(source=pl.lit(_MOSMIX), station="wmo_id"),
            known.with_columns(source=pl.lit(_OBSERVED), station="dwd_id"),
            _open_meteo(),
            self._others(_MOSMIX, known["wmo_id"]),
            self._others(_OBSERVED, known["dwd_id"]),
            *(self._grid(name) for name in _GRIDS),
        ]
        found = pl.concat([_completed(part) for part in listed]).sort("source", "station")
        if near is None:
            return found
        return found.with_columns(distance_km=distance_km(*near)).sort(
            "distance_km", "source", nulls_last=True
        )

    def _others(self, name: str, known: "pl.Series") -> pl.DataFrame:
        """Return the stations that a table has lately had and that are not listed."""
        rows = self._lately(name).filter(~pl.col("station_id").is_in(known.implode()))
        about = {
            "name": "station_name",
            "latitude_deg": "station_latitude_deg",
            "longitude_deg": "station_longitude_deg",
            "height_m": "station_height_m",
        }
        told = {new: old for new, old in about.items() if old in dataset(name).dtypes}
        return (
            rows.select(station="station_id", **told)
            .unique("station", keep="any")
            .with_columns(source=pl.lit(name))
            .collect()
        )

    def _grid(self, name: str) -> pl.DataFrame:
        points = self._lately(name).select(latitude_deg="latitude", longitude_deg="longitude")
        return points.unique().sort(pl.all()).with_columns(source=pl.lit(name)).collect()

    def _lately(self, name: str) -> pl.LazyFrame:
        """Return the rows of a table's last day."""
        asked, warehouse = dataset(name), self.place.warehouse(missing="empty")
        last = warehouse.summary(asked.table).last_event_at
        rows = warehouse.scan(asked.table)
        if last is None:
            return rows.limit(0)
        return rows.filter(pl.col(asked.event_time) >= last - _LATELY)


def area_column(asked: Dataset) -> str | None:
    """Return the column of a table's key that says where its rows are, if there is one."""
    return next((name for name in areas.COLUMNS if _is_label(asked, name)), None)


def production_column(asked: Dataset) -> str | None:
    """Return the column of a table's key that says what produces, if there is one."""
    return next((name for name in production.COLUMNS if _is_label(asked, name)), None)


def _require_point(near: object) -> None:
    """Refuse what is not two numbers of degrees."""
    match near:
        case (int() | float() as north, int() | float() as east):
            if abs(north) <= 90 and abs(east) <= 180:  # noqa: PLR2004 (degrees of the earth)
                return
    raise UsageError(f"near is degrees north and east, such as (52.5, 13.4), not {near!r}")


def _is_label(asked: Dataset, name: str) -> bool:
    return name in asked.key and any(
        one.name == name and one.quantity is Quantity.LABEL for one in asked.columns
    )


def _day(asked: Dataset, rows: pl.DataFrame) -> pl.Expr:
    """Return the day of delivery, on which a name's meaning may depend; today's without a time."""
    if asked.event_time not in rows.columns:
        return pl.lit(areas.TODAY, dtype=pl.Date)
    return pl.col(asked.event_time).dt.date()


def _open_meteo() -> pl.DataFrame:
    from energy_platform.formats.open_meteo_sites import SITES

    places = [(name, name, north, east) for name, (north, east) in SITES.items()]
    columns = ["station", "name", "latitude_deg", "longitude_deg"]
    return pl.DataFrame(places, schema=columns, orient="row").with_columns(
        source=pl.lit(_OPEN_METEO)
    )


def _completed(part: pl.DataFrame) -> pl.DataFrame:
    """Return stations in all columns of the table."""
    missing = {name: dtype for name, dtype in _COLUMNS.items() if name not in part.columns}
    return part.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in missing.items()
    ).select(pl.col(name).cast(dtype) for name, dtype in _COLUMNS.items())
