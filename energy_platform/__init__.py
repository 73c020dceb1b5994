"""Energy market data: every message is kept, every row is checked, history is read as of any time.

    import energy_platform as ep

    ep.catalog("wind DE")
    ep.load("ote_day_ahead_price", start=datetime(2026, 3, 1, tzinfo=UTC))
    ep.scan("energy_charts_price", as_of="D-1 12:00 Europe/Berlin")
    ep.runs("noaa_gfs_wind_forecast")
    ep.batch_history("smard_price")
    async for update in ep.follow(["nord_pool_intraday_trade"]):
        print(update.rows)

A notebook needs only these names. The functions are the methods of the platform that the
environment names; `connect` returns another one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from energy_platform.market.load_profiles import base, off_peak, peak
    from energy_platform.market.numbered_periods import periods
    from energy_platform.reading.platform import Platform, connect, here
    from energy_platform.reading.series import Series
    from energy_platform.reading.update import Update, UpdateKind

    areas = here.areas
    stations = here.stations
    batch_history = here.batch_history
    bars = here.bars
    book = here.book
    book_path = here.book_path
    contracts = here.contracts
    trades = here.trades
    catalog = here.catalog
    development = here.development
    follow = here.follow
    frame = here.frame
    load = here.load
    named = here.named
    productions = here.productions
    revisions = here.revisions
    runs = here.runs
    scan = here.scan
    series = here.series
    vintages = here.vintages

__all__ = [
    "Platform",
    "Series",
    "Update",
    "UpdateKind",
    "areas",
    "bars",
    "base",
    "batch_history",
    "book",
    "book_path",
    "catalog",
    "connect",
    "contracts",
    "development",
    "follow",
    "frame",
    "load",
    "named",
    "off_peak",
    "peak",
    "periods",
    "productions",
    "revisions",
    "runs",
    "scan",
    "series",
    "stations",
    "trades",
    "vintages",
]

_ELSEWHERE: Final = {
    "Platform": "reading.platform",
    "Series": "reading.series",
    "Update": "reading.update",
    "UpdateKind": "reading.update",
    "connect": "reading.platform",
    "base": "market.load_profiles",
    "off_peak": "market.load_profiles",
    "peak": "market.load_profiles",
    "periods": "market.numbered_periods",
}
"""The modules of the names that are no method of a platform."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the type checker reads the imports above)
    """Import a name on first use, since most processes of the platform never need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _ELSEWHERE:
        return getattr(import_module(f"energy_platform.{_ELSEWHERE[name]}"), name)
    return getattr(import_module("energy_platform.reading.platform").here, name)


def __dir__() -> list[str]:
    return __all__
