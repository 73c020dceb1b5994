"""Parses the same ENTSO-E documents here and with entsoe-py, and compares values and speed.

The documents are answers of the simulated platform: generation per type (A75) of a zone, and
day-ahead prices (A44). Needs the `bench` extra: `python benchmarks/entsoe_parsing.py [--days 31]`.
Values are compared in the same run, before any time is taken; a difference fails the run. These
documents have nothing that entsoe-py reads wrongly; small documents show that. Seconds are CPU
seconds of all threads, so that other work on the machine hardly counts.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
from entsoe.parsers import parse_generation, parse_prices
from numpy.typing import NDArray

from energy_platform.formats.entsoe.codes import AREAS, PRODUCTION_TYPES
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import check_messages
from energy_platform.sources.entsoe_day_ahead_price import ENTSOE_DAY_AHEAD_PRICE
from energy_platform.sources.entsoe_generation import ENTSOE_GENERATION
from simulator.providers.entsoe.documents import (
    GENERATION_AND_LOAD,
    PRICES,
    Series,
    element,
    series_document,
)

_ZONE = AREAS["DE-LU"]
_START = datetime(2025, 12, 31, 23, tzinfo=UTC)
_QUARTER = timedelta(minutes=15)
_DAY = timedelta(days=1)
_WANTED_RATIO = 50.0

Rows = dict[tuple[object, ...], float]


@dataclass(frozen=True, slots=True)
class Contest:
    """One document, and how both sides read it."""

    name: str
    body: bytes
    points: int
    source: MarketSource
    theirs: Callable[[str], object]

    def ours(self) -> pl.DataFrame:
        """Return the platform's rows."""
        message = RawMessage(
            body=self.body, received_at=datetime.now(UTC), context={}, landing_offset=0
        )
        return self.source.parse([message])


def main() -> None:
    """Compare, measure, print; fail if values differ or the ratio is too low."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, default=31)
    options.add_argument("--runs", type=int, default=5)
    chosen = options.parse_args()
    contests = [_generation(chosen.days), _prices(chosen.days)]
    for contest in contests:
        _compare(contest)
    _say_where_entsoe_py_differs()
    ratios = [_measure(contest, chosen.runs) for contest in contests]
    if min(ratios) < _WANTED_RATIO:
        raise SystemExit(f"less than {_WANTED_RATIO:g} times as fast")


def _measure(contest: Contest, runs: int) -> float:
    text = contest.body.decode()
    pairs = [(_seconds(contest.ours), _seconds(lambda: contest.theirs(text))) for _ in range(runs)]
    ours, theirs = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratios = sorted(slow / quick for quick, slow in pairs)
    print(
        f"{contest.name}: {contest.points} points, {len(contest.body) / 1e6:.1f} MB; "
        f"here {contest.points / ours / 1e3:.0f} k points/s, "
        f"entsoe-py {contest.points / theirs / 1e3:.1f} k points/s; "
        f"{theirs / ours:.0f} times as fast (runs {ratios[0]:.0f} to {ratios[-1]:.0f})"
    )
    return theirs / ours


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _compare(contest: Contest) -> None:
    ours, theirs = _our_values(contest), _their_values(contest)
    if ours != theirs:
        odd = set(ours.items()) ^ set(theirs.items())
        raise SystemExit(
            f"{contest.name}: {len(odd)} values differ, e.g. {sorted(odd, key=str)[:2]}"
        )
    print(f"{contest.name}: both give the same {len(ours)} values")


def _our_values(contest: Contest) -> Rows:
    names = [n for n in contest.source.key if n not in ("bidding_zone", "auction_sequence")]
    value = contest.source.value_columns[-1]
    rows = contest.ours().select(*names, value).rows()
    return {row[:-1]: row[-1] for row in rows}


def _their_values(contest: Contest) -> Rows:
    found = contest.theirs(contest.body.decode())
    if contest.source is ENTSOE_GENERATION:
        assert isinstance(found, pd.DataFrame)
        directions = {"Actual Aggregated": "generation", "Actual Consumption": "consumption"}
        return {
            (column[0], directions[column[1]], "PT15M", at.to_pydatetime()): float(value)
            for column, series in found.items()
            for at, value in series.dropna().items()
        }
    assert isinstance(found, dict)
    return {
        (f"PT{resolution.removesuffix('min')}M", at.to_pydatetime()): float(value)
        for resolution, series in found.items()
        for at, value in series.items()
    }


def _generation(days: int) -> Contest:
    """Return generation per type of a zone: solar that is dark at night, and various others."""
    random = np.random.default_rng(7)
    series = []
    for day in range(days):
        for code in PRODUCTION_TYPES:
            level = random.normal(2_000, 300, 96).round(2)
            if code == "B16":
                level = np.maximum(0, 9_000 * np.sin(np.linspace(-1.6, 4.7, 96))).round()
            series.append(_series(day, level, code))
        series.append(_series(day, random.normal(500, 100, 96).round(2), "B10", side="out"))
    body = series_document(
        GENERATION_AND_LOAD,
        {"type": "A75", "process.processType": "A16"},
        (_START, _START + days * _DAY),
        series,
        made_at=_START,
    )
    return Contest("A75", body, body.count(b"<Point>"), ENTSOE_GENERATION, parse_generation)


def _prices(days: int) -> Contest:
    """Return a zone's day-ahead prices, one series a day as the platform writes them."""
    random = np.random.default_rng(8)
    days *= 12  # a question may ask for a year
    series = [_series(day, random.normal(80, 40, 96).round(2)) for day in range(days)]
    window = (_START, _START + days * _DAY)
    body = series_document(PRICES, {"type": "A44"}, window, series, made_at=_START)
    return Contest("A44", body, body.count(b"<Point>"), ENTSOE_DAY_AHEAD_PRICE, parse_prices)


