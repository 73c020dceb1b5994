"""What each panel of each page must show: the one list that all comparisons go by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.browser.platform import stored_charts as charts
from tests.browser.platform import stored_market as market
from tests.browser.platform import stored_tables as tables
from tests.browser.platform.shown import (
    Figure,
    Line,
    Row,
    chart_differences,
    plain,
    table_differences,
)
from tests.support.screens import Screen

At = datetime | None


@dataclass(frozen=True, slots=True)
class Place:
    """What a page is opened with, so that its panels are about one thing.

    Attributes:
        contract: The contract whose book and trades page 1 shows.
        store: The storage whose filling page 7 shows: its code and its place.
        point: The side of a point whose flow page 7 shows, by its key columns.
        source: The source whose rows page 9 shows.
    """

    contract: str
    store: tuple[str, str]
    point: Mapping[str, str]
    source: str = "ceps_load"

    @classmethod
    def known_at(cls, at: At) -> "Place":
        """Return a contract, a storage and a point that were known at an instant."""
        store = tables.storages(at).row(0, named=True)
        point = tables.gas_sides(at).row(0, named=True)
        contract = market.traded(at)["contract_id"][CHOSEN_CONTRACT]
        return cls(contract, (store["code"], store["url"]), point)

    def address(self, page: str) -> str:
        """Return a page's address with what it is to show."""
        return {
            "intraday": f"intraday?area=DE-LU&product=QH&contract={self.contract}",
            "gas": f"gas?store={'|'.join(self.store)}&point={'|'.join(self.point.values())}",
            "data": f"data?source={self.source}",
        }.get(page, f"{page}?")


CHOSEN_CONTRACT = 3
"""Which of the open contracts is looked at: one that closes in no test."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and the curves that it must show."""

    unit: str
    curves: Callable[[At, Place], charts.Curves]

    def differences(self, screen: Screen, panel: str, at: At, place: Place) -> list[str]:
        """Return in what the chart differs from the stores."""
        return chart_differences(screen.lines(panel), self.curves(at, place), self.unit)


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and the lines that it must show.

    Attributes:
        lines: What it must show.
        moves: The columns that name a line of a table in which something changes with each look;
            each line must then agree at some look.
        falling: The figure by which lines are in order; lines with the same one may stand in any.
            Without it the order is that of `lines`.
    """

    lines: Callable[[At, Place], list[Row]]
    falling: str | None = None
    moves: Sequence[str] = ()

    def differences(self, screen: Screen, panel: str, at: At, place: Place) -> list[str]:
        """Return in what the table differs from the stores."""
        shown, wanted = screen.lines(panel), self.lines(at, place)
        if self.falling is None or not wanted:
            return table_differences(shown, wanted)
        figures = [float(line[self.falling] or 0) for line in shown]
        texts = [name for name, value in wanted[0].items() if not isinstance(value, Figure)]

        def named(line: Line | Row) -> tuple[str, ...]:
            return tuple(str(line.get(name)) for name in texts)

        unordered = [] if figures == sorted(figures, reverse=True) else ["not in order"]
        return unordered + table_differences(sorted(shown, key=named), sorted(wanted, key=named))


@dataclass(frozen=True, slots=True)
class Frequency:
    """A chart of a grid's frequency: of each interval the least and the greatest value."""

    source: str

    def differences(self, screen: Screen, panel: str, at: At, place: Place) -> list[str]:
        """Return what is shown and not stored, and which extremes are left out."""
        lines = screen.lines(panel)
        curve = market.frequency(at, self.source)
        stored = dict(curve.select("start", "value").iter_rows())
        # A second's value is on the screen some seconds before the warehouse has it.
        newest = max(stored, default=datetime.max.replace(tzinfo=UTC))
        shown = [(datetime.fromisoformat(line["time_utc"]), line["Frequency Hz"]) for line in lines]
        known = [(when, text) for when, text in shown if at is not None or when <= newest]
        values = [float(text) for _, text in known]
        found = [
            f"at {when}: {text} is shown and {stored.get(when)} stored"
            for when, text in known
            if not Figure(stored.get(when), 4).is_shown_as(text)
        ]
        for extreme in (min, max):
            right = extreme(stored.values(), default=None)
            if not Figure(right, 4).is_shown_as(f"{extreme(values):.4f}" if values else ""):
                found.append(f"{extreme.__name__} {right} is stored and not shown")
        return found


