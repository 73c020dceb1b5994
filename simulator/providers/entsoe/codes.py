"""The platform's codes, the simulator's own list: EIC codes of areas, types of plants, processes.

It is written from ENTSO-E's code lists, not from the client's, so that an error in either shows.
The last character of an EIC code checks the others.
"""

from typing import Final

_BY_COUNTRY: Final = """
AL 10YAL-KESH-----5   AT 10YAT-APG------L   BA 10YBA-JPCC-----D   BE 10YBE----------2
BG 10YCA-BULGARIA-R   CH 10YCH-SWISSGRIDZ   CZ 10YCZ-CEPS-----N   DK1 10YDK-1--------W
DK2 10YDK-2--------M  ES 10YES-REE------0   FI 10YFI-1--------U   FR 10YFR-RTE------C
GB 10YGB----------A   GR 10YGR-HTSO-----Y   HR 10YHR-HEP------M   HU 10YHU-MAVIR----U
LT 10YLT-1001A0008Q   LU 10YLU-CEGEDEL-NQ   LV 10YLV-1001A00074   ME 10YCS-CG-TSO---S
MK 10YMK-MEPSO----8   NL 10YNL----------L   NO1 10YNO-1--------2  NO2 10YNO-2--------T
NO3 10YNO-3--------J  NO4 10YNO-4--------9  PL 10YPL-AREA-----S   PT 10YPT-REN------W
RO 10YRO-TEL------P   RS 10YCS-SERBIATSOV   SI 10YSI-ELES-----O   SK 10YSK-SEPS-----K
TR 10YTR-TEIAS----W
"""
_NUMBERED: Final = """
DE-LU 10Y1001A1001A82H    EE 10Y1001A1001A39I       IE(SEM) 10Y1001A1001A59C
MD 10Y1001A1001A990       MT 10Y1001A1001A93C       NO5 10Y1001A1001A48H
SE1 10Y1001A1001A44P      SE2 10Y1001A1001A45N      SE3 10Y1001A1001A46L
SE4 10Y1001A1001A47J      UA-IPS 10Y1001C--000182   XK 10Y1001C--00100H
IT-North 10Y1001A1001A73I         IT-Centre-North 10Y1001A1001A70O
IT-Centre-South 10Y1001A1001A71M  IT-South 10Y1001A1001A788
IT-Calabria 10Y1001C--00096J      IT-Sicily 10Y1001A1001A75E
IT-Sardinia 10Y1001A1001A74G
"""
GERMAN_CONTROL_AREAS: Final = {
    "DE(50Hertz)": "10YDE-VE-------2",
    "DE(Amprion)": "10YDE-RWENET---I",
    "DE(TenneT GER)": "10YDE-EON------1",
    "DE(TransnetBW)": "10YDE-ENBW-----N",
}


def _listed(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


AREAS: Final = {**_listed(_BY_COUNTRY), **_listed(_NUMBERED), **GERMAN_CONTROL_AREAS}
"""The EIC codes of areas, by the names that the platform writes in its own pages."""
AREA_NAMES: Final = {code: name for name, code in AREAS.items()}

_NEIGHBOURS_ONLY: Final = frozenset({"GB", "LU", "MT", "TR", "UA-IPS"})
ZONES: Final = tuple(sorted(AREAS.keys() - _NEIGHBOURS_ONLY - GERMAN_CONTROL_AREAS.keys()))
"""The bidding zones that there are data of."""

OUTAGE_AREAS: Final = (
    *(zone for zone in ZONES if zone != "DE-LU"), *GERMAN_CONTROL_AREAS, "LU",
)  # fmt: skip
"""Where outages are reported: Germany's by control area."""

PLANTS: Final = {
    "B01": ("Biomass", "biomass"),
    "B02": ("Fossil Brown coal/Lignite", "lignite"),
    "B03": ("Fossil Coal-derived gas", "coal gas"),
    "B04": ("Fossil Gas", "gas"),
    "B05": ("Fossil Hard coal", "hard coal"),
    "B06": ("Fossil Oil", "oil"),
    "B09": ("Geothermal", "geothermal"),
    "B10": ("Hydro Pumped Storage", "pumped"),
    "B11": ("Hydro Run-of-river and pondage", "river"),
    "B12": ("Hydro Water Reservoir", "reservoir"),
    "B14": ("Nuclear", "nuclear"),
    "B16": ("Solar", "solar"),
    "B17": ("Waste", "waste"),
    "B18": ("Wind Offshore", "offshore"),
    "B19": ("Wind Onshore", "onshore"),
    "B20": ("Other", "other"),
}
"""Production types: code, what the platform calls it, and what the world calls it."""

PLANT_NAMES: Final = {code: name for code, (name, _) in PLANTS.items()}
FORECASTS: Final = {"A01": "Day ahead", "A40": "Intraday", "A18": "Current"}
"""Processes by which wind and sun are forecast."""
