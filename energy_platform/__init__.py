"""Energy market data: every message is kept, every row is checked, history is read as of any time.

    import energy_platform as ep

    desk = ep.demo()  # or ep.connect(...)

    ep.search("wind DE")
    ep.describe("entsoe_wind_solar_forecast")
    ep.load("ote_day_ahead_price", start=datetime(2026, 3, 1, tzinfo=UTC))
    ep.scan("energy_charts_price", as_of="D-1 12:00 Europe/Berlin")
    ep.runs("noaa_gfs_wind_forecast")
    ep.batch_history("smard_price")
    async for update in ep.follow(["nord_pool_intraday_trade"]):
        print(update.rows)

A notebook needs only these names. The functions are the methods of the platform that the
environment names; `connect` returns another one, `demo` one with months of simulated data, and
`errors` has all that they raise.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from energy_platform import errors
    from energy_platform.market.load_profiles import base, off_peak, peak
    from energy_platform.market.numbered_periods import periods
    from energy_platform.reading.card import Card
    from energy_platform.reading.changes import Changes
    from energy_platform.reading.demo import demo
    from energy_platform.reading.loading import Estimate
    from energy_platform.reading.platform import Platform, connect, here
    from energy_platform.reading.series import Series
    from energy_platform.reading.update import Update, UpdateKind

    aload = here.aload
    areas = here.areas
    bars = here.bars
    batch_history = here.batch_history
    batches = here.batches
    book = here.book
    book_path = here.book_path
    catalog = here.catalog
    changes = here.changes
    contracts = here.contracts
    describe = here.describe
    development = here.development
    estimate = here.estimate
    follow = here.follow
    frame = here.frame
    latest = here.latest
    load = here.load
    named = here.named
    productions = here.productions
    revisions = here.revisions
    runs = here.runs
    scan = here.scan
    search = here.search
    series = here.series
    sql = here.sql
    stations = here.stations
    trades = here.trades
    values = here.values
    vintages = here.vintages
    __version__: str

__all__ = [
    "Card",
    "Changes",
    "Estimate",
    "Platform",
    "Series",
    "Update",
    "UpdateKind",
    "__version__",
    "aload",
    "areas",
    "bars",
    "base",
    "batch_history",
    "batches",
    "book",
    "book_path",
    "catalog",
    "changes",
    "connect",
    "contracts",
    "demo",
    "describe",
    "development",
    "errors",
    "estimate",
    "follow",
    "frame",
    "latest",
    "load",
    "named",
    "off_peak",
    "peak",
    "periods",
    "productions",
    "revisions",
    "runs",
    "scan",
    "search",
    "series",
    "sql",
    "stations",
    "trades",
    "values",
    "vintages",
]

_ELSEWHERE: Final = {
    "Card": "reading.card",
    "Changes": "reading.changes",
    "Estimate": "reading.loading",
    "Platform": "reading.platform",
    "Series": "reading.series",
    "Update": "reading.update",
    "UpdateKind": "reading.update",
    "base": "market.load_profiles",
    "connect": "reading.platform",
    "demo": "reading.demo",
    "off_peak": "market.load_profiles",
    "peak": "market.load_profiles",
    "periods": "market.numbered_periods",
}
"""The modules of the names that are no method of a platform."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 (the type checker reads the imports above)
    """Import a name on first use, since most processes of the platform never need it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "__version__":
        return import_module("importlib.metadata").version("energy-platform")
    if name == "errors":
        return import_module("energy_platform.errors")
    if name in _ELSEWHERE:
        return getattr(import_module(f"energy_platform.{_ELSEWHERE[name]}"), name)
    return getattr(import_module("energy_platform.reading.platform").here, name)


def __dir__() -> list[str]:
    return __all__
