"""The features of deliveries, as they were known at their gates, and the guard before them.

Three kinds of look-ahead are refused: an input that became known after the gate, a feature that
depends on rows of later gates, and one that changes when all that became known after the gate is
hidden. The last one is the touchstone: it trusts no declaration, and finds a history that says it
was known earlier than what it is made of.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from energy_platform.errors import LookAheadError
from energy_platform.market.instants import INSTANT
from energy_platform.signals.histories import Reader
from energy_platform.signals.inputs import values_at_gate
from energy_platform.signals.signal import Signal

_BEFORE: Final = timedelta(days=9)
"""How much earlier than the first delivery histories begin, since inputs reach back."""
_AFTER: Final = timedelta(days=1)
LAST: Final = "last_value"
"""The column of the newest known value of what is foretold."""
_KNOWN: Final = " known_at"
"""Follows an input's name in the column that says when its value became known."""
_CUTS: Final = 5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REACH: Final = timedelta(days=1)
"""Of how much before a gate's deliveries features are made again with the future hidden."""


def delivery_rows(signal: Signal, start: datetime, end: datetime) -> pl.DataFrame:
    """Return `delivery_start`, `delivery_end` and `gate_at` of the deliveries in [start, end).

    Deliveries begin at whole periods, whatever moment `start` is.
    """
    first = start + (_EPOCH - start) % signal.period
    starts = pl.datetime_range(
        first, end, signal.period, closed="left", time_unit="us", time_zone="UTC", eager=True
    )
    return pl.DataFrame({"delivery_start": starts.cast(INSTANT)}).with_columns(
        delivery_end=pl.col("delivery_start") + signal.period, gate_at=signal.gate.of()
    )


def feature_frame(signal: Signal, reader: Reader, start: datetime, end: datetime) -> pl.DataFrame:
    """Return a row for each delivery that begins in [start, end), with all its features.

    Returns:
        `delivery_start`, `delivery_end`, `gate_at`, `features_known_at` (when the newest of the
        inputs became known), `last_value` (that of the input `last`), and the signal's features;
        null where an input was not known.

    Raises:
        LookAheadError: A feature knows what became known after its gate.
    """
    signal.require_declared_known()
    rows = delivery_rows(signal, start, end)
    reader = reader.keeping()
    for name, one in signal.inputs.items():
        found = one.history.read(reader, start - _BEFORE, end + _AFTER)
        values = values_at_gate(one, found, rows, signal.period)
        renamed = values.rename({"value": name, "known_at": name + _KNOWN})
        rows = rows.join(renamed, on="delivery_start", how="left", maintain_order="left")
    require_known(rows, signal.inputs)
    require_no_later_rows(rows, signal.features)
    known = pl.max_horizontal(pl.col(name + _KNOWN) for name in signal.inputs)
    times = ("delivery_start", "delivery_end", "gate_at")
    last = {LAST: pl.col(signal.last)}
    return rows.select(*times, features_known_at=known, **last, **signal.features)


def require_same_at_gates(signal: Signal, reader: Reader, rows: pl.DataFrame) -> None:
    """Refuse features that change at some gates once all that became known later is hidden.

    What a history reads past its reader can't be hidden.

    Args:
        signal: The signal.
        reader: The reader of the histories.
        rows: What `feature_frame` returned.

    Raises:
        LookAheadError: A feature does.
    """
    gates = rows["gate_at"].unique().sort()
    for place in sorted({gates.len() // 2, gates.len() - 1} & {*range(gates.len())}):
        gate = gates[place]
        asked = rows.filter(pl.col("gate_at") == gate)["delivery_start"]
        start, end = asked[0] - _REACH, asked[-1] + signal.period
        now, then = (
            feature_frame(signal, one, start, end).filter(pl.col("gate_at") == gate)
            for one in (reader, reader.back_at(gate))
        )
        for name in signal.features:
            # A mean of the same values may differ in its last digits.
            shown, hidden = (one[name].cast(pl.Float64).to_numpy() for one in (now, then))
            if not np.allclose(shown, hidden, rtol=1e-9, atol=1e-9, equal_nan=True):
                raise LookAheadError(
                    f"{name} depends on what became known after the gate of {gate:%Y-%m-%d %H:%M}"
                    " UTC"
                )


def require_known(rows: pl.DataFrame, inputs: Iterable[str]) -> None:
    """Refuse values that became known after the gates of their deliveries.

    Args:
        rows: `delivery_start`, `gate_at`, and for each input `NAME known_at`.
        inputs: The names of the inputs.

    Raises:
        LookAheadError: An input has such a value, or does not say when it became known.
    """
    for name in inputs:
        if name + _KNOWN not in rows.columns:
            raise LookAheadError(f"{name} does not say when it became known")
        late = rows.filter(pl.col(name + _KNOWN) > pl.col("gate_at"))
        if not late.is_empty():
            delivery, gate, known = late.select("delivery_start", "gate_at", name + _KNOWN).row(0)
            raise LookAheadError(
                f"{name} of {late.height:,} deliveries became known after the gate; that of"
                f" {delivery:%Y-%m-%d %H:%M} UTC at {known:%Y-%m-%d %H:%M:%S}, its gate was at"
                f" {gate:%Y-%m-%d %H:%M:%S}"
            )


def require_no_later_rows(rows: pl.DataFrame, features: Mapping[str, pl.Expr]) -> None:
    """Refuse features that change once rows of later gates are taken away.

    Raises:
        LookAheadError: A feature does.
    """
    gates = rows["gate_at"].unique().sort()
    if gates.len() < _CUTS:
        return
    whole = rows.select("gate_at", **features)
    for place in np.linspace(1, gates.len() - 2, _CUTS).astype(int).tolist():
        until = rows.filter(pl.col("gate_at") <= gates[place]).select("gate_at", **features)
        for name in features:
            now, then = (
                frame.filter(pl.col("gate_at") == gates[place])[name] for frame in (whole, until)
            )
            if not now.equals(then, null_equal=True):
                raise LookAheadError(f"{name} depends on deliveries of later gates")
