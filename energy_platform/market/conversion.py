"""Converts values from the unit of their column to one that a reader asks for, by pint.

Only the units of power markets that pint lacks are defined here: currencies, a normal cubic metre,
and what traders call them.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from energy_platform.errors import UsageError

if TYPE_CHECKING:
    from pint import UnitRegistry

_DEFINED: Final = (
    "EUR = [euro] = euro = €",
    "ct = 0.01 * EUR = cent",
    "GBP = [pound_sterling] = £",
    "penny = 0.01 * GBP = pence",
    "Nm3 = meter ** 3",
    "kn = nautical_mile / hour",
)
_SPELT: Final = {"°F·d": "delta_degF * day", "°C": "degC", "°F": "degF", "°": "degree"}
"""Units whose signs pint reads as something else."""


def converted(values: pl.Expr, unit: str | None, wanted: str) -> pl.Expr:
    """Return values in another unit.

    Args:
        values: The values.
        unit: Their unit, as `units.UNITS` writes it.
        wanted: The unit to convert them to: "ct/kWh", "GW", "K", "kn".

    Raises:
        UsageError: There is no such unit, or it measures something else.

    >>> pl.select(converted(pl.lit(85.0), "EUR/MWh", "ct/kWh").round(6)).item()
    8.5
    """
    factor, offset = _line(unit, wanted)
    scaled = values if factor == 1.0 else values * factor
    return scaled if offset == 0.0 else scaled + offset


@cache
def _line(unit: str | None, wanted: str) -> tuple[float, float]:
    """Return by what values are multiplied, and what is added then."""
    if unit is None:
        raise UsageError(f"a value without a unit can't be converted to {wanted!r}")
    registry = _registry()
    try:
        source, target = (registry.Quantity(1, _parsed(registry, text)) for text in (unit, wanted))
    except Exception:  # noqa: BLE001 (pint's parser raises of everything)
        raise UsageError(f"{wanted!r} is no unit; write MW, EUR/MWh, ct/kWh, °C or so") from None
    if source.dimensionality != target.dimensionality:
        raise UsageError(f"{unit} can't be converted to {wanted}: it measures something else")
    zero, one = (registry.Quantity(n, source.units).to(target.units).magnitude for n in (0.0, 1.0))
    # The difference rounds; a unit without an offset needs none.
    return (one, 0.0) if zero == 0.0 else (round(one - zero, 12), round(zero, 9))


def _parsed(registry: "UnitRegistry[float]", text: str) -> Any:  # noqa: ANN401 (pint's own class)
    if not text.strip():
        raise ValueError(text)
    return registry.parse_units(_SPELT.get(text, text).replace("Nm³", "Nm3"))


@cache
def _registry() -> "UnitRegistry[float]":
    from pint import UnitRegistry  # noqa: PLC0415 (half a second, and few readers convert)

    registry: UnitRegistry[float] = UnitRegistry(autoconvert_offset_to_baseunit=False)
    for definition in _DEFINED:
        registry.define(definition)
    return registry
