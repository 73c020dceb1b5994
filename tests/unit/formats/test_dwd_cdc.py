"""DWD's station observations, against texts in its form and the recorded files."""

import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from energy_platform.errors import ParseError
from energy_platform.formats.dwd_cdc import WIND_PRODUCTS, Product, observations
from energy_platform.market.raw_message import RawMessage
from energy_platform.pipeline.checks import check_messages
from energy_platform.sources.dwd_wind_observation import DWD_WIND_OBSERVATION
from tests.recorded.manifest import FOLDER, needs_recorded

RECORDED = FOLDER / "dwd"
WIND = "STATIONS_ID;MESS_DATUM;  QN;FF_10;DD_10;eor\r\n"
SOLAR = Product(
    name="10_minutes/solar",
    values={
        "DS_10": "diffuse_j_per_cm2",
        "GS_10": "global_j_per_cm2",
        "SD_10": "sunshine_hours",
        "LS_10": "longwave_j_per_cm2",
    },
)


def an_archive(text: str, name: str = "produkt_zehn_now_ff_1.txt") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("Metadaten_Geographie_00003.txt", "Stationshöhe".encode("latin-1"))
        opened.writestr(name, text.encode("latin-1"))
    return buffer.getvalue()


def row(label: str, speed: str = "   4.2") -> str:
    return f"          3;{label};    1;{speed}; 230;eor\r\n"


def observed(body: bytes, products: Sequence[Product] = WIND_PRODUCTS) -> pl.DataFrame:
    return observations([RawMessage(body=body, received_at=datetime.now(UTC))], products)


def checked(body: bytes) -> tuple[int, list[str]]:
    """Return how many rows are good, and the reasons of what is not."""
    message = RawMessage(body=body, received_at=datetime.now(UTC), landing_offset=0)
    result = check_messages(DWD_WIND_OBSERVATION, [message])
    return result.rows.height, result.quarantined["reason"].to_list()


def test_padding_missing_values_and_latin_1() -> None:
    text = WIND + row("202607011210") + row("202607011220", "  -999")
    rows = observed(an_archive(text)).rows(named=True)
    assert rows[0] | {"wind_speed_m_per_s": 4.2, "wind_direction_deg": 230.0} == rows[0]
    assert (rows[0]["station_id"], rows[0]["product"]) == ("00003", "10_minutes/wind")
    assert rows[0]["observed_at"] == datetime(2026, 7, 1, 12, 10, tzinfo=UTC)
    assert rows[1]["wind_speed_m_per_s"] is None
    assert rows[1]["gust_speed_m_per_s"] is None


def test_ten_minutes_before_2000_are_cet_and_hours_are_not() -> None:
    def first(text: str) -> object:
        return observed(an_archive(text))["observed_at"][0]

    hours = "STATIONS_ID;MESS_DATUM;QN_3;   F;   D;eor\r\n"
    assert first(WIND + row("199912312350")) == datetime(1999, 12, 31, 22, 50, tzinfo=UTC)
    assert first(WIND + row("199907010000")) == datetime(1999, 6, 30, 23, 0, tzinfo=UTC)
    assert first(WIND + row("200001010000")) == datetime(2000, 1, 1, tzinfo=UTC)
    assert first(hours + row("1999123123")) == datetime(1999, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)]
)
def test_days_of_a_clock_change_have_144_instants(day: datetime) -> None:
    labels = [f"{day + number * timedelta(minutes=10):%Y%m%d%H%M}" for number in range(144)]
    times = observed(an_archive(WIND + "".join(map(row, labels))))["observed_at"]
    assert times.n_unique() == 144
    assert times.diff().drop_nulls().unique().to_list() == [timedelta(minutes=10)]


