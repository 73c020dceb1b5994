"""DWD's stations: where they are, and the two numbers under which forecasts and observations go.

MOSMIX names a station by WMO's number, the Climate Data Center by its own. Stations that are not
listed here are named by the tables alone.
"""

from math import cos, radians
from typing import Final

import polars as pl

_EARTH_KM: Final = 6_371.0

DWD: Final = (
    ("10015", "02115", "Helgoland", 54.175, 7.892, 4),
    ("10020", "03032", "List auf Sylt", 55.011, 8.412, 26),
    ("10035", "04466", "Schleswig", 54.528, 9.549, 43),
    ("10038", "02303", "Hohn", 54.315, 9.539, 10),
    ("10046", "02564", "Kiel-Holtenau", 54.378, 10.142, 28),
    ("10055", "05516", "Fehmarn", 54.528, 11.061, 4),
    ("10091", "00183", "Arkona", 54.679, 13.434, 42),
    ("10113", "03631", "Norderney", 53.712, 7.152, 11),
    ("10129", "00701", "Bremerhaven", 53.533, 8.576, 7),
    ("10131", "00891", "Cuxhaven", 53.871, 8.706, 5),
    ("10147", "01975", "Hamburg-Fuhlsbüttel", 53.633, 9.988, 14),
    ("10156", "03086", "Lübeck-Blankensee", 53.803, 10.699, 14),
    ("10162", "04625", "Schwerin", 53.642, 11.387, 59),
    ("10170", "04271", "Rostock-Warnemünde", 54.180, 12.081, 4),
    ("10184", "01757", "Greifswald", 54.097, 13.406, 2),
    ("10200", "05839", "Emden", 53.388, 7.229, 0),
    ("10224", "00691", "Bremen", 53.045, 8.798, 4),
    ("10235", "04745", "Soltau", 52.960, 9.793, 76),
    ("10264", "03196", "Marnitz", 53.322, 11.932, 81),
    ("10270", "03552", "Neuruppin", 52.904, 12.807, 38),
    ("10291", "00164", "Angermünde", 53.032, 13.991, 54),
    ("10315", "01766", "Münster/Osnabrück", 52.134, 7.697, 48),
    ("10338", "02014", "Hannover", 52.464, 9.678, 58),
    ("10348", "00662", "Braunschweig", 52.292, 10.446, 81),
    ("10361", "03126", "Magdeburg", 52.103, 11.583, 79),
    ("10379", "03987", "Potsdam", 52.381, 13.062, 81),
    ("10382", "00430", "Berlin-Tegel", 52.564, 13.309, 36),
    ("10384", "00433", "Berlin-Tempelhof", 52.468, 13.402, 48),
    ("10385", "00427", "Berlin Brandenburg", 52.381, 13.531, 46),
    ("10393", "03015", "Lindenberg", 52.209, 14.118, 98),
    ("10400", "01078", "Düsseldorf", 51.296, 6.769, 37),
    ("10410", "01303", "Essen-Bredeney", 51.404, 6.968, 150),
    ("10427", "02483", "Kahler Asten", 51.180, 8.489, 839),
    ("10438", "02532", "Kassel", 51.296, 9.442, 231),
    ("10444", "01691", "Göttingen", 51.500, 9.951, 167),
    ("10453", "00722", "Brocken", 51.799, 10.618, 1_134),
    ("10469", "02932", "Leipzig/Halle", 51.435, 12.240, 131),
    ("10488", "01048", "Dresden-Klotzsche", 51.128, 13.754, 227),
    ("10496", "00880", "Cottbus", 51.776, 14.317, 69),
    ("10499", "01684", "Görlitz", 51.162, 14.951, 238),
    ("10501", "15000", "Aachen-Orsbach", 50.798, 6.024, 231),
    ("10513", "02667", "Köln-Bonn", 50.865, 7.157, 92),
    ("10532", "01639", "Gießen/Wettenberg", 50.602, 8.644, 203),
    ("10548", "03231", "Meiningen", 50.561, 10.377, 450),
    ("10554", "01270", "Erfurt-Weimar", 50.983, 10.961, 316),
    ("10578", "01358", "Fichtelberg", 50.428, 12.954, 1_213),
    ("10609", "05100", "Trier-Petrisberg", 49.748, 6.658, 265),
    ("10616", "05871", "Hahn", 49.946, 7.264, 497),
    ("10637", "01420", "Frankfurt/Main", 50.026, 8.521, 100),
    ("10655", "05705", "Würzburg", 49.770, 9.958, 268),
    ("10675", "00282", "Bamberg", 49.874, 10.921, 240),
    ("10685", "02261", "Hof", 50.312, 11.876, 565),
    ("10708", "04336", "Saarbrücken-Ensheim", 49.213, 7.108, 320),
    ("10729", "05906", "Mannheim", 49.506, 8.559, 98),
    ("10738", "04931", "Stuttgart-Echterdingen", 48.688, 9.223, 371),
    ("10763", "03668", "Nürnberg", 49.503, 11.055, 314),
    ("10776", "04104", "Regensburg", 49.042, 12.102, 365),
    ("10803", "01443", "Freiburg", 48.023, 7.834, 236),
    ("10852", "00232", "Augsburg", 48.425, 10.942, 462),
    ("10870", "01262", "München-Flughafen", 48.348, 11.813, 446),
    ("10961", "05792", "Zugspitze", 47.421, 10.985, 2_965),
)
"""WMO's number, DWD's number, name, degrees north and east, metres above sea level."""


def dwd_stations() -> pl.DataFrame:
    """Return `wmo_id`, `dwd_id`, `name`, `latitude_deg`, `longitude_deg`, `height_m`."""
    numbers = dict.fromkeys(("latitude_deg", "longitude_deg", "height_m"), pl.Float64)
    texts = dict.fromkeys(("wmo_id", "dwd_id", "name"), pl.String)
    return pl.DataFrame(DWD, schema={**texts, **numbers}, orient="row")


def distance_km(latitude: float, longitude: float) -> pl.Expr:
    """Return how far a row's coordinates are from a point, along the surface of the earth."""
    north, east = pl.col("latitude_deg").radians(), pl.col("longitude_deg").radians()
    across = ((north - radians(latitude)) / 2).sin().pow(2)
    along = north.cos() * cos(radians(latitude)) * ((east - radians(longitude)) / 2).sin().pow(2)
    return ((across + along).sqrt().arcsin() * 2 * _EARTH_KM).round(1)
