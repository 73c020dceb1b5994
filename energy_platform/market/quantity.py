"""What kind of quantity a column holds, which says how its values are summed up and split.

A column's name carries its unit, and most units leave no doubt: `_mwh` is energy of the period, and
`_eur_per_mwh` a price. A source or mart declares the kinds that its names leave open. How values of
a kind are brought to other periods is in `resampling`.
"""

from enum import StrEnum
from typing import Final

import polars as pl

from energy_platform.market.units import unit_of


class Quantity(StrEnum):
    """A kind of quantity.

    Attributes:
        PRICE: A price; the mean price of a longer period is weighted by time.
        MEAN_POWER: Mean power of a period, or energy per hour or day.
        MEAN: Another mean of a period, such as a share of it or a calorific value.
        ENERGY: Energy of a period; that of a longer period is the sum.
        AMOUNT: Another amount of a period: rain, degree days, a payment for the whole period.
        LEVEL: What is there at the end of a period or at an instant, such as gas in storage.
        OPENING: What held at the beginning of a period, such as the price of its first trade.
        INSTANT: A value measured or expected at an instant, such as frequency or temperature.
        DIRECTION: A bearing in degrees; its mean is that of the vectors.
        MAXIMUM: The highest value of a period.
        MINIMUM: The lowest value of a period.
        COUNT: How many there were in a period; it can be summed and not split.
        VOLUME: Power of an order or of a trade; it can be summed and not split.
        NUMBER: A number that counts or measures nothing: a rank, a revision, a quality.
        PLACE: A coordinate or a height.
        LABEL: A text that names something.
        FLAG: Yes or no.
        TIME: An instant.
    """

    PRICE = "price"
    MEAN_POWER = "mean power"
    MEAN = "mean"
    ENERGY = "energy"
    AMOUNT = "amount"
    LEVEL = "level"
    OPENING = "opening"
    INSTANT = "instant"
    DIRECTION = "direction"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    COUNT = "count"
    VOLUME = "volume"
    NUMBER = "number"
    PLACE = "place"
    LABEL = "label"
    FLAG = "flag"
    TIME = "time"


_OF_A_PERIOD: Final = {
    "EUR/MWh": Quantity.PRICE,
    "GBP/MWh": Quantity.PRICE,
    "EUR/MW/h": Quantity.PRICE,
    "EUR/MW": Quantity.AMOUNT,
    "kWh/h": Quantity.MEAN_POWER,
    "kWh/d": Quantity.MEAN_POWER,
    "GWh/d": Quantity.MEAN_POWER,
    "kWh/Nm³": Quantity.MEAN,
    "MWh": Quantity.ENERGY,
    "GWh": Quantity.ENERGY,
    "kJ/m²": Quantity.AMOUNT,
    "kg/m²": Quantity.AMOUNT,
    "mm": Quantity.AMOUNT,
    "°F·d": Quantity.AMOUNT,
    "m": Quantity.PLACE,
}
"""Units that say the kind, in whatever table they stand; heights alone are in metres."""

_AT_A_MOMENT: Final = {
    "MW": Quantity.MEAN_POWER,
    "%": Quantity.MEAN,
    "Hz": Quantity.MEAN,
    "m/s": Quantity.MEAN,
    "°C": Quantity.MEAN,
    "Pa": Quantity.MEAN,
    "W/m²": Quantity.MEAN,
}
"""Units whose values are means in a table of periods, and of an instant in a table of instants."""

_WORDS: Final = {
    "gust": Quantity.MAXIMUM,
    "gusts": Quantity.MAXIMUM,
    "highest": Quantity.MAXIMUM,
    "high": Quantity.MAXIMUM,
    "lowest": Quantity.MINIMUM,
    "low": Quantity.MINIMUM,
    "open": Quantity.OPENING,
    "close": Quantity.LEVEL,
    "duration": Quantity.NUMBER,
    "latitude": Quantity.PLACE,
    "longitude": Quantity.PLACE,
    "direction": Quantity.DIRECTION,
}
"""Words of a name that say how its values came about; the last one in the name counts."""


def quantity_of(name: str, dtype: pl.DataType, *, of_periods: bool) -> Quantity | None:
    """Return the kind of quantity that a column's name and type say; None if they leave it open.

    Args:
        name: The column's name.
        dtype: Its type.
        of_periods: Whether the table's rows are of periods, and not of instants.

    >>> quantity_of("price_eur_per_mwh", pl.Float64(), of_periods=True)
    <Quantity.PRICE: 'price'>
    >>> quantity_of("gas_in_storage_twh", pl.Float64(), of_periods=True) is None
    True
    """
    if dtype.is_temporal():
        return Quantity.TIME
    if not dtype.is_numeric():
        return Quantity.LABEL if dtype == pl.String else Quantity.FLAG
    words = [_WORDS[word] for word in name.split("_") if word in _WORDS]
    if words:
        return words[-1]
    if (unit := unit_of(name)) is None:
        return Quantity.NUMBER if dtype.is_integer() else None
    if unit in _AT_A_MOMENT and not of_periods:
        return Quantity.INSTANT
    return {**_OF_A_PERIOD, **_AT_A_MOMENT}.get(unit)