def _series(
    day: int, values: NDArray[np.float64], code: str | None = None, *, side: str = "in"
) -> Series:
    """Return a day of a production type (`code`), or of prices without one."""
    if code is None:
        heads = {
            "auction.type": "A01",
            "businessType": "A62",
            "in_Domain.mRID": _ZONE,
            "out_Domain.mRID": _ZONE,
            "contract_MarketAgreement.type": "A01",
            "currency_Unit.name": "EUR",
            "price_Measure_Unit.name": "MWH",
        }
    else:
        heads = {
            "businessType": "A01",
            "objectAggregation": "A08",
            f"{side}BiddingZone_Domain.mRID": _ZONE,
            "quantity_Measure_Unit.name": "MAW",
        }
    kind = f"    <MktPSRType>\n{element('psrType', code, 6)}    </MktPSRType>\n" if code else ""
    return Series(
        head="".join(element(name, value, 4) for name, value in heads.items()),
        tail=kind,
        curve="A03",
        start=_START + day * _DAY,
        resolution=_QUARTER,
        values=pl.Series("value", values),
    )


def _say_where_entsoe_py_differs() -> None:
    """Show the results of entsoe-py and of the platform for documents of a few points."""
    sequence = "classificationSequence_AttributeInstanceComponent.position"
    hour = "".join(
        f"<Point><position>{n}</position><price.amount>{n}</price.amount></Point>" for n in (1, 3)
    )
    period = (
        "<Period><timeInterval><start>2026-01-01T00:00Z</start><end>2026-01-01T01:00Z</end>"
        f"</timeInterval><resolution>PT15M</resolution>{hour}</Period>"
    )

    def series(currency: str, auction: int) -> str:
        return (
            f"<TimeSeries><in_Domain.mRID>{_ZONE}</in_Domain.mRID>"
            f"<out_Domain.mRID>{_ZONE}</out_Domain.mRID>"
            "<contract_MarketAgreement.type>A01</contract_MarketAgreement.type>"
            f"<currency_Unit.name>{currency}</currency_Unit.name>"
            "<price_Measure_Unit.name>MWH</price_Measure_Unit.name>"
            f"<{sequence}>{auction}</{sequence}><curveType>A03</curveType>{period}</TimeSeries>"
        )

    def document(*parts: str) -> str:
        namespace = PRICES.namespace
        return (
            f'<{PRICES.root} xmlns="{namespace}"><type>A44</type>{"".join(parts)}</{PRICES.root}>'
        )

    for what, text in (
        ("two auctions of one zone", document(series("EUR", 1), series("EUR", 2))),
        ("prices in zloty", document(series("PLN", 1))),
        (
            "a point behind its period's end",
            document(series("EUR", 1)).replace("<position>3<", "<position>9<"),
        ),
    ):
        prices = parse_prices(text)["15min"]
        doubled = int(prices.index.duplicated().sum())
        theirs = f"entsoe-py gives {len(prices)} prices, {doubled} of them doubled"
        print(f"{what}: {theirs}; {_ours(text)}")


def _ours(text: str) -> str:
    message = RawMessage(
        body=text.encode(), received_at=datetime.now(UTC), context={}, landing_offset=0
    )
    checked = check_messages(ENTSOE_DAY_AHEAD_PRICE, [message])
    key = list(ENTSOE_DAY_AHEAD_PRICE.key)
    doubled = checked.rows.height - checked.rows.unique(key).height
    refused = "; ".join(checked.quarantined["reason"])
    return f"here {checked.rows.height}, {doubled} doubled" + (
        f", and: {refused}" if refused else ""
    )


if __name__ == "__main__":
    main()
