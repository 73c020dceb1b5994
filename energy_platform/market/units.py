"""The unit of a column, read from its name: the suffix is the only place that states a unit.

A new unit is one line in `UNITS`.
"""

from typing import Final

UNITS: Final = {
    "_eur_per_mwh": "EUR/MWh",
    "_gbp_per_mwh": "GBP/MWh",
    "_eur_per_mw": "EUR/MW",
    "_eur_per_mw_per_h": "EUR/MW/h",
    "_kwh_per_h": "kWh/h",
    "_kwh_per_d": "kWh/d",
    "_kwh_per_nm3": "kWh/Nm³",
    "_mwh": "MWh",
    "_mw": "MW",
    "_hz": "Hz",
    "_m_per_s": "m/s",
    "_deg": "°",
    "_deg_c": "°C",
    "_m": "m",
    "_pct": "%",
    "_gwh_per_d": "GWh/d",
    "_gwh": "GWh",
    "_twh": "TWh",
    "_mm": "mm",
    "_s": "s",
    "_f_d": "°F·d",
    "_pa": "Pa",
    "_kg_per_m2": "kg/m²",
    "_kj_per_m2": "kJ/m²",
    "_w_per_m2": "W/m²",
}


def unit_of(column: str) -> str | None:
    """Return the unit that a column's name carries; the longest suffix wins.

    >>> unit_of("price_eur_per_mwh")
    'EUR/MWh'
    >>> unit_of("bidding_zone") is None
    True
    """
    suffixes = [suffix for suffix in UNITS if column.endswith(suffix)]
    return UNITS[max(suffixes, key=len)] if suffixes else None
