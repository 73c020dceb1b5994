"""ENTSO-E's code lists as far as sources use them: areas, borders, production types, processes.

Areas have the names that the Transparency Platform writes, without `BZN|` or `CTA|`. An unlisted
code stays as it is, so that a new area of the platform is not lost. Only names are kept here; each
source decides what to ask for, and how often.
"""

from collections.abc import Mapping
from typing import Final

import polars as pl

BIDDING_ZONES: Final = {
    "AL": "10YAL-KESH-----5",
    "AT": "10YAT-APG------L",
    "BA": "10YBA-JPCC-----D",
    "BE": "10YBE----------2",
    "BG": "10YCA-BULGARIA-R",
    "CH": "10YCH-SWISSGRIDZ",
    "CZ": "10YCZ-CEPS-----N",
    "DE-LU": "10Y1001A1001A82H",
    "DK1": "10YDK-1--------W",
    "DK2": "10YDK-2--------M",
    "EE": "10Y1001A1001A39I",
    "ES": "10YES-REE------0",
    "FI": "10YFI-1--------U",
    "FR": "10YFR-RTE------C",
    "GR": "10YGR-HTSO-----Y",
    "HR": "10YHR-HEP------M",
    "HU": "10YHU-MAVIR----U",
    "IE(SEM)": "10Y1001A1001A59C",
    "IT-Calabria": "10Y1001C--00096J",
    "IT-Centre-North": "10Y1001A1001A70O",
    "IT-Centre-South": "10Y1001A1001A71M",
    "IT-North": "10Y1001A1001A73I",
    "IT-Sardinia": "10Y1001A1001A74G",
    "IT-Sicily": "10Y1001A1001A75E",
    "IT-South": "10Y1001A1001A788",
    "LT": "10YLT-1001A0008Q",
    "LV": "10YLV-1001A00074",
    "MD": "10Y1001A1001A990",
    "ME": "10YCS-CG-TSO---S",
    "MK": "10YMK-MEPSO----8",
    "NL": "10YNL----------L",
    "NO1": "10YNO-1--------2",
    "NO2": "10YNO-2--------T",
    "NO3": "10YNO-3--------J",
    "NO4": "10YNO-4--------9",
    "NO5": "10Y1001A1001A48H",
    "PL": "10YPL-AREA-----S",
    "PT": "10YPT-REN------W",
    "RO": "10YRO-TEL------P",
    "RS": "10YCS-SERBIATSOV",
    "SE1": "10Y1001A1001A44P",
    "SE2": "10Y1001A1001A45N",
    "SE3": "10Y1001A1001A46L",
    "SE4": "10Y1001A1001A47J",
    "SI": "10YSI-ELES-----O",
    "SK": "10YSK-SEPS-----K",
    "XK": "10Y1001C--00100H",
}
"""Bidding zones to ask for, and their EIC codes."""

_OTHER_AREAS: Final = {
    "DE(50Hertz)": "10YDE-VE-------2",
    "DE(Amprion)": "10YDE-RWENET---I",
    "DE(TenneT GER)": "10YDE-EON------1",
    "DE(TransnetBW)": "10YDE-ENBW-----N",
    "LU": "10YLU-CEGEDEL-NQ",
    "DE-AT-LU": "10Y1001A1001A63L",
    "CY": "10YCY-1001A0003J",
    "GB": "10YGB----------A",
    "MT": "10Y1001A1001A93C",
    "TR": "10YTR-TEIAS----W",
    "UA-IPS": "10Y1001C--000182",
}
"""Control areas by which the platform knows some zones, and neighbours."""

AREAS: Final = {**BIDDING_ZONES, **_OTHER_AREAS}

OUTAGE_AREAS: Final = (
    *(zone for zone in BIDDING_ZONES if zone != "DE-LU"),
    *("DE(50Hertz)", "DE(Amprion)", "DE(TenneT GER)", "DE(TransnetBW)", "LU"),
)
"""Areas to ask for outages; the platform advises control areas for Germany."""

