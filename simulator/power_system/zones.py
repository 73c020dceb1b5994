"""The bidding zones of the simulated world: their place, their load and their plants.

Sizes are those of the real zones, roughly. Luxembourg's few plants are counted on their own;
those of the zone DE-LU are Germany's.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Zone:
    """One bidding zone; capacities are shares of its mean load.

    Attributes:
        latitude: Degrees north.
        longitude: Degrees east.
        load_mw: Mean load.
        onshore: Capacity of wind turbines on land.
        solar: Capacity of photovoltaics.
        offshore: Capacity of wind turbines at sea.
        nuclear: Capacity of nuclear power.
        lignite: Weight of lignite where plants follow the load.
        coal: The same of hard coal.
        gas: The same of gas.
        reservoir: The same of water reservoirs.
        river: Mean of run-of-river plants.
        pumped: Capacity of pumped storage.
    """

    latitude: float
    longitude: float
    load_mw: float
    onshore: float = 0.3
    solar: float = 0.4
    offshore: float = 0.0
    nuclear: float = 0.0
    lignite: float = 0.0
    coal: float = 0.2
    gas: float = 0.6
    reservoir: float = 0.1
    river: float = 0.05
    pumped: float = 0.05


ZONES: Final = {
    "AL": Zone(41.2, 20.1, 900, onshore=0.1, coal=0.05, gas=0.1, reservoir=0.9, river=0.2),
    "AT": Zone(47.6, 14.2, 6_900, onshore=0.6, solar=1.1, river=0.5, reservoir=0.4, pumped=0.5),
    "BA": Zone(44.1, 17.8, 1_300, lignite=0.7, reservoir=0.3, gas=0.1, river=0.1),
    "BE": Zone(50.7, 4.6, 9_200, onshore=0.35, offshore=0.25, solar=0.9, nuclear=0.4, pumped=0.1),
    "BG": Zone(42.7, 25.3, 4_200, solar=1.0, nuclear=0.45, lignite=0.5, reservoir=0.15),
    "CH": Zone(46.8, 8.2, 6_800, onshore=0.02, solar=0.9, nuclear=0.42, river=0.35, reservoir=0.5),
    "CY": Zone(35.1, 33.2, 600, onshore=0.25, solar=1.1, coal=0.0, reservoir=0.0, river=0.0),
    "CZ": Zone(49.8, 15.3, 7_200, onshore=0.05, solar=0.55, nuclear=0.55, lignite=0.6, pumped=0.12),
    "DE-LU": Zone(
        51.0, 10.0, 54_000, onshore=1.15, offshore=0.17, solar=1.7, lignite=0.45, coal=0.2,
        gas=0.35, reservoir=0.02, river=0.03, pumped=0.12,
    ),
    "DK1": Zone(56.0, 9.2, 2_400, onshore=1.6, offshore=0.6, solar=1.1),
    "DK2": Zone(55.4, 12.0, 1_500, onshore=0.5, offshore=0.7, solar=0.8),
    "EE": Zone(58.7, 25.6, 950, onshore=0.7, solar=0.9),
    "ES": Zone(39.8, -3.6, 26_500, onshore=1.1, solar=1.4, nuclear=0.27, pumped=0.12),
    "FI": Zone(62.9, 26.2, 9_600, onshore=0.85, solar=0.1, offshore=0.01, nuclear=0.44, river=0.15),
    "FR": Zone(46.8, 2.4, 51_000, onshore=0.45, offshore=0.03, solar=0.45, nuclear=0.85, river=0.1),
    "GB": Zone(52.9, -1.5, 30_000, onshore=0.5, offshore=0.5, solar=0.55, nuclear=0.17, coal=0.0),
    "GE": Zone(42.1, 43.6, 1_600, onshore=0.01, solar=0.05, coal=0.0, gas=0.4, reservoir=0.7),
    "GR": Zone(38.9, 22.4, 5_700, onshore=0.9, solar=1.3, lignite=0.2, reservoir=0.15),
    "HR": Zone(45.4, 16.0, 2_100, onshore=0.6, solar=0.3, reservoir=0.5, river=0.15),
    "HU": Zone(47.1, 19.4, 5_200, onshore=0.06, solar=1.5, nuclear=0.37, lignite=0.15),
    "IE(SEM)": Zone(53.3, -7.7, 4_700, onshore=1.3, solar=0.3),
    "IT-Calabria": Zone(39.0, 16.5, 600, onshore=1.9, solar=1.1),
    "IT-Centre-North": Zone(43.4, 11.4, 3_500, onshore=0.05, solar=1.0),
    "IT-Centre-South": Zone(41.7, 13.2, 5_400, onshore=0.4, solar=1.0),
    "IT-North": Zone(45.4, 9.9, 19_000, onshore=0.01, solar=0.85, river=0.15, pumped=0.2),
    "IT-Sardinia": Zone(40.1, 9.1, 1_000, onshore=1.1, solar=1.3),
    "IT-Sicily": Zone(37.6, 14.1, 2_000, onshore=1.1, solar=1.1),
    "IT-South": Zone(40.8, 16.3, 3_000, onshore=1.8, solar=1.4),
    "LT": Zone(55.3, 23.9, 1_400, onshore=1.1, solar=1.3, pumped=0.5),
    "LU": Zone(49.8, 6.1, 500, onshore=0.5, solar=0.8, coal=0.0),
    "LV": Zone(56.9, 24.9, 800, onshore=0.2, solar=0.6, reservoir=0.3, river=0.4),
    "MD": Zone(47.0, 28.5, 600, onshore=0.2, solar=0.5, reservoir=0.0),
    "ME": Zone(42.8, 19.3, 400, onshore=0.3, lignite=0.5, reservoir=0.6),
    "MK": Zone(41.6, 21.7, 800, onshore=0.1, solar=0.8, lignite=0.5),
    "MT": Zone(35.9, 14.4, 300, onshore=0.0, solar=0.7, coal=0.0, reservoir=0.0, river=0.0),
    "NL": Zone(52.2, 5.4, 13_000, onshore=0.5, offshore=0.36, solar=1.9, nuclear=0.037, river=0.0),
    "NO1": Zone(60.2, 11.0, 4_200, onshore=0.1, solar=0.1, coal=0.0, gas=0.03, reservoir=0.9),
    "NO2": Zone(58.9, 7.3, 4_200, onshore=0.35, solar=0.05, coal=0.0, gas=0.03, reservoir=1.6),
    "NO3": Zone(63.2, 10.2, 3_100, onshore=0.6, solar=0.02, coal=0.0, gas=0.03, reservoir=1.0),
    "NO4": Zone(67.9, 15.6, 2_200, onshore=0.5, solar=0.01, coal=0.0, gas=0.03, reservoir=1.2),
    "NO5": Zone(60.6, 6.3, 1_900, onshore=0.01, solar=0.03, coal=0.0, gas=0.03, reservoir=1.8),
    "PL": Zone(52.1, 19.3, 18_800, onshore=0.55, solar=1.1, lignite=0.35, coal=0.5, gas=0.2),
    "PT": Zone(39.6, -8.2, 5_800, onshore=0.95, offshore=0.005, solar=0.9, river=0.2, pumped=0.5),
    "RO": Zone(45.8, 24.9, 6_300, onshore=0.5, solar=0.6, nuclear=0.21, lignite=0.25, river=0.25),
    "RS": Zone(44.2, 20.9, 3_900, onshore=0.15, solar=0.05, lignite=0.9, reservoir=0.1, river=0.25),
    "SE1": Zone(66.5, 20.0, 1_200, onshore=1.6, solar=0.01, coal=0.0, gas=0.03, reservoir=1.5),
    "SE2": Zone(63.0, 15.9, 1_800, onshore=2.6, solar=0.03, coal=0.0, gas=0.03, reservoir=2.0),
    "SE3": Zone(59.4, 16.0, 9_600, onshore=0.35, solar=0.2, nuclear=0.72, reservoir=0.3, river=0.1),
    "SE4": Zone(56.3, 14.2, 2_700, onshore=0.75, offshore=0.05, solar=0.5, reservoir=0.1),
    "SI": Zone(46.1, 14.8, 1_500, onshore=0.002, solar=0.8, nuclear=0.46, lignite=0.4, river=0.3),
    "SK": Zone(48.7, 19.5, 3_100, onshore=0.001, solar=0.2, nuclear=0.72, lignite=0.1, river=0.15),
    "TR": Zone(39.0, 35.2, 38_000, onshore=0.35, solar=0.5, lignite=0.3, reservoir=0.4),
    "UA-IPS": Zone(49.0, 31.4, 12_000, onshore=0.05, solar=0.3, nuclear=0.6, coal=0.4),
    "XK": Zone(42.6, 20.9, 800, onshore=0.2, solar=0.05, lignite=1.0, gas=0.0),
}  # fmt: skip

_LINES: Final = """
AL GR, AL ME, AL MK, AL RS, AL XK
AT CH, AT CZ, AT DE-LU, AT HU, AT IT-North, AT SI
BA HR, BA ME, BA RS
BE DE-LU, BE FR, BE GB, BE NL
BG GR, BG MK, BG RO, BG RS, BG TR
CH DE-LU, CH FR, CH IT-North
CZ DE-LU, CZ PL, CZ SK
DE-LU DK1, DE-LU DK2, DE-LU FR, DE-LU NL, DE-LU NO2, DE-LU PL, DE-LU SE4
DK1 DK2, DK1 GB, DK1 NL, DK1 NO2, DK1 SE3, DK2 SE4
EE FI, EE LV, LT LV, LT PL, LT SE4
ES FR, ES PT, FR GB, FR IT-North
FI NO4, FI SE1, FI SE3
GB IE(SEM), GB NL, GB NO2
GR IT-South, GR MK, GR TR
HR HU, HR RS, HR SI
HU RO, HU RS, HU SI, HU SK, HU UA-IPS
IT-Calabria IT-Sicily, IT-Calabria IT-South, IT-Centre-North IT-Centre-South
IT-Centre-North IT-North, IT-Centre-South IT-Sardinia, IT-Centre-South IT-South
IT-Centre-South ME, IT-North SI, IT-Sicily MT
MD RO, MD UA-IPS, ME RS, ME XK, MK RS, MK XK, RS XK
NL NO2, NO1 NO2, NO1 NO3, NO1 NO5, NO1 SE3, NO2 NO5, NO3 NO4, NO3 NO5, NO3 SE2, NO4 SE1, NO4 SE2
PL SE4, PL SK, PL UA-IPS, RO RS, RO UA-IPS, SK UA-IPS
SE1 SE2, SE2 SE3, SE3 SE4
"""

BORDERS: Final = tuple(
    (first, second)
    for line in _LINES.strip().replace("\n", ", ").split(", ")
    for first, second in [line.split(" ")]
)
"""Pairs of zones with lines between them, each pair once."""

HOURLY: Final = frozenset(
    {"AL", "BA", "CH", "CY", "GE", "IE(SEM)", "MD", "ME", "MK", "RS", "UA-IPS", "XK"}
)
"""Zones whose market time unit is still the hour."""
