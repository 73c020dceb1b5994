"""What page 1 and 2 must show of books, trades and positions, without any code of the dashboard.

Of now the rows are those that have landed, since the warehouse follows the screen by seconds; of an
earlier instant they are the warehouse's that were known then.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any

import polars as pl

import energy_platform as ep
from energy_platform.formats.nord_pool_intraday import standing_orders
from energy_platform.market.registry import market_source
from energy_platform.pipeline.hot_lane.missed_rows import missed_rows
from energy_platform.pipeline.stores import micro_batches
from energy_platform.pipeline.tables import market_table
from tests.browser.platform.shown import CURVE, MINUS, Figure, Row, curve_of
from tests.browser.platform.stored_charts import BERLIN, QUARTER, At, day_of

BOOK, TRADE = "nord_pool_intraday_order_book", "nord_pool_intraday_trade"
CONTRACT, POSITION = "nord_pool_intraday_contract", "position"
AMPRION = "23"
"""The delivery area whose book is shown for DE-LU."""
GERMAN = ("22", "23", "24", "25")
DASH = "\N{EN DASH}"
MOST_TRADES = 200
MINUTE = timedelta(minutes=1)
KINDS = ("schedule", "contract", "generation_forecast", "load_forecast")
ZONE_OF = dict.fromkeys(("50Hz", "AMP", "TTG", "TBW"), "DE-LU")
"""The bidding zone of a control area."""
GERMAN_AREAS = {"DE-LU", *ZONE_OF}
"""Where German contracts deliver, and German imbalance prices hold."""
Level = tuple[float, float]
"""A price of a book and its volume."""


def rows(name: str, at: At, where: pl.Expr) -> pl.DataFrame:
    """Return every revision of a source's rows that has landed, or that was known at an instant."""
    source = market_source(name)
    if at is None:
        return missed_rows(micro_batches(), source, 0, where=where)
    stored = micro_batches().warehouse.scan(market_table(source))
    return stored.filter(where, pl.col("received_at") <= at).collect()


def clock(at: datetime) -> str:
    return at.astimezone(BERLIN).strftime("%H:%M")


def span(row: dict[str, datetime]) -> str:
    return f"{clock(row['delivery_start'])}{DASH}{clock(row['delivery_end'])}"


def traded(at: At) -> pl.DataFrame:
    """Return the quarter-hours of DE-LU that are open, in order of delivery."""
    known = rows(CONTRACT, at, pl.col("delivery_area_id") == AMPRION)
    newest = known.sort("updated_at", "landing_offset").unique("contract_id", keep="last")
    return newest.filter(
        pl.col("closes_at") > (at or datetime.now(UTC)), ~pl.col("deleted"), product_type="P15MIN"
    ).sort("delivery_start", "contract_id")


def sides(at: At, contracts: Sequence[str]) -> dict[tuple[str, str], list[Level]]:
    """Return the levels of each side of each book, the best price first."""
    of_them = pl.col("contract_id").is_in(contracts) & (pl.col("delivery_area_id") == AMPRION)
    standing = standing_orders(rows(BOOK, at, of_them).lazy()).collect()
    levels = standing.group_by("contract_id", "side", "price_eur_per_mwh").agg(
        pl.col("volume_mw").sum()
    )
    found: dict[tuple[str, str], list[Level]] = {}
    for [contract, side], own in levels.group_by("contract_id", "side"):
        ordered = own.sort("price_eur_per_mwh", descending=side == "BUY")
        found[str(contract), str(side)] = [
            (price, volume)
            for price, volume in ordered.select("price_eur_per_mwh", "volume_mw").iter_rows()
        ]
    return found


def trades(at: At, contracts: Sequence[str]) -> pl.DataFrame:
    """Return each trade of Germany once that was not cancelled, in order of time."""
    legs = rows(TRADE, at, pl.col("contract_id").is_in(contracts))
    return (
        legs.sort("revision_no", "landing_offset")
        .unique(["trade_id", "contract_id", "side", "delivery_area_id"], keep="last")
        .filter(pl.col("state") != "CANCELLED", pl.col("delivery_area_id").is_in(GERMAN))
        .unique(["trade_id", "contract_id"], keep="any")
        .sort("observed_at", "trade_id")
    )


