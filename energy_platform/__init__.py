"""Energy market data: every message is kept, every row is checked, history is read as of any time.

    import energy_platform as ep

    ep.catalog("wind DE")
    ep.load("ote_day_ahead_price", start=datetime(2026, 3, 1, tzinfo=UTC))
    ep.scan("energy_charts_price", as_of="D-1 12:00 Europe/Berlin")
    ep.runs("noaa_gfs_wind_forecast")
    ep.batch_history("smard_price")
    async for update in ep.follow(["nord_pool_intraday_trade"]):
        print(update.rows)

A notebook needs only these functions; `energy_platform.reading.library` documents those that read,
and `energy_platform.reading.following` the one that waits for new rows.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from energy_platform.reading.following import follow
    from energy_platform.reading.library import batch_history, catalog, load, runs, scan
    from energy_platform.reading.update import Update, UpdateKind

__all__ = ["Update", "UpdateKind", "batch_history", "catalog", "follow", "load", "runs", "scan"]

_ELSEWHERE: Final = {"Update": "update", "UpdateKind": "update", "follow": "following"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the type checker reads the imports above)
    """Import the library on first use, since most processes of the platform never need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _ELSEWHERE.get(name, "library")
    return getattr(import_module(f"energy_platform.reading.{module}"), name)
