"""The areas of power markets: one name for each, whatever its providers call it, and since when.

The names are ENTSO-E's for bidding zones and control areas, and ISO's codes for countries. What a
provider calls an area otherwise stands in `NAMES`; a name that it shares with the list needs no
line. Zones are split and merged, so areas and names may have days between which they hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Final, Literal

import polars as pl

from energy_platform.errors import UsageError

Kind = Literal["bidding zone", "control area", "country", "aggregate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An area.

    Attributes:
        name: Its name here.
        kind: What it is; a country that is one bidding zone is listed as the zone.
        valid_from: The first day of delivery on which there is it; None if there was it always.
        valid_until: The first day on which there is it no longer.
    """

    name: str
    kind: Kind
    valid_from: date | None = None
    valid_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a provider calls an area.

    Attributes:
        provider: The provider, as the catalogue names it.
        own: Its name.
        area: The name here.
        valid_from: The first day of delivery on which the name means this area.
        valid_until: The first day on which it means it no longer.
    """

    provider: str
    own: str
    area: str
    valid_from: date | None = None
    valid_until: date | None = None


COLUMNS: Final = (
    "bidding_zone",
    "area",
    "country",
    "region",
    "from_zone",
    "to_zone",
    "delivery_area_id",
    "code",
    "series",
)
"""The columns that hold areas, the most telling first; others' values are areas only if listed."""

TODAY: Final = date(2200, 1, 1)
"""A day on which every name that is in use means what it means today."""

DESK: Final = "The desk itself"
"""The provider of what traders state themselves."""

_NORD_POOL: Final = "Nord Pool"
_SPLIT: Final = date(2018, 10, 1)
"""When the zone of Germany, Austria and Luxembourg was split."""

_ZONES: Final = (
    *("AL", "BA", "BE", "BG", "CH", "CY", "CZ", "DK1", "DK2", "EE", "ES", "FI", "FR", "GB"),
    *("GR", "HR", "HU", "IE(SEM)", "IT-Centre-North", "IT-Centre-South", "IT-North", "IT-Sardinia"),
    *("IT-Sicily", "IT-South", "LT", "LV", "MD", "ME", "MK", "MT", "NL", "NO1", "NO2", "NO3"),
    *("NO4", "NO5", "PL", "PT", "RO", "RS", "SI", "SK", "TR", "UA-IPS", "XK"),
)
_SWEDEN: Final = ("SE1", "SE2", "SE3", "SE4")
_GERMAN_AREAS: Final = ("DE(50Hertz)", "DE(Amprion)", "DE(TenneT GER)", "DE(TransnetBW)")
_BOOKS: Final = ("DE(Amprion)", "DE(50Hertz)", "DE(TenneT GER)", "DE(TransnetBW)")
"""The delivery areas of DE-LU in the continuous market, the one first whose book is shown for it.
While nothing limits flows between them, all have the same book.
"""
_COUNTRIES: Final = ("DE", "DK", "GE", "IE", "IT", "LU", "NO", "SE", "UA")
"""Countries that are not one bidding zone by themselves."""

AREAS: Final = (
    *(Area(name=name, kind="bidding zone") for name in _ZONES),
    *(Area(name=name, kind="bidding zone", valid_from=date(2011, 11, 1)) for name in _SWEDEN),
    Area(name="AT", kind="bidding zone", valid_from=_SPLIT),
    Area(name="DE-LU", kind="bidding zone", valid_from=_SPLIT),
    Area(name="DE-AT-LU", kind="bidding zone", valid_until=_SPLIT),
    Area(name="IT-Calabria", kind="bidding zone", valid_from=date(2021, 1, 1)),
    *(Area(name=name, kind="control area") for name in _GERMAN_AREAS),
    *(Area(name=name, kind="country") for name in _COUNTRIES),
    Area(name="GB(NIR)", kind="control area"),
    Area(name="IT-PUN", kind="aggregate"),
    Area(name="EU", kind="aggregate"),
    Area(name="non-EU", kind="aggregate"),
    Area(name="ALEGrO(BE)", kind="aggregate"),
    Area(name="ALEGrO(DE)", kind="aggregate"),
)
"""Every area, once. IT-PUN is Italy's national price; ALEGrO's ends are hubs of the Core region."""


def _called(provider: str, **areas: str) -> list[Name]:
    return [Name(provider=provider, own=own, area=area) for own, area in areas.items()]


_COUNTRY_CODES: Final = (
    *("al", "at", "ba", "be", "bg", "ch", "cy", "cz", "de", "dk", "ee", "es", "fi", "fr", "ge"),
    *("gr", "hr", "hu", "it", "lt", "lu", "lv", "md", "me", "mk", "mt", "nl", "no", "pl", "pt"),
    *("ro", "rs", "se", "si", "sk", "tr", "xk"),
)