def contracts(at: At) -> list[Row]:
    """Return the table of contracts, its countdown and the own position left out."""
    open_now = traded(at)
    names = open_now["contract_id"].to_list()
    books, tape = sides(at, names), trades(at, names)
    start, end = day_of(at)[0], day_of(at, 1)[1]
    loaded = ep.load("energy_charts_price", start=start, end=end, as_of=at)
    day_ahead = dict(
        loaded.filter(bidding_zone="DE-LU").select("delivery_start", "price_eur_per_mwh").rows()
    )
    before = (at or datetime.now(UTC)) - timedelta(minutes=15)
    return [
        {
            "Contract": span(row),
            **_best(books, row["contract_id"]),
            **_traded(tape.filter(contract_id=row["contract_id"]), before),
            "DA EUR/MWh": Figure(day_ahead.get(row["delivery_start"])),
            **_to_day_ahead(tape.filter(contract_id=row["contract_id"]),
                            day_ahead.get(row["delivery_start"])),
        }
        for row in open_now.to_dicts()
    ]  # fmt: skip


def _best(books: dict[tuple[str, str], list[Level]], contract: str) -> Row:
    bids, asks = books.get((contract, "BUY")), books.get((contract, "SELL"))
    bid, bid_mw = bids[0] if bids else (None, None)
    ask, ask_mw = asks[0] if asks else (None, None)
    spread = None if bid is None or ask is None else round(ask - bid, 2)
    return {
        "MW bid": Figure(bid_mw, 1), "Bid EUR/MWh": Figure(bid), "Ask EUR/MWh": Figure(ask),
        "MW ask": Figure(ask_mw, 1), "Spr EUR/MWh": Figure(spread),
    }  # fmt: skip


def _traded(tape: pl.DataFrame, before: datetime) -> Row:
    if tape.is_empty():
        names = ("Last EUR/MWh", "Δ15m EUR/MWh", "VWAP EUR/MWh", "Vol MWh")
        return dict.fromkeys(names, "")
    price, volume = tape["price_eur_per_mwh"], tape["volume_mw"]
    earlier = tape.filter(pl.col("observed_at") <= before)["price_eur_per_mwh"]
    moved = None if earlier.is_empty() else round(price[-1] - earlier[-1], 2)
    mean = float((price * volume).sum()) / float(volume.sum())
    return {
        "Last EUR/MWh": Figure(price[-1]), "Δ15m EUR/MWh": Figure(moved),
        "VWAP EUR/MWh": Figure(mean), "Vol MWh": Figure(round(float(volume.sum()) / 4, 3), 1),
    }  # fmt: skip


def _to_day_ahead(tape: pl.DataFrame, day_ahead: float | None) -> Row:
    known = not tape.is_empty() and day_ahead is not None
    last = tape["price_eur_per_mwh"][-1] if known else None
    return {"±DA EUR/MWh": Figure(None if last is None else last - day_ahead)}


def ladder(at: At, contract: str) -> list[Row]:
    """Return the rungs of a book, the best prices first."""
    books = sides(at, [contract])
    bids, asks = books.get((contract, "BUY"), []), books.get((contract, "SELL"), [])
    return [
        {
            "Σ MW bid": Figure(_up_to(bids, place), 0), "MW bid": _of(bids, place, 1, 1),
            "Bid EUR/MWh": _of(bids, place, 0, 2), "Ask EUR/MWh": _of(asks, place, 0, 2),
            "MW ask": _of(asks, place, 1, 1), "Σ MW ask": Figure(_up_to(asks, place), 0),
        }
        for place in range(max(len(bids), len(asks)))
    ]  # fmt: skip


def _of(levels: list[Level], place: int, part: int, decimals: int) -> Figure:
    return Figure(levels[place][part] if place < len(levels) else None, decimals)


def _up_to(levels: list[Level], place: int) -> float | None:
    return sum(one for _, one in levels[: place + 1]) if place < len(levels) else None


