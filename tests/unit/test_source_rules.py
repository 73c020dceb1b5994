"""A source that can't be fails where it is defined, with field and mend: one case for each rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pandera.polars as pa
import polars as pl
import pytest

from energy_platform.errors import SourceDefinitionError
from energy_platform.feeds.ftp import FtpFeed
from energy_platform.feeds.rest import RestFeed, RestRequest
from energy_platform.market.provider import Provider
from energy_platform.market.rows import DeliveryRows, Instant, MarketRows
from energy_platform.market.source import MarketSource
from energy_platform.market.whole_list import WholeList
from tests.support.sources import EXAMPLE, ExampleRows

HOUR = timedelta(hours=1)
BY_ZONE = {"zone": pl.col("bidding_zone")}
REST = RestFeed(
    provider=EXAMPLE.provider,
    requests=lambda start, end: [RestRequest(url="https://example.org", params={"zone": "CZ"})],
    every=HOUR,
    span=2 * HOUR,
)


class NoUnit(ExampleRows):
    load: float = pa.Field(description="Load")


class NoDescription(ExampleRows):
    load_mw: float


class NarrowNumber(ExampleRows):
    load_mw: pl.Float32 = pa.Field(description="Load")


class LocalTime(ExampleRows):
    local_start: pl.Date = pa.Field(description="Day")


class NoNumber(DeliveryRows):
    zone: str = pa.Field(description="Zone")


class MaybeTime(ExampleRows):
    settled_at: Instant = pa.Field(nullable=True, description="When it was settled")


class Numbered(ExampleRows):
    version: int = pa.Field(description="Revision")


def raises(_start: datetime, _end: datetime) -> NoReturn:
    raise KeyError("zone")


WRONG: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "a key that is one text": (
        {"key": "delivery_start"},
        "key: input should be a valid tuple, not 'delivery_start'",
    ),
    "a group by its name": (
        {"group": "gas"},
        "group: input should be an instance of MarketGroup, not 'gas'",
    ),
    "a lag in seconds": (
        {"expected_lag": 60},
        "expected_lag: input should be a valid timedelta, not 60",
    ),
    "a feed that is none": ({"feed": "https://example.org"}, "feed: input should be an instance"),
    "rows that are no model": ({"rows": dict}, "rows: input should be a subclass of MarketRows"),
    "a parser that is called too early": ({"parse": None}, "parse: input should be callable"),
    "a column of a type that no store holds": (
        {"rows": NarrowNumber},
        "rows: NarrowNumber.load_mw is Float32; a column's type is one of String, Int64",
    ),
    "a date": ({"rows": LocalTime}, "rows: LocalTime.local_start is Date; a column's type is"),
    "a name with a blank": ({"name": "Example price"}, "name: 'Example price' is no name"),
    "no description": ({"description": " "}, "description: is empty"),
    "no terms": ({"terms": ""}, "terms: is empty"),
    "a provider without a name": ({"provider": Provider(name="")}, "provider: is empty"),
    "a column that is not described": (
        {"rows": NoDescription},
        'rows: NoDescription.load_mw has no description; write pa.Field(description="…")',
    ),
    "a number without a unit": (
        {"rows": NoUnit},
        "rows: NoUnit.load says no unit; end its name with one of energy_platform/market/units.py",
    ),
    "no key": (
        {"key": ()},
        "key: is empty; name what tells one fact from another of delivery_start",
    ),
    "a key column that does not exist": (
        {"key": ("zone", "delivery_start")},
        "key: 'zone' is no column of ExampleRows; choose from",
    ),
    "a key of where a row came from": (
        {"key": ("bidding_zone", "received_at")},
        "key: 'received_at' does not fit; choose from",
    ),
    "a key column twice": ({"key": ("bidding_zone",) * 2}, "key: names bidding_zone twice"),
    "an event time that does not exist": (
        {"event_time": "start"},
        "event_time: 'start' is no column of ExampleRows; choose from",
    ),
    "an event time that is none": (
        {"event_time": "bidding_zone"},
        "event_time: 'bidding_zone' is String, no instant; take",
    ),
    "an event time that may be null": (
        {"rows": MaybeTime, "event_time": "settled_at"},
        "event_time: 'settled_at' may be null",
    ),
    "no lag": ({"expected_lag": timedelta()}, "expected_lag: 0:00:00 is not above zero"),
    "a variable that is none": (
        {"required_environment": ("api-key",)},
        "required_environment: 'api-key' is no variable; write it LIKE_THIS",
    ),
    "a revision that does not exist": (
        {"revision": "version"},
        "revision: 'version' is no column of ExampleRows; choose from",
    ),
    "a revision that has no order": (
        {"revision": "bidding_zone"},
        "revision: 'bidding_zone' is String; take a whole number or an instant",
    ),
    "a revision in the key": (
        {"rows": Numbered, "revision": "version", "key": ("version", "delivery_start")},
        "revision: 'version' is in the key",
    ),
    "a list named by a column that does not exist": (
        {"whole_list": WholeList(name={"zone": pl.col("zone")})},
        "whole_list: 'zone' is no column of ExampleRows; choose from",
    ),
    "lists numbered by what is not in the key": (
        {"rows": Numbered, "whole_list": WholeList(name=BY_ZONE, number="version")},
        "whole_list: 'version' does not fit; choose from bidding_zone, delivery_start",
    ),
    "a list whose question says half of its name": (
        {"whole_list": WholeList(name=BY_ZONE, asked={"area": "zone"})},
        "whole_list: asked names area, and a list's name has zone; say all its parts or none",
    ),
    "a vocabulary of a column that does not exist": (
        {"vocabularies": {"zone": ["CZ"]}},
        "vocabularies: 'zone' is no column of ExampleRows; choose from bidding_zone",
    ),
    "a vocabulary of numbers": (
        {"vocabularies": {"price_eur_per_mwh": ["1"]}},
        "vocabularies: 'price_eur_per_mwh' does not fit; choose from bidding_zone",
    ),
    "a hot tag that does not exist": (
        {"hot_tags": ("zone",)},
        "hot_tags: 'zone' is no column of ExampleRows; choose from bidding_zone, delivery_start",
    ),
    "a hot field that does not exist": (
        {"hot_fields": ("price",)},
        "hot_fields: 'price' is no column of ExampleRows; choose from delivery_end, price",
    ),
    "hot fields without a number": (
        {"hot_fields": ("delivery_end",)},
        "hot_fields: ExampleRows has no number that a dashboard can plot",
    ),
    "a hot field that is a tag": (
        {"hot_fields": ("bidding_zone",)},
        "hot_fields: 'bidding_zone' does not fit; choose from",
    ),
    "nothing to plot": (
        {"rows": NoNumber, "key": ("zone", "delivery_start")},
        "hot_fields: NoNumber has no number that a dashboard can plot",
    ),
    "layouts by what no message says": (
        {"feed": REST, "layouts_by": ("product",)},
        "layouts_by: no message says 'product' in its context; choose from content_type, url, zone",
    ),
    "questions that can't be put": (
        {"feed": replace(REST, requests=raises)},
        "feed: requests raises KeyError: 'zone'",
    ),
}


@pytest.mark.parametrize(("wrong", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_source_says_its_field_and_the_mend(wrong: Mapping[str, Any], said: str) -> None:
    with pytest.raises(SourceDefinitionError) as raised:
        replace(EXAMPLE, **wrong)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SourceDefinitionError, match=r"^description: .*; key: .*; event_time: "):
        replace(EXAMPLE, description="", key=("zone",), event_time="start")


WRONG_FEEDS: Mapping[str, tuple[Callable[[], object], str]] = {
    "a window shorter than its overlap": (
        lambda: replace(REST, overlap=3 * HOUR),
        "feed: span (2:00:00) must be longer than overlap (3:00:00) and ahead (0:00:00) together",
    ),
    "no time between rounds": (
        lambda: replace(REST, every=timedelta()),
        "feed: every (0:00:00) must be above zero",
    ),
    "a past without a window": (
        lambda: replace(REST, history_chunk=timedelta()),
        "feed: history_chunk (0:00:00) must be above zero",
    ),
    "a negative overlap": (
        lambda: replace(REST, overlap=-HOUR),
        "feed: overlap (-1 day, 23:00:00) must not be below zero",
    ),
    "an FTP address of another scheme": (
        lambda: ftp("sftp://example.org/prices/"),
        "feed: url (sftp://example.org/prices/) must be a folder like",
    ),
    "an FTP address that is no folder": (
        lambda: ftp("ftp://example.org/prices"),
        "feed: url (ftp://example.org/prices) must be a folder like",
    ),
}


def ftp(url: str) -> FtpFeed:
    return FtpFeed(provider=EXAMPLE.provider, url=url, pattern="*", is_complete=bool)


@pytest.mark.parametrize(("make", "said"), WRONG_FEEDS.values(), ids=WRONG_FEEDS)
def test_a_wrong_feed_says_its_field_and_the_mend(make: Callable[[], object], said: str) -> None:
    with pytest.raises(SourceDefinitionError) as raised:
        make()
    assert str(raised.value).startswith(said)


def test_an_added_field_is_held_to_its_type_as_well() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wider(MarketSource):
        stations: tuple[str, ...] = ()

    parts = {name: getattr(EXAMPLE, name) for name in MarketSource.__dataclass_fields__}
    assert Wider(**parts, stations=("10381",)).rows is ExampleRows
    with pytest.raises(SourceDefinitionError, match="stations: input should be a valid tuple"):
        Wider(**parts, stations="10381")  # type: ignore[arg-type]


def test_a_model_of_bare_rows_can_be_a_source() -> None:
    class Bare(MarketRows):
        at: Instant = pa.Field(description="When")
        load_mw: float = pa.Field(description="Load")

    assert replace(EXAMPLE, rows=Bare, key=("at",), event_time="at").fields == ("load_mw",)