NAMES: Final = (
    Name(provider="Energi Data Service", own="DE", area="DE-LU", valid_from=_SPLIT),
    Name(provider="Energi Data Service", own="DE", area="DE-AT-LU", valid_until=_SPLIT),
    *_called("JAO", DE="DE-LU", ALBE="ALEGrO(BE)", ALDE="ALEGrO(DE)"),
    *_called("GME", NORD="IT-North", CNOR="IT-Centre-North", CSUD="IT-Centre-South"),
    *_called("GME", SUD="IT-South", CALA="IT-Calabria", SICI="IT-Sicily", SARD="IT-Sardinia"),
    *_called("GME", PUN="IT-PUN"),
    *_called("Energy-Charts", **{code: code.upper() for code in _COUNTRY_CODES}),
    *_called("Energy-Charts", eu="EU", uk="GB", nie="GB(NIR)", ie="IE", ua="UA"),
    *_called("SMARD", **{"50Hertz": "DE(50Hertz)", "Amprion": "DE(Amprion)"}),
    *_called("SMARD", TenneT="DE(TenneT GER)", TransnetBW="DE(TransnetBW)"),
    *_called("netztransparenz.de", Deutschland="DE", Amprion="DE(Amprion)"),
    *_called("netztransparenz.de", **{"50Hertz": "DE(50Hertz)", "TenneT TSO": "DE(TenneT GER)"}),
    *_called("netztransparenz.de", TransnetBW="DE(TransnetBW)"),
    *_called(_NORD_POOL, **{"22": "DE(50Hertz)", "23": "DE(Amprion)"}),
    *_called(_NORD_POOL, **{"24": "DE(TenneT GER)", "25": "DE(TransnetBW)"}),
    *_called(DESK, **{"50Hz": "DE(50Hertz)", "AMP": "DE(Amprion)"}),
    *_called(DESK, TTG="DE(TenneT GER)", TBW="DE(TransnetBW)"),
    *_called("GIE AGSI+", NE="non-EU", **{"GB*": "GB"}),
)
"""What providers call areas, if not by their names here."""


@cache
def area_names() -> frozenset[str]:
    """Return the names of all areas."""
    return frozenset(area.name for area in AREAS)


def area_of(provider: str, own: str, on: date | None = None) -> str | None:
    """Return the area that a provider's name means; None if it means none.

    Args:
        provider: The provider, as the catalogue names it.
        own: The name that it uses.
        on: The day of delivery; today's meaning, unless given.

    >>> area_of("Energi Data Service", "DE"), area_of("GME", "NORD")
    ('DE-LU', 'IT-North')
    >>> area_of("Energi Data Service", "DE", date(2017, 6, 1))
    'DE-AT-LU'
    """
    called = [name for name in NAMES if (name.provider, name.own) == (provider, own)]
    for name in called:
        if _holds(name, on):
            return name.area
    return own if not called and own in area_names() else None


def own_names(provider: str, area: str) -> Sequence[str]:
    """Return what a provider calls an area, whenever that was."""
    called = [name.own for name in NAMES if (name.provider, name.area) == (provider, area)]
    taken = {name.own for name in NAMES if name.provider == provider}
    return called if called or area in taken else [area]


def delivery_areas(area: str) -> Sequence[str]:
    """Return Nord Pool's numbers of the delivery areas of an area, the shown one first.

    Args:
        area: A bidding zone or a control area, by its name here or as the desk calls it.

    Raises:
        UsageError: There is no such area in the continuous market that we follow.

    >>> delivery_areas("50Hz"), delivery_areas("DE-LU")
    (('22',), ('23', '22', '24', '25'))
    """
    name = area_of(DESK, str(area))
    parts = _BOOKS if name == "DE-LU" else [name] if name in _BOOKS else []
    if not parts:
        raise UsageError(f"there is no area {area!r} here; there are DE-LU, {', '.join(_BOOKS)}")
    return tuple(number for part in parts for number in own_names(_NORD_POOL, part))


def areas_table() -> pl.DataFrame:
    """Return each area with each provider's own name of it, if that is another."""
    listed = pl.DataFrame(
        [(one.name, one.kind, one.valid_from, one.valid_until) for one in AREAS],
        schema={
            "area": pl.String,
            "kind": pl.String,
            "valid_from": pl.Date,
            "valid_until": pl.Date,
        },
        orient="row",
    )
    names = pl.DataFrame(
        [(one.area, one.provider, one.own, one.valid_from, one.valid_until) for one in NAMES],
        schema={
            "area": pl.String,
            "provider": pl.String,
            "own_name": pl.String,
            "name_valid_from": pl.Date,
            "name_valid_until": pl.Date,
        },
        orient="row",
    )
    return listed.join(names, on="area", how="left", maintain_order="left").sort(
        "area", "provider", "own_name"
    )


def named_area(provider: str, own: pl.Expr, day: pl.Expr) -> pl.Expr:
    """Return the area of each row, by the provider's own name and the day of delivery."""
    mine = [name for name in NAMES if name.provider == provider]
    found = [pl.when(own.is_in(sorted(area_names() - {name.own for name in mine}))).then(own)]
    for name in mine:
        meant = own == name.own
        if name.valid_from is not None:
            meant &= day >= name.valid_from
        if name.valid_until is not None:
            meant &= day < name.valid_until
        found.append(pl.when(meant).then(pl.lit(name.area)))
    return pl.coalesce(found)


def require_area(area: str) -> str:
    """Return an area's name, or refuse one that there is not.

    Raises:
        UsageError: There is no such area; `areas()` lists all.
    """
    if area not in area_names():
        raise UsageError(f"there is no area {area!r}; ep.areas() lists all")
    return area


def _holds(name: Name, on: date | None) -> bool:
    if on is None:
        return name.valid_until is None
    first, end = name.valid_from or date.min, name.valid_until or date.max
    return first <= on < end