def tape(at: At, contract: str) -> list[Row]:
    """Return the newest trades of a contract, each with how its price moved."""
    known = trades(at, [contract])
    moved = known["price_eur_per_mwh"].diff().sign().fill_null(0)
    if at is None:
        known, moved = known.tail(MOST_TRADES), moved.tail(MOST_TRADES)
    arrows = {1: "▲ ", -1: "▼ ", 0: ""}
    return [
        {
            "Time": row["observed_at"].astimezone(BERLIN).strftime("%H:%M:%S"),
            "MW": Figure(row["volume_mw"], 1),
            "EUR/MWh": f"{arrows[int(sign)]}{row['price_eur_per_mwh']:.2f}",
        }
        for row, sign in zip(known.to_dicts(), moved, strict=True)
    ][::-1]


def price(at: At, contract: str) -> dict[str, pl.DataFrame]:
    """Return the last price of each minute, and the mean of all trades until its end."""
    known = trades(at, [contract]).with_columns(minute=pl.col("observed_at").dt.truncate("1m"))
    so_far = known.with_columns(
        mean=(pl.col("price_eur_per_mwh") * pl.col("volume_mw")).cum_sum()
        / pl.col("volume_mw").cum_sum()
    )
    minutes = so_far.group_by("minute", maintain_order=True).agg(
        pl.col("price_eur_per_mwh", "mean").last()
    )
    return {
        "last": curve_of(minutes, "price_eur_per_mwh", "minute"),
        "VWAP": curve_of(minutes, "mean", "minute"),
    }


def stated(at: At) -> pl.DataFrame:
    """Return what each name states of each quarter-hour of today or later."""
    today, _ = day_of(at)
    known = rows(POSITION, at, pl.col("delivery_end") > today)
    return (
        known.with_columns(
            delivery_start=pl.datetime_ranges("delivery_start", "delivery_end", "15m",
                                              closed="left")
        )
        .explode("delivery_start")
        .filter(pl.col("delivery_start") >= today)
        .sort("received_at", "landing_offset", maintain_order=True)
        .unique(["portfolio", "area", "kind", "name", "delivery_start"], keep="last",
                maintain_order=True)
    )  # fmt: skip


def _cost_of_closing(levels: Sequence[Level], open_mw: float) -> tuple[float | None, float | None]:
    """Return what the orders of a side that stand pay or cost for a quarter-hour, and for what."""
    paid, left = 0.0, abs(open_mw)
    for price, volume in levels:
        taken = min(left, volume)
        paid, left = paid + taken * price, left - taken
    filled = abs(open_mw) - left
    return (None, None) if not filled else (paid / filled, (-1 if open_mw > 0 else 1) * paid / 4)


def _imbalance_price(at: At, *, is_long: bool) -> float | None:
    """Return Germany's newest price of a surplus or of a lack, or the newest estimate of it."""
    others = "reBAP unterdeckt" if is_long else "reBAP ueberdeckt"
    now = at or datetime.now(UTC)
    loaded = ep.load("netztransparenz_imbalance", start=now - timedelta(days=3), as_of=at)
    prices = loaded.filter(
        pl.col("product").is_in(["reBAP", "AEP-Schätzer"]),
        pl.col("series") != others,
        pl.col("price_eur_per_mwh").is_not_null(),
    ).sort("delivery_start", pl.col("product") == "reBAP")
    return None if prices.is_empty() else float(prices["price_eur_per_mwh"][-1])