def test_what_is_no_number_fails_its_row_alone() -> None:
    text = WIND + row("202607011210") + row("202607011220", "   4,2") + row("2026x7011230")
    good, reasons = checked(an_archive(text))
    assert good == 1
    assert "wind_speed_m_per_s = NaN" in reasons[0]
    assert "observed_at = null" in reasons[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "are not those of an observation"),
        (WIND.replace("FF_10", "DS_10") + row("202607011210"), "DS_10, DD_10 are none of the"),
        ("", "produkt text"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        observed(an_archive(text))


@pytest.mark.parametrize("kept", [20, -5])
def test_a_row_that_is_cut_off_is_refused_alone(kept: int) -> None:
    text = WIND + row("202607011210") + row("202607011220")[:kept]
    rows = observed(an_archive(text))
    assert rows["refused"].to_list() == [None, "the row does not end with eor"]


def test_archives_read_together_are_those_of_each_alone() -> None:
    hours = "STATIONS_ID;MESS_DATUM;QN_3;   F;   D;eor\r\n"
    first, second = row("202607011210"), row("202607011220")
    texts = [
        WIND + first,
        WIND,
        WIND + (first + second).rstrip(),
        hours + first,
        "\r\n" + WIND + first + second,
        WIND + first + "\r\n" + second,
        "\r\n" + hours + second,
        WIND + second[:-5],
    ]
    now = datetime.now(UTC)
    messages = [
        RawMessage(body=an_archive(text), received_at=now, landing_offset=offset)
        for offset, text in enumerate(texts)
    ]
    each = [observations([message], WIND_PRODUCTS) for message in messages]
    assert [one.height for one in each] == [1, 0, 2, 1, 2, 3, 1, 1]
    assert observations(messages, WIND_PRODUCTS).equals(pl.concat(each))


def test_a_new_product_is_a_value() -> None:
    text = (
        "STATIONS_ID;MESS_DATUM;  QN;DS_10;GS_10;SD_10;LS_10;eor\r\n"
        "       1766;202306090000;    2;   1.5;   2.5;   0.100;-999;eor\r\n"
    )
    [only] = observed(an_archive(text), [SOLAR]).rows(named=True)
    assert (only["diffuse_j_per_cm2"], only["sunshine_hours"]) == (1.5, 0.1)
    assert only["longwave_j_per_cm2"] is None


@needs_recorded
@pytest.mark.parametrize(
    ("file", "rows"),
    [
        ("observations_recent_FF_akt.zip", 10),
        ("observations_recent_extrema_wind_akt.zip", 60),
    ],
)
def test_recorded_wind(file: str, rows: int) -> None:
    assert checked((RECORDED / file).read_bytes()) == (rows, [])


@needs_recorded
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("10minutenwerte_SOLAR_01766_akt.zip", "columns DS_10, GS_10, SD_10, LS_10 are none of"),
        ("10minutenwerte_SOLAR_01766_now.zip", "columns DS_10, GS_10, SD_10, LS_10 are none of"),
        ("observations_recent_TU_akt.zip", "columns TT_TU, RF_TU are none of the known products"),
        ("observations_recent_P0_hist.zip", "columns P, P0 are none of the known products"),
        ("Meta_Daten_zehn_min_sd_01766.zip", "no member like produkt_*.txt in the archive"),
        ("MOSMIX_L_LATEST.kmz", "no member like produkt_*.txt in the archive: MOSMIX_L_20230"),
        ("10315-BEOB.csv", "not a whole ZIP archive"),
    ],
)
def test_recorded_files_of_other_products_say_why_they_are_refused(file: str, reason: str) -> None:
    good, [said] = checked((RECORDED / file).read_bytes())
    assert good == 0
    assert said.startswith(reason)


@needs_recorded
@pytest.mark.parametrize(
    ("file", "rows"),
    [("10minutenwerte_SOLAR_01766_akt.zip", 288), ("10minutenwerte_SOLAR_01766_now.zip", 75)],
)
def test_recorded_solar_needs_no_more_than_its_product(file: str, rows: int) -> None:
    assert observed((RECORDED / file).read_bytes(), [SOLAR]).height == rows
