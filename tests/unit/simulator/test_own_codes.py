"""The simulator's own lists of codes and places, and its own frames, held against the client's.

What differs is a misreading on one of the sides.
"""

import string
from typing import Final

import pytest

from energy_platform.feeds.websocket import stomp_over_sockjs as client_codec
from energy_platform.formats import dwd_mosmix, energy_charts, open_meteo
from energy_platform.formats.entsoe import codes as entsoe_codes
from energy_platform.formats.open_meteo_sites import SITES
from simulator.power_system.zones import BORDERS, ZONES
from simulator.providers import open_meteo as simulated_open_meteo
from simulator.providers.dwd import mosmix
from simulator.providers.energy_charts import public_power
from simulator.providers.entsoe import codes
from simulator.providers.nord_pool import stomp

_EIC_CHARACTERS: Final = string.digits + string.ascii_uppercase + "-"


@pytest.mark.parametrize("code", codes.AREAS.values())
def test_the_last_character_of_an_eic_code_checks_the_others(code: str) -> None:
    weighted = sum(
        _EIC_CHARACTERS.index(character) * (16 - place) for place, character in enumerate(code[:15])
    )
    assert len(code) == 16
    assert code[15] == _EIC_CHARACTERS[36 - (weighted - 1) % 37]


def test_both_sides_know_the_same_areas_borders_and_plants() -> None:
    assert {name: entsoe_codes.AREAS[name] for name in codes.AREAS} == codes.AREAS
    assert set(codes.ZONES) == set(entsoe_codes.BIDDING_ZONES)
    assert set(codes.OUTAGE_AREAS) == set(entsoe_codes.OUTAGE_AREAS)
    assert {*map(frozenset, BORDERS)} == {*map(frozenset, entsoe_codes.BORDERS)}
    assert codes.PLANT_NAMES.items() <= entsoe_codes.PRODUCTION_TYPES.items()
    assert codes.FORECASTS == entsoe_codes.FORECAST_PROCESSES
    assert set(energy_charts.COUNTRIES) == public_power.KNOWN


def test_both_sides_know_the_same_places_and_what_is_forecast_there() -> None:
    assert set(mosmix.STATIONS) == set(dwd_mosmix.STATIONS)
    assert simulated_open_meteo.SITES.keys() == SITES.keys()
    for name, place in simulated_open_meteo.SITES.items():
        assert place == pytest.approx(SITES[name], abs=0.02), name
    wanted = {variable: column for column, variable in open_meteo.VARIABLES.items()}
    assert wanted == simulated_open_meteo.COLUMNS


def test_every_border_is_between_zones_and_every_zone_has_one() -> None:
    ends = {zone for border in BORDERS for zone in border}
    assert ends <= ZONES.keys()
    assert ZONES.keys() - ends == {"CY", "GE", "LU"}, "islands, and what is part of another zone"


NASTY: Final = {"a:b": "c\nd", "back\\slash": "\r\\c:"}


@pytest.mark.parametrize("body", ["", "[1]", "zwei\0 Nullen und ein ß", "a\r\n\r\nb"])
def test_each_side_reads_what_the_other_sends(body: str) -> None:
    ours = stomp.Frame("MESSAGE", {**NASTY, "subscription": "a"}, body)
    heard = client_codec.decode(stomp.server_message(ours, ours))
    assert isinstance(heard, tuple)
    for frame in heard:
        told = {name: text for name, text in frame.headers.items() if name != "content-length"}
        assert (frame.command, told, frame.body.decode()) == ("MESSAGE", ours.headers, body)
    assert len(heard) == 2
    theirs = client_codec.StompFrame(command="SEND", headers=NASTY, body=body.encode())
    [read] = stomp.client_frames(client_codec.encode(theirs))
    assert read.headers.items() >= NASTY.items()
    assert read.body == body


def test_connect_knows_no_escapes_and_a_line_feed_is_no_frame() -> None:
    connect = client_codec.StompFrame(command="CONNECT", headers={"X-AUTH-TOKEN": "a\\b:c"})
    [read] = stomp.client_frames(client_codec.encode(connect))
    assert read.headers == {"X-AUTH-TOKEN": "a\\b:c"}
    assert stomp.client_frames(client_codec.HEARTBEAT) == []


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        '{"a": 1}',
        "[1]",
        '["SEND\\nno end"]',
        '["SEND\\nheader\\n\\n\\u0000"]',
        '["SEND\\n\\nno NUL"]',
        '["SEND\\ncontent-length:9\\n\\nshort\\u0000"]',
        '["SEND\\na:\\\\t\\n\\n\\u0000"]',
    ],
)
def test_what_is_no_frame_is_refused(message: str) -> None:
    with pytest.raises(stomp.BadFrameError):
        stomp.client_frames(message)
