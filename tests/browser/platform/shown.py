"""What a screen shows beside what the stores have, and in what they differ.

A panel's own CSV is what it shows, whole; that it is what can be seen is tested for itself.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import polars as pl

MINUS, APART = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
REVISED, QUARANTINED = "\N{CLOCKWISE OPEN CIRCLE ARROW}", "▲!"
"""The signs of values that were revised, and of those of which a newer one was refused."""
_FIGURE = re.compile(rf"^[+{MINUS}-]?[\d{APART}]+(\.\d+)?$")
Line = dict[str, str]
"""What a panel shows in one line of its CSV."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A stored value, and with how many decimals it is shown."""

    value: float | None
    decimals: int = 2

    def is_shown_as(self, text: str) -> bool:
        if self.value is None or text == "":
            return self.value is None and text == ""
        shown = Decimal(text)
        step = Decimal(1).scaleb(-self.decimals)
        exact = Decimal(self.value).quantize(step, ROUND_HALF_UP)
        # A sum may differ in its last bit by the order of its terms, so a tie goes either way.
        near = abs(shown - Decimal(self.value)) <= step * Decimal("0.500001")
        return -int(shown.as_tuple().exponent) == self.decimals and (shown == exact or near)

    def __str__(self) -> str:
        return "" if self.value is None else f"{self.value:.{self.decimals}f}"


Row = dict[str, str | Figure]
"""What a line must show: texts to the letter, and figures."""
CURVE = {"start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC"), "value": pl.Float64()}
"""Values that hold from a start until before an end; of an instant both are the same."""


def table_differences(lines: Sequence[Line], wanted: Sequence[Row]) -> list[str]:
    """Return in what the lines of a table differ from what they must show, in their order."""
    if len(lines) != len(wanted):
        return [f"{len(lines)} lines are shown and {len(wanted)} stored"]
    return [
        f"line {place}, {column}: {line.get(column)!r} is shown and {right} stored: {line}"
        for place, (line, row) in enumerate(zip(lines, wanted, strict=True))
        for column, right in row.items()
        if not agrees(line.get(column), right)
    ]


def plain(text: str) -> str:
    """Return a cell's text as its CSV has it: without its mark, and a figure in plain digits."""
    bare = text.removeprefix(f"{REVISED} ").removeprefix(f"{QUARANTINED} ")
    if not _FIGURE.match(bare):
        return bare
    return bare.replace(MINUS, "-").replace(APART, "").removeprefix("+")


def agrees(shown: str | None, right: str | Figure) -> bool:
    """Return whether a cell shows what is stored."""
    if shown is None:
        return False
    return right.is_shown_as(shown) if isinstance(right, Figure) else shown == right


def chart_differences(
    lines: Sequence[Line], wanted: Mapping[str, pl.DataFrame], unit: str
) -> list[str]:
    """Return in what a chart differs from curves: at each of its times, and in which it lacks."""
    curves = {f"{name} {unit}": curve for name, curve in wanted.items() if not curve.is_empty()}
    if not lines or not curves:
        return [f"{len(lines)} lines are shown of {list(curves)}"] if lines or curves else []
    shown = {column for column in lines[0] if column.endswith(f" {unit}")}
    if shown != set(curves):
        return [f"{sorted(shown)} are shown and {sorted(curves)} stored"]
    times = [datetime.fromisoformat(line["time_utc"]) for line in lines]
    found = []
    for column, curve in curves.items():
        starts = curve["start"].to_list()
        if lacking := sorted(set(starts) - set(times)):
            found.append(f"{column} lacks {len(lacking)} times from {lacking[0]} on")
        values = [held_at(curve, starts, at) for at in times]
        found += [
            f"{column} at {line['time_utc']}: {line[column]} is shown and {value} stored"
            for line, value in zip(lines, values, strict=True)
            if not Figure(value, 4).is_shown_as(line[column])
        ]
    return found


def held_at(curve: pl.DataFrame, starts: Sequence[datetime], at: datetime) -> float | None:
    """Return the value that holds at an instant; where the curve ends, its last one."""
    place = bisect_right(starts, at) - 1
    if place < 0:
        return None
    _, end, value = curve.row(place)
    is_last = place == len(starts) - 1
    return value if starts[place] == at or at < end or (is_last and at == end) else None


def curve_of(
    rows: pl.DataFrame, value: str, start: str = "delivery_start", end: str | None = None
) -> pl.DataFrame:
    """Return rows as a curve: by their delivery periods, or by instants."""
    until = end or ("delivery_end" if start == "delivery_start" else start)
    return (
        rows.select(start=start, end=until, value=pl.col(value).cast(pl.Float64))
        .cast(dict(CURVE))  # type: ignore[arg-type]
        .sort("start")
    )


def utc(at: datetime) -> str:
    """Return an instant as an address names it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def first(found: Sequence[Any]) -> str:
    """Return the first differences, for a message."""
    return "\n".join(str(one) for one in found[:5])