def _opened(at: At) -> list[dict[str, Any]]:
    """Return what is open in each quarter-hour, of what it is made, and what that is worth."""
    today, _ = day_of(at)
    _, end = day_of(at, 1)
    loaded = ep.load("energy_charts_price", start=today, end=end, as_of=at)
    day_ahead = {
        (row["bidding_zone"], row["delivery_start"]): row["price_eur_per_mwh"]
        for row in loaded.to_dicts()
    }
    place = ("delivery_start", "portfolio", "area")
    opened = (
        stated(at).filter(pl.col("delivery_start") < end)
        .group_by(place)
        .agg(
            *(pl.col("power_mw").filter(kind=one).sum().alias(one) for one in KINDS),
            *(pl.col("kind").eq(one).any().alias(f"has_{one}") for one in KINDS),
            pl.col("power_mw").sum().round(6),  # of parts with a decimal, 0 is 0
        )
        .sort(place)
    )  # fmt: skip
    imbalance = {is_long: _imbalance_price(at, is_long=is_long) for is_long in (True, False)}
    return [
        {
            **row,
            "day_ahead": (
                price := day_ahead.get((ZONE_OF.get(row["area"], row["area"]),
                                        row["delivery_start"]))
            ),
            "value": None if price is None else row["power_mw"] / 4 * price,
            "imbalance_cost": None
            if row["area"] not in GERMAN_AREAS
            or (settled := imbalance[row["power_mw"] >= 0]) is None
            else -row["power_mw"] / 4 * settled,
        }
        for row in opened.to_dicts()
    ]  # fmt: skip


