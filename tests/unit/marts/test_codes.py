"""Every code that a provider can send becomes one code of the marts, the same whoever sends it."""

import json
from pathlib import Path
from typing import Any, Final

import jinja2

from energy_platform.formats.entsoe.codes import BIDDING_ZONES
from energy_platform.formats.jao import _ALEGRO, _HUBS
from energy_platform.sources import agsi_storage, energy_charts_price, smard_price

MACROS: Final = Path(__file__).parents[3] / "dbt_project" / "macros" / "codes.sql"
AGGREGATES: Final = {"EU", "NE"}
"""What AGSI+ adds up, beside countries."""
GME: Final = (
    "AUST BRNN BSP CALA CNOR COAC CORS COUP CSUD FOGN FRAN GREC MALT MFTV MONT NAT NORD PRGP PUN "
    "ROSN SARD SICI SLOV SUD SVIZ XAUS XFRA XGRE XSVI"
)
"""The elements of GME's price files of all years."""


def codes(provider: str) -> dict[str, str | None]:
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    environment.globals["return"] = json.dumps
    macros: Any = environment.from_string(MACROS.read_text()).module
    found: dict[str, str | None] = json.loads(macros.codes(provider))
    return found


def test_a_country_has_one_code_in_gas_whoever_sends_it() -> None:
    stored, flowing = codes("agsi_country"), codes("entsog_country")
    assert {*agsi_storage._COUNTRIES} <= stored.keys()
    assert {*stored.values()} - AGGREGATES <= {*flowing.values()}
    assert stored["GB*"] == stored["GB"] == flowing["UK"] == flowing["GB"] == "GB"
    for known in (stored, flowing):
        # A name that the marts have for another code is that name's own, too.
        assert all(known.get(name, name) == name for name in known.values() if name is not None)


def test_a_bidding_zone_has_one_name_whoever_sends_it() -> None:
    assert {*GME.split()} == codes("gme_zone").keys()
    of_gme = {name for name in codes("gme_zone").values() if name is not None}
    assert of_gme - {"IT-PUN"} <= BIDDING_ZONES.keys()
    assert {*smard_price._ZONES.values()} <= BIDDING_ZONES.keys()
    assert {*energy_charts_price._ZONES} <= BIDDING_ZONES.keys()
    hubs = codes("jao_hub")
    assert hubs.keys() == _HUBS | _ALEGRO
    assert {*hubs.values()} - _ALEGRO <= BIDDING_ZONES.keys()
    assert len({*BIDDING_ZONES.values()}) == len(BIDDING_ZONES)
