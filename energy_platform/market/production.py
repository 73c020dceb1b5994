"""The kinds of production: one name for each, whatever its providers call it.

The names are ENTSO-E's. A provider that tells fewer kinds apart has names of its own groups here:
`Wind` where land and sea are one, `Fossil` where coal and gas are. What no plant produces, such as
load, exchange and shares, is no kind of production.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

COLUMNS: Final = ("production_type", "fuel_type")
"""The columns that hold kinds of production."""

_ENTSOE: Final = (
    *("Biomass", "Fossil Brown coal/Lignite", "Fossil Coal-derived gas", "Fossil Gas"),
    *("Fossil Hard coal", "Fossil Oil", "Fossil Oil shale", "Fossil Peat", "Geothermal"),
    *("Hydro Pumped Storage", "Hydro Run-of-river and pondage", "Hydro Water Reservoir", "Marine"),
    *("Nuclear", "Other renewable", "Solar", "Waste", "Wind Offshore", "Wind Onshore", "Other"),
    "Energy storage",
)
_GROUPS: Final = ("Coal", "Fossil", "Hydro", "Other conventional", "Wind")
PRODUCTIONS: Final = frozenset({*_ENTSOE, *_GROUPS})
"""Every kind of production, and the groups of those that tell fewer apart."""

NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "Energy-Charts": {
        "Fossil brown coal / lignite": "Fossil Brown coal/Lignite",
        "Fossil coal-derived gas": "Fossil Coal-derived gas",
        "Fossil gas": "Fossil Gas",
        "Fossil hard coal": "Fossil Hard coal",
        "Fossil oil": "Fossil Oil",
        "Hydro Run-of-River": "Hydro Run-of-river and pondage",
        "Hydro pumped storage": "Hydro Pumped Storage",
        "Hydro water reservoir": "Hydro Water Reservoir",
        "Others": "Other",
        "Wind offshore": "Wind Offshore",
        "Wind onshore": "Wind Onshore",
    },
    "SMARD": {
        "lignite": "Fossil Brown coal/Lignite",
        "nuclear": "Nuclear",
        "wind offshore": "Wind Offshore",
        "hydro": "Hydro",
        "other conventional": "Other conventional",
        "other renewable": "Other renewable",
        "biomass": "Biomass",
        "wind onshore": "Wind Onshore",
        "photovoltaics": "Solar",
        "hard coal": "Fossil Hard coal",
        "pumped storage": "Hydro Pumped Storage",
        "gas": "Fossil Gas",
    },
    "Elexon": {
        "BIOMASS": "Biomass",
        "CCGT": "Fossil Gas",
        "OCGT": "Fossil Gas",
        "COAL": "Coal",
        "NPSHYD": "Hydro",
        "NUCLEAR": "Nuclear",
        "OIL": "Fossil Oil",
        "OTHER": "Other",
        "PS": "Hydro Pumped Storage",
        "WIND": "Wind",
    },
    "ČEPS": {
        "thermal": "Fossil",
        "combined_cycle_gas": "Fossil Gas",
        "nuclear": "Nuclear",
        "hydro": "Hydro",
        "pumped_storage": "Hydro Pumped Storage",
        "alternative": "Other renewable",
        "autoproducer": "Other",
        "wind": "Wind",
        "solar": "Solar",
        "Batteries": "Energy storage",
    },
}
"""By provider what it calls kinds of production, if not by their names here."""


def production_of(provider: str, own: str) -> str | None:
    """Return the kind of production that a provider's name means; None if it means none.

    >>> production_of("SMARD", "photovoltaics"), production_of("Energy-Charts", "Load")
    ('Solar', None)
    """
    called = NAMES.get(provider, {})
    return called.get(own, own if own in PRODUCTIONS else None)


def own_names(provider: str, production: str) -> Sequence[str]:
    """Return what a provider calls a kind of production: one name, or those of its parts."""
    names = NAMES.get(provider, {})
    called = [own for own, means in names.items() if means == production]
    return called or [production]


def named_production(provider: str, own: pl.Expr) -> pl.Expr:
    """Return the kind of production of each row, by the provider's own name."""
    meant = {name: name for name in PRODUCTIONS} | {**NAMES.get(provider, {})}
    return own.replace_strict(meant, default=None, return_dtype=pl.String)


def productions_table() -> pl.DataFrame:
    """Return each kind of production with each provider's own name of it, if that is another."""
    rows: list[tuple[str, str | None, str | None]] = [
        (production, provider, own)
        for provider, names in NAMES.items()
        for own, production in names.items()
    ]
    told = {production for production, *_ in rows}
    rows += [(production, None, None) for production in PRODUCTIONS - told]
    schema = {"production": pl.String, "provider": pl.String, "own_name": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("production", "provider")
