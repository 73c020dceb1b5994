"""Energy market data: every message is kept, every row is checked, history is read as of any time.

    import energy_platform as ep

    ep.catalog("wind DE")
    ep.load("ote_day_ahead_price", start=datetime(2026, 3, 1, tzinfo=UTC))
    ep.scan("energy_charts_price", as_of="D-1 12:00 Europe/Berlin")
    ep.runs("noaa_gfs_wind_forecast")
    ep.batch_history("smard_price")

A notebook needs only these five functions; `energy_platform.reading.library` documents them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from energy_platform.reading.library import batch_history, catalog, load, runs, scan

__all__ = ["batch_history", "catalog", "load", "runs", "scan"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the type checker reads the imports above)
    """Import the library on first use, since most processes of the platform never need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from energy_platform.reading import library  # noqa: PLC0415

    return getattr(library, name)