_NEIGHBOURS: Final = {
    "AL": ("GR", "ME", "MK", "RS", "XK"),
    "AT": ("CH", "CZ", "DE-LU", "HU", "IT-North", "SI"),
    "BA": ("HR", "ME", "RS"),
    "BE": ("DE-LU", "FR", "GB", "NL"),
    "BG": ("GR", "MK", "RO", "RS", "TR"),
    "CH": ("DE-LU", "FR", "IT-North"),
    "CZ": ("DE-LU", "PL", "SK"),
    "DE-LU": ("DK1", "DK2", "FR", "NL", "NO2", "PL", "SE4"),
    "DK1": ("DK2", "GB", "NL", "NO2", "SE3"),
    "DK2": ("SE4",),
    "EE": ("FI", "LV"),
    "ES": ("FR", "PT"),
    "FI": ("NO4", "SE1", "SE3"),
    "FR": ("GB", "IT-North"),
    "GB": ("IE(SEM)", "NL", "NO2"),
    "GR": ("IT-South", "MK", "TR"),
    "HR": ("HU", "RS", "SI"),
    "HU": ("RO", "RS", "SI", "SK", "UA-IPS"),
    "IT-Calabria": ("IT-Sicily", "IT-South"),
    "IT-Centre-North": ("IT-Centre-South", "IT-North"),
    "IT-Centre-South": ("IT-Sardinia", "IT-South", "ME"),
    "IT-North": ("SI",),
    "IT-Sicily": ("MT",),
    "LT": ("LV", "PL", "SE4"),
    "MD": ("RO", "UA-IPS"),
    "ME": ("RS", "XK"),
    "MK": ("RS", "XK"),
    "NL": ("NO2",),
    "NO1": ("NO2", "NO3", "NO5", "SE3"),
    "NO2": ("NO5",),
    "NO3": ("NO4", "NO5", "SE2"),
    "NO4": ("SE1", "SE2"),
    "PL": ("SE4", "SK", "UA-IPS"),
    "RO": ("RS", "UA-IPS"),
    "RS": ("XK",),
    "SE1": ("SE2",),
    "SE2": ("SE3",),
    "SE3": ("SE4",),
    "SK": ("UA-IPS",),
}

BORDERS: Final = tuple(
    (zone, neighbour) for zone, neighbours in _NEIGHBOURS.items() for neighbour in neighbours
)
"""Pairs of areas with lines between them, each pair once."""

PRODUCTION_TYPES: Final = {
    "B01": "Biomass",
    "B02": "Fossil Brown coal/Lignite",
    "B03": "Fossil Coal-derived gas",
    "B04": "Fossil Gas",
    "B05": "Fossil Hard coal",
    "B06": "Fossil Oil",
    "B07": "Fossil Oil shale",
    "B08": "Fossil Peat",
    "B09": "Geothermal",
    "B10": "Hydro Pumped Storage",
    "B11": "Hydro Run-of-river and pondage",
    "B12": "Hydro Water Reservoir",
    "B13": "Marine",
    "B14": "Nuclear",
    "B15": "Other renewable",
    "B16": "Solar",
    "B17": "Waste",
    "B18": "Wind Offshore",
    "B19": "Wind Onshore",
    "B20": "Other",
    "B25": "Energy storage",
}

PRODUCTION_TYPE_CODES: Final = {name: code for code, name in PRODUCTION_TYPES.items()}

FORECAST_PROCESSES: Final = {"A01": "Day ahead", "A18": "Current", "A40": "Intraday"}
"""Process types of forecasts, and the platform's names for them."""

_AREA_NAMES: Final = {code: name for name, code in AREAS.items()}


def area(code: str) -> pl.Expr:
    """Return the name of the area whose EIC code a column holds."""
    return _named(code, _AREA_NAMES)


def production_type(code: str) -> pl.Expr:
    """Return the name of the production type whose code a column holds."""
    return _named(code, PRODUCTION_TYPES)


def _named(column: str, names: Mapping[str, str]) -> pl.Expr:
    return pl.col(column).replace_strict(names, default=pl.col(column), return_dtype=pl.String)