def _closed(at: At, opened: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return open positions with what closing each in its own contract costs now."""
    contract_of = dict(traded(at).select("delivery_start", "contract_id").iter_rows())
    books = sides(at, list(contract_of.values()))
    found = []
    for row in opened:
        power = row["power_mw"]
        contract = contract_of.get(row["delivery_start"]) if row["area"] in GERMAN_AREAS else None
        side = "BUY" if power > 0 else "SELL"
        levels = books.get((contract, side), []) if contract and power else []
        price, cost = _cost_of_closing(levels, power)
        left = round(abs(power) - min(abs(power), sum(volume for _, volume in levels)), 6)
        found.append(
            {**row, "contract_id": contract, "closing_price": price, "cost": cost, "left": left}
        )
    return found


def positions(at: At) -> list[Row]:
    """Return what is open in each quarter-hour, of what it is made, and what that is worth."""
    titles = ("Sched schedule, MW", "Contr contracts, MW", "Gen generation forecast, MW",
              "Load load forecast, MW")  # fmt: skip
    return [
        {
            "Delivery": f"{row['delivery_start'].astimezone(BERLIN):%a} "
            + span({**row, "delivery_end": row["delivery_start"] + QUARTER}),
            "Portfolio": row["portfolio"],
            "Area": row["area"],
            **{title: Figure(row[one] if row[f"has_{one}"] else None, 1)
               for title, one in zip(titles, KINDS, strict=True)},
            "Open MW": Figure(row["power_mw"], 1),
            "DA EUR/MWh": Figure(row["day_ahead"]),
            "At DA € value at day-ahead, EUR": Figure(row["value"], 0),
            "Book mean price of closing now, EUR/MWh": Figure(row["closing_price"]),
            "Close € EUR": Figure(row["cost"], 0),
            "Left not closable now, MW": Figure(row["left"] if row["contract_id"] and row["left"]
                                                else None, 1),
            "Imbal € expected if left open, EUR": Figure(row["imbalance_cost"], 0),
        }
        for row in _closed(at, _opened(at))
    ]  # fmt: skip


def totals(at: At) -> list[Row]:
    """Return the sums of the deliveries that have not begun: of all, then of each portfolio.

    Of now, books move while they are summed up, so closing is compared as of an instant alone.
    """
    ahead = [row for row in _opened(at) if row["delivery_start"] > (at or datetime.now(UTC))]
    ahead = ahead if at is None else _closed(at, ahead)
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in ahead:
        groups.setdefault((row["portfolio"], row["area"]), []).append(row)
    each = sorted(groups.items(), key=lambda one: "|".join(one[0]))
    whole = [(("All", ""), ahead)] if len(each) > 1 else []
    return [
        {
            "Portfolio": portfolio, "Area": area,
            "Long MWh": Figure(sum(max(0.0, row["power_mw"]) for row in own) / 4, 1),
            "Short MWh": Figure(sum(min(0.0, row["power_mw"]) for row in own) / 4, 1),
            "At DA € value at day-ahead, EUR": Figure(_sum(own, "value"), 0),
            "Imbal € expected if left open, EUR": Figure(_sum(own, "imbalance_cost"), 0),
            **({} if at is None else {
                f"Close € + to pay, {MINUS} to get, EUR": Figure(_sum(own, "cost"), 0),
                "Left not closable now, MWh": Figure(sum(row["left"] for row in own) / 4, 1),
            }),
        }
        for (portfolio, area), own in [*whole, *each]
    ]  # fmt: skip


def _sum(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    """Return the sum of what is known; None where nothing is."""
    known = [row[name] for row in rows if row[name] is not None]
    return sum(known) if known else None


def composition(at: At) -> dict[str, pl.DataFrame]:
    """Return the sum of all portfolios' open power by quarter-hour, by kind and in all."""
    _, end = day_of(at, 1)
    quarters = stated(at).filter(pl.col("delivery_start") < end)
    if quarters.is_empty():
        return {}
    titles = ("Schedule", "Contracts", "Generation", "Load")
    starts = quarters.select("delivery_start").unique().sort("delivery_start")

    def summed(own: pl.DataFrame) -> pl.DataFrame:
        sums = own.group_by("delivery_start").agg(value=pl.col("power_mw").sum())
        held = starts.join(sums, on="delivery_start", how="left")
        return curve_of(held.with_columns(end=pl.col("delivery_start") + QUARTER), "value",
                        "delivery_start", "end")  # fmt: skip

    return {
        **{title: summed(quarters.filter(kind=one))
           for title, one in zip(titles, KINDS, strict=True)},
        "Open": summed(quarters),
    }  # fmt: skip


def changes(at: At) -> list[Row]:
    """Return who stated what when: one line per submission and series, the newest first."""
    today, _ = day_of(at)
    known = rows(POSITION, at, pl.col("delivery_start") >= today)
    hours = (pl.col("delivery_end") - pl.col("delivery_start")).dt.total_seconds() / 3600
    series = ("landing_offset", "name", "portfolio", "area", "kind")
    key = ["portfolio", "area", "kind", "name", "delivery_start", "delivery_end"]
    told = (
        known.sort("landing_offset", maintain_order=True)
        .with_columns(was=pl.col("power_mw").shift(1).over(key))
        .group_by(series)
        .agg(
            pl.col("received_at", "changed_by").last(),
            now=(pl.col("power_mw") * hours).sum(),
            was=(pl.col("was") * hours).sum(),
            is_new=pl.col("was").is_null().all(),
        )
        .sort(series, descending=[True, *4 * [False]])
    )
    return [
        {
            "Who": row["changed_by"], "Portfolio": row["portfolio"], "Area": row["area"],
            "Name": row["name"],
            "MWh": Figure(round(row["now"], 3), 1),
            "Change MWh": "new" if row["is_new"]
            else Figure(round(row["now"], 3) - round(row["was"], 3), 1),
        }
        for row in told.to_dicts()
    ]  # fmt: skip


def depth(at: At, contract: str) -> list[Row]:
    """Return by price how much is bid at it or above, and offered at it or below."""
    books = sides(at, [contract])
    bids, asks = books.get((contract, "BUY"), []), books.get((contract, "SELL"), [])
    return [
        {
            "EUR/MWh": Figure(price),
            "Bids Σ MW": Figure(sum(mw for one, mw in bids if one >= price) or None, 1),
            "Asks Σ MW": Figure(sum(mw for one, mw in asks if one <= price) or None, 1),
        }
        for price in sorted({price for price, _ in bids + asks})
    ]


def frequency(at: At, source: str, minutes: int = 120) -> pl.DataFrame:
    """Return the frequencies of a span that ends with the minute of an instant."""
    now = at or datetime.now(UTC)
    minute = datetime.fromtimestamp(floor(now.timestamp() / 60) * 60, UTC)
    loaded = ep.load(source, start=minute - minutes * MINUTE, end=minute + MINUTE, as_of=at)
    return curve_of(loaded, "frequency_hz", "observed_at").select(*CURVE)