@dataclass(frozen=True, slots=True)
class Map:
    """The map of flows: a price in each zone, a flow on each border."""

    def differences(self, screen: Screen, panel: str, at: At, place: Place) -> list[str]:
        """Return in what the map differs from the stores."""
        price = tables.zone_prices(at)
        flows = tables.net_flows(at)
        shown = screen.panel(panel)
        zones = shown.locator("[data-zone]").evaluate_all(
            "all => all.map(one => [one.dataset.zone, one.querySelector('.price').textContent])"
        )
        borders = shown.locator("[data-border]").evaluate_all(
            "all => all.map(one => [one.dataset.border, one.querySelector('.flow')?.textContent])"
        )
        wanted = {">".join(pair): abs(flow) or None for pair, flow in flows.items()}
        of_zones = [
            f"{zone}: {text!r} is shown and {price.get(zone)} stored"
            for zone, text in zones
            if not Figure(price.get(zone)).is_shown_as(plain(text))
        ]
        of_borders = [
            f"{border}: {text!r} is shown and {wanted.get(border)} stored"
            for border, text in borders
            if not Figure(wanted.get(border), 0).is_shown_as(plain(text or ""))
        ]
        return of_zones + of_borders + ([] if borders and zones else ["nothing is shown"])


Panel = Chart | Table | Frequency | Map
Panels = Mapping[str, Panel]


def _chart(unit: str, curves: Callable[[At], charts.Curves]) -> Chart:
    return Chart(unit, lambda at, _: curves(at))


def _table(lines: Callable[[At], list[Row]], falling: str | None = None,
           moves: Sequence[str] = ()) -> Table:  # fmt: skip
    return Table(lambda at, _: lines(at), falling, moves)


def _forecasts(which: Callable[[charts.Forecasts], charts.Curves]) -> Chart:
    return _chart("MW", lambda at: which(charts.Forecasts(at)))


PAGES: Mapping[str, Panels] = {
    "intraday": {
        "contracts": _table(market.contracts, moves=("Contract",)),
        "book": Table(lambda at, place: market.ladder(at, place.contract)),
        "trades": Table(lambda at, place: market.tape(at, place.contract)),
        "price": Chart("EUR/MWh", lambda at, place: market.price(at, place.contract)),
        "depth": Table(lambda at, place: market.depth(at, place.contract)),
        "frequency-ce": Frequency("energy_charts_frequency"),
        "imbalance-de": _chart("MW", lambda at: charts.german_imbalance(at, 6)),
        "delta": _chart("MW", lambda at: charts.delta(at, 6, 30)),
    },
    "position": {
        "positions": _table(market.positions, moves=("Delivery", "Portfolio", "Area")),
        "composition": _chart("MW", market.composition),
        "totals": _table(market.totals),
        "changes": _table(market.changes),
    },
    "forecasts": {
        "load": _forecasts(charts.Forecasts.of_load),
        "wind-solar": _forecasts(charts.Forecasts.of_wind_and_solar),
        "residual": _forecasts(charts.Forecasts.residual),
        "delta": _chart("MW", charts.delta),
        "error": _forecasts(charts.Forecasts.errors),
        "leads": _table(tables.errors_by_lead),
        "weather": _chart("m/s", charts.weather),
    },
    "balance": {
        "frequency-ce": Frequency("energy_charts_frequency"),
        "frequency-gb": Frequency("elexon_frequency"),
        "imbalance-de": _chart("MW", charts.german_imbalance),
        "rebap": _chart("EUR/MWh", charts.imbalance_price),
        "imbalance-cz": _chart("MW", charts.czech_imbalance),
        "imbalance-gb": _chart("MWh", charts.british_imbalance),
        "price-gb": _chart("GBP/MWh", charts.british_price),
    },
    "day-ahead": {
        "curves": _chart("EUR/MWh", charts.day_ahead),
        "matrix": _table(tables.spreads),
        "prices": _table(tables.day_ahead),
        "compare": _chart("EUR/MWh", charts.beside_the_day_before),
    },
    "flows": {
        "map": Map(),
        "borders": _table(tables.borders),
        "history": _chart("MW", charts.border_history),
    },
    "gas": {
        "storage": _table(tables.storage, "Capacity TWh"),
        "filling": Chart("%", lambda at, place: charts.filling(at, *place.store)),
        "points": _table(tables.gas_points),
        "point": Chart("kWh/h", lambda at, place: charts.gas_point(at, place.point)),
    },
    "outages": {
        "outages": _table(tables.outages, "Out MW"),
        "by-fuel": _chart("MW", lambda at: charts.taken_out(at, "production_type")),
        "by-zone": _chart("MW", lambda at: charts.taken_out(at, "bidding_zone")),
    },
    "data": {
        "sources": Table(lambda _, __: tables.sources(), moves=("Source",)),
        "newest": Table(lambda at, place: tables.newest_load(at)),
    },
}
"""By page and panel."""
ELSEWHERE = {
    "intraday": {"signals"},  # a young platform's are silent; test_screens has what they say
    "balance": {"reserves"},  # says that no source states them
    "position": {"entry"},  # a form
    "data": {"source"},  # what the catalogue says
}
"""Panels that show no values of the stores."""
