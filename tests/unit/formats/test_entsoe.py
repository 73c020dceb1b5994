"""ENTSO-E's questions, refusals and documents, where a test case can't show them."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from energy_platform.errors import FeedError, ParseError
from energy_platform.formats import entsoe
from energy_platform.formats.entsoe.codes import AREAS, BIDDING_ZONES, BORDERS, OUTAGE_AREAS
from energy_platform.market.raw_message import RawMessage

START = datetime(2026, 1, 1, 23, tzinfo=UTC)
NAMESPACE = "urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"
LOAD = entsoe.Document(type="A65", value="quantity", units=entsoe.POWER)


def point(position: object, value: object) -> str:
    return f"<Point><position>{position}</position><quantity>{value}</quantity></Point>"


def document(
    *points: str,
    curve: str = "A03",
    hours: int = 2,
    resolution: str = "PT15M",
    namespace: str = NAMESPACE,
) -> bytes:
    end = START + timedelta(hours=hours)
    return f"""<GL_MarketDocument xmlns="{namespace}"><type>A65</type><TimeSeries>
      <quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>{curve}</curveType>
      <Period><timeInterval><start>{START:%Y-%m-%dT%H:%MZ}</start><end>{end:%Y-%m-%dT%H:%MZ}</end>
      </timeInterval><resolution>{resolution}</resolution>{"".join(points)}</Period>
      </TimeSeries></GL_MarketDocument>""".encode()


def acknowledgement(text: str) -> bytes:
    return (
        '<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:'
        f'acknowledgementdocument:7:0"><Reason><code>999</code><text>{text}</text></Reason>'
        "</Acknowledgement_MarketDocument>"
    ).encode()


def values(body: bytes) -> list[tuple[datetime | None, float | None]]:
    rows = points(body)
    return list(zip(rows["delivery_start"], rows["value"], strict=True))


@given(
    listed=st.dictionaries(st.integers(1, 8), st.integers(0, 99), min_size=1),
    order=st.randoms(use_true_random=False),
    curve=st.sampled_from(["A01", "A03"]),
)
def test_gaps_mean_what_the_curve_type_says(
    listed: dict[int, int], order: object, curve: str
) -> None:
    shuffled = list(listed.items())
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    said = values(document(*(point(*each) for each in shuffled), curve=curve))
    wanted, last = [], None
    for position in range(1, 9):
        last = listed.get(position, last if curve == "A03" else None)
        if last is not None:
            wanted.append((START + (position - 1) * timedelta(minutes=15), float(last)))
    assert said == wanted


@pytest.mark.parametrize(
    ("resolution", "hours", "minutes"),
    [("PT1M", 1, 1), ("PT15M", 1, 15), ("PT30M", 2, 30), ("PT60M", 2, 60), ("PT1H", 2, 60)],
)
def test_resolutions(resolution: str, hours: int, minutes: int) -> None:
    rows = points(document(point(1, 5), hours=hours, resolution=resolution))
    assert rows.height == hours * 60 // minutes
    assert set(rows["resolution"]) == {f"PT{minutes}M"}
    assert (rows["delivery_end"] - rows["delivery_start"]).unique().to_list() == [
        timedelta(minutes=minutes)
    ]


@pytest.mark.parametrize(("resolution", "rows"), [("P1D", 31), ("P1M", 1)])
def test_months_and_days_follow_the_calendar(resolution: str, rows: int) -> None:
    said = points(document(point(1, 5), hours=24 * 31, resolution=resolution))
    assert said.height == rows
    assert said["delivery_end"][-1] == datetime(2026, 2, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize("namespace", ["urn:of:another:version:9:9", NAMESPACE])
def test_any_version_is_read_by_its_local_names(namespace: str) -> None:
    assert len(values(document(point(1, 5), namespace=namespace))) == 8


def test_a_document_without_a_namespace_is_read_too() -> None:
    body = document(point(1, 5)).replace(f' xmlns="{NAMESPACE}"'.encode(), b"")
    assert len(values(body)) == 8


def test_points_may_lack_and_may_hold_more_than_they_should() -> None:
    body = document(
        "<Point><position>1</position></Point>",
        "<Point><quantity>7</quantity><position> 2 </position><secondaryQuantity>1"
        "</secondaryQuantity></Point>",
        curve="A01",
    )
    assert values(body) == [(START, None), (START + timedelta(minutes=15), 7.0)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (document(point(1, 5)).replace(b">A65<", b">A75<"), "type A75, not A65"),
        (b'<GL_MarketDocument xmlns="a"><type>A65</type></GL_MarketDocument>', "without a series"),
        (acknowledgement("Not allowed"), "an acknowledgement without data: 999 Not allowed"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "document type"),
    ],
)  # fmt: skip
def test_another_document_is_refused_as_a_whole(body: bytes, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        points(body)


def beside(good: bytes, bad: bytes) -> bytes:
    """Return a document of which one series is good and another one is not."""
    series = bad[bad.index(b"<TimeSeries>") : bad.index(b"</GL_")]
    return good.replace(b"<TimeSeries>", series + b"<TimeSeries>", 1)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (document(), "without a point"),
        (document(point(1, 5), curve="A02"), "curveType A02"),
        (document(point(1, 5), resolution="PT7M"), "no multiple of PT7M"),
        (document(point(1, 5), resolution="PT0M"), "no multiple of PT0M"),
        (document(point(1, 5), resolution="soon"), "by soon"),
        (document(point(1, 5), hours=24 * 31, resolution="P7D"), "no multiple of 7d"),
        (document(point(1, 5), hours=0), "from 2026-01-01"),
        (document(point(1, 5), hours=24 * 9_000, resolution="PT1M"), "too long"),
        (document(point(1, 5)).replace(b"23:00Z</start>", b"23:00</start>"), "without a zone"),
        (document(point(1, 5)).replace(b">MAW<", b">MWH<"), "MWH, not MAW"),
        (document(point(1, 5)).replace(b"quantity_Measure_Unit.name", b"unit"), "nor the question"),
    ],
)
def test_a_series_that_is_not_known_to_be_right_is_refused_alone(bad: bytes, why: str) -> None:
    good = document(point(1, 5), point(3, 6))
    rows = points(beside(good, bad))
    refused = rows.filter(pl.col("refused").is_not_null())
    assert refused.height == 1
    assert why in refused["refused"][0]
    wanted = points(good)
    assert_frame_equal(rows.filter(pl.col("refused").is_null()), wanted)


def points(
    body: bytes, columns: dict[str, str] | None = None, asked: dict[str, str] | None = None
) -> pl.DataFrame:
    """Return what a reply says of load."""
    received_at = datetime(2026, 3, 1, tzinfo=UTC)
    message = RawMessage(body=body, received_at=received_at, context=asked or {})
    return entsoe.points([message], LOAD, columns or {})


def test_what_a_reply_leaves_out_is_what_was_asked_for() -> None:
    body = document(point(1, 5)).replace(b"quantity_Measure_Unit.name", b"unit")
    for unit, heights in {"MAW": [0, 8], "MWH": [1, 0]}.items():
        asked = {"quantity_Measure_Unit.name": unit, "outBiddingZone_Domain": "10YAT-APG------L"}
        columns = {"zone": "outBiddingZone_Domain.mRID"}
        rows = points(body, columns, asked)
        refused = pl.col("refused").is_not_null()
        assert [rows.filter(refused).height, rows.filter(~refused).height] == heights
        assert set(rows["zone"]) == {"10YAT-APG------L"}


def test_two_values_for_one_unit_cost_that_unit() -> None:
    rows = points(document(point(1, 5), point(1, 6), point(2, 7)))
    assert rows["refused"].is_not_null().to_list() == [True, True, *[False] * 7]
    assert rows["value"].to_list() == [5.0, 6.0, *[7.0] * 7]


@pytest.mark.parametrize(
    "value", ["<quantity>1</quantity><quantity>2</quantity>", "<quantity>1<a/></quantity>"]
)
def test_a_point_without_one_value_costs_its_unit(value: str) -> None:
    odd = f"<Point><position>2</position>{value}</Point>"
    rows = points(document(point(1, 5), odd, point(3, 7), curve="A01"))
    assert rows["value"].is_nan().to_list() == [False, True, False]


@pytest.mark.parametrize("position", ["x", "", "0", "1e3", "99999999999999999999"])
def test_a_value_does_not_hold_on_over_a_place_that_cannot_be_read(position: str) -> None:
    said = values(document(point(1, 5), point(position, 6), point(5, 7)))
    placed = [(at, value) for at, value in said if at is not None]
    assert placed[0] == (START, 5.0)
    assert [value for _, value in placed[1:]] == [7.0] * 4
    assert (None, 6.0) in said


def test_what_is_said_twice_is_one_row() -> None:
    body = document(point(1, 5), hours=1)
    series = body[body.index(b"<TimeSeries>") : body.index(b"</GL_")]
    twice = body.replace(b"</GL_", series + b"</GL_")
    assert values(twice) == values(body)


@pytest.mark.parametrize("status", [200, 400])
def test_no_data_is_no_failure(status: int) -> None:
    said = acknowledgement("No matching data found for Data item A (B) and interval C.")
    assert not entsoe.is_answer(status, said)


def test_any_other_acknowledgement_is_a_refusal() -> None:
    text = (
        "The amount of requested data exceeds allowed limit. Requested data contain 364 documents"
    )
    with pytest.raises(FeedError, match="exceeds allowed limit"):
        entsoe.is_answer(200, acknowledgement(text))
    with pytest.raises(FeedError, match="can't be read"):
        entsoe.is_answer(200, acknowledgement(text)[:-9])


def test_every_other_body_is_an_answer() -> None:
    assert entsoe.is_answer(200, document(point(1, 5)))
    assert entsoe.is_answer(200, b"PK\x03\x04")


def test_a_new_envelope_is_no_news() -> None:
    def made(name: str, at: str, value: int) -> bytes:
        head = f"<mRID>{name}</mRID><createdDateTime>{at}</createdDateTime><type>"
        return document(point(1, value)).replace(b"<type>", head.encode())

    assert entsoe.essence(made("a", "10:00", 5)) == entsoe.essence(made("b", "10:15", 5))
    assert entsoe.essence(made("a", "10:00", 5)) != entsoe.essence(made("a", "10:00", 6))


def test_windows_are_whole_quarters_of_a_day_and_hours() -> None:
    start = datetime(2026, 1, 1, 23, 40, tzinfo=UTC)
    asked = entsoe.window(start, start + timedelta(hours=2))
    assert asked == {"periodStart": "202601011800", "periodEnd": "202601020200"}


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "202603282300", "202603302200"),
        (datetime(2026, 10, 24, 21, 59, tzinfo=UTC), "202610232200", "202610252300"),
    ],
)
def test_market_days_are_local_and_reach_to_tomorrow(at: datetime, start: str, end: str) -> None:
    assert entsoe.market_days(at, at) == {"periodStart": start, "periodEnd": end}


def test_every_code_of_an_area_has_its_check_character() -> None:
    letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
    for code in AREAS.values():
        total = sum((16 - place) * letters.index(char) for place, char in enumerate(code[:15]))
        assert code[15] == letters[36 - (total - 1) % 37], code
    assert len(set(AREAS.values())) == len(AREAS)


def test_areas_and_borders_are_enough_for_europe() -> None:
    assert len(BIDDING_ZONES) >= 40
    assert len(BORDERS) >= 100
    assert len({frozenset(border) for border in BORDERS}) == len(BORDERS)
    assert {area for border in BORDERS for area in border} <= set(AREAS)
    assert set(OUTAGE_AREAS) <= set(AREAS)
