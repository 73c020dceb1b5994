"""Drift is named and nothing else is: what is new, what changed, what is gone, in every format."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fastexcel
import pytest
import xlsxwriter

from energy_platform.market.registry import market_sources
from energy_platform.pipeline.layouts.baseline import ALWAYS, Baseline
from energy_platform.pipeline.layouts.reading import layouts_of
from tests.recorded.manifest import FOLDER, needs_recorded
from tests.support.testcases import payloads_of_good_cases

PAYLOADS = FOLDER

RECORD = {"status": "C", "volume": 1.5, "start": "2026-03-29T00:00:00Z", "note": None}
"""A record of which each format makes a document of its own."""


def as_json(records: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps({"meta": {"version": 1}, "data": records}).encode()


def as_json_columns(records: Sequence[dict[str, Any]]) -> bytes:
    names = {name: None for record in records for name in record}
    return json.dumps({name: [record.get(name) for record in records] for name in names}).encode()


def as_xml(records: Sequence[dict[str, Any]]) -> bytes:
    rows = "".join(
        "<Row>" + "".join(f"<{n}>{v}</{n}>" for n, v in one.items() if v is not None) + "</Row>"
        for one in records
    )
    return f'<?xml version="1.0"?><Reply xmlns="urn:x"><id>1</id>{rows}</Reply>'.encode()


def as_soap(records: Sequence[dict[str, Any]]) -> bytes:
    body = as_xml(records).decode().partition("?>")[2]
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'<e:Envelope xmlns:e="{envelope}"><e:Body>{body}</e:Body></e:Envelope>'.encode()


def as_csv(records: Sequence[dict[str, Any]]) -> bytes:
    names = list({name: None for record in records for name in record})
    lines = [";".join(names)]
    for one in records:
        cells = ["" if one.get(name) is None else str(one.get(name)) for name in names]
        lines.append(";".join(cells).replace(".5", ",5"))
    return "\r\n".join(lines).encode("latin-1")


def as_zip(records: Sequence[dict[str, Any]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("produkt_20260329_00044.txt", as_csv(records))
    return packed.getvalue()


FORMATS = [as_json, as_json_columns, as_xml, as_soap, as_csv, as_zip]
Writer = Callable[[Sequence[dict[str, Any]]], bytes]


def settled(write: Writer, *, times: int = ALWAYS + 2) -> Baseline:
    baseline = Baseline()
    for count in range(1, times + 1):
        see(baseline, write([RECORD] * count))
    return baseline


def see(baseline: Baseline, body: bytes) -> list[str]:
    """Hold a message against the baseline, let it learn, and keep it as it is kept."""
    layouts = layouts_of(body)
    differences = baseline.differences(layouts)
    baseline.learn(layouts)
    baseline.documents = Baseline.from_json(baseline.to_json()).documents
    return differences


def named(differences: Sequence[str]) -> list[str]:
    """Return differences with places as mere names, which each format leads to in its own way."""
    return ["`".join(_last_name(part) for part in one.split("`")) for one in differences]


def _last_name(part: str) -> str:
    return part.replace("/", ".").rpartition(".")[2] if " " not in part else part


@pytest.mark.parametrize("write", FORMATS)
def test_a_new_field_is_named_as_long_as_it_is_there(write: Writer) -> None:
    baseline = settled(write)
    for _ in range(3):
        body = write([RECORD | {"price_forecast": 7}] * 3)
        assert named(see(baseline, body)) == [
            f"new field `price_forecast` ({'array' if write is as_json_columns else 'number'})"
        ]
    assert see(baseline, write([RECORD])) == []


@pytest.mark.parametrize("write", FORMATS)
def test_a_changed_type_is_named(write: Writer) -> None:
    baseline = settled(write)
    differences = see(baseline, write([RECORD | {"volume": "a lot"}] * 3))
    assert named(differences) == ["`volume` was number, is text"]


@pytest.mark.parametrize("write", FORMATS)
def test_a_missing_field_is_named(write: Writer) -> None:
    baseline = settled(write)
    without = {name: value for name, value in RECORD.items() if name != "status"}
    assert named(see(baseline, write([without] * 3))) == ["`status` is missing"]


def test_all_three_at_once_say_where() -> None:
    baseline = settled(as_json)
    drifted = {"volume": "1,5", "start": RECORD["start"], "note": None, "price": 1}
    assert see(baseline, as_json([drifted])) == [
        "`data.volume` was number, is text",
        "new field `data.price` (number)",
        "`data.status` is missing",
    ]


def test_a_workbook_has_the_layout_of_its_header(tmp_path: Path) -> None:
    def as_xlsx(header: Sequence[str], row: Sequence[Any]) -> bytes:
        file = tmp_path / "book.xlsx"
        with xlsxwriter.Workbook(file) as book:
            sheet = book.add_worksheet("Results")
            sheet.write_row(0, 0, header)
            sheet.write_row(1, 0, row)
        return file.read_bytes()

    assert fastexcel.read_excel(as_xlsx(["a", "b"], [1, "x"])).sheet_names == ["Results"]
    baseline = Baseline()
    for _ in range(ALWAYS):
        assert see(baseline, as_xlsx(["PRODUCT", "PRICE"], ["NEGPOS_00_04", 4.2])) == []
    assert see(baseline, as_xlsx(["PRODUCT", "COST", "PRICE"], ["x", 1.0, "n/v"])) == [
        "new field `COST` (number)",
        "`PRICE` was number, is text",
    ]
    assert see(baseline, as_xlsx(["PRODUCT"], ["x"])) == ["`PRICE` is missing"]


@pytest.mark.parametrize("write", FORMATS)
def test_ordinary_variation_is_no_drift(write: Writer) -> None:
    baseline = settled(write)
    assert see(baseline, write([RECORD | {"volume": 2}])) == [], "a whole number is a number"
    assert see(baseline, write([RECORD | {"volume": None}, RECORD])) == [], "null is no type"
    if write not in (as_xml, as_soap):  # where what says nothing is not there at all
        assert see(baseline, write([RECORD | {"note": "now it says something"}])) == []
    assert see(baseline, write([RECORD] * 500)) == []
    assert see(baseline, write([])) == [], "an empty answer hides its fields"


def test_a_field_that_was_not_always_there_may_be_gone() -> None:
    baseline = Baseline()
    optional = RECORD | {"reason": "maintenance"}
    see(baseline, as_json([optional]))
    for count in range(3 * ALWAYS):
        assert see(baseline, as_json([RECORD if count % 2 else optional])) == []


def test_a_field_may_be_gone_before_it_was_there_often_enough() -> None:
    baseline = settled(as_json, times=ALWAYS - 1)
    assert see(baseline, as_json([{"volume": 1.5}])) == []


def test_optional_elements_are_learned_while_there_are_few_documents() -> None:
    baseline = settled(as_xml, times=3)
    assert see(baseline, as_xml([RECORD | {"reason": "x"}])) == []
    assert see(baseline, as_xml([RECORD])) == []


def test_a_document_of_another_kind_is_none_of_the_first() -> None:
    baseline = settled(as_xml)
    refused = b"<Acknowledgement><Reason><code>999</code></Reason></Acknowledgement>"
    assert see(baseline, refused) == []
    assert see(baseline, b'{"error": true, "reason": "no"}') == []
    assert see(baseline, as_xml([RECORD])) == []
    assert named(see(baseline, as_xml([RECORD | {"more": 1}]))) == ["new field `more` (number)"]
    assert len(baseline.documents) == 3


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"2026-03-28": 1, "2026-03-29": 2}, {"2026-03-30": 3}),
        ({"entryPerArea": {"SE3": 1.5}}, {"entryPerArea": {"SE4": 1.5, "DE-LU": 2}}),
        (
            {"id": 1, "border_AT_CZ": 1, "border_AT_HU": 2},
            {"id": 1, "border_AT_CZ": None, "border_DE_FR": 2},
        ),
        ({"date": "x", "value1": 1, "value2": 2}, {"date": "x", "value3": 1}),
        ({"Data": "20260329", "NORD": "1,5", "SUD": "2,5"}, {"Data": "20260330", "CALA": "3,5"}),
    ],
)
def test_names_that_are_data_come_and_go(first: dict[str, Any], later: dict[str, Any]) -> None:
    baseline = Baseline()
    for _ in range(ALWAYS + 1):
        see(baseline, json.dumps([first]).encode())
    assert see(baseline, json.dumps([later]).encode()) == []
    more = {**later, "comment": "a field, whatever is beside it"}
    assert see(baseline, json.dumps([more]).encode()) == ["new field `comment` (text)"]


def test_fields_in_capitals_are_fields() -> None:
    baseline = Baseline()
    row = {"ID": 1, "NAME": "x", "PRICE": 2.5}
    for _ in range(ALWAYS):
        see(baseline, json.dumps([row]).encode())
    assert see(baseline, json.dumps([{"ID": 1, "PRICE": 2.5, "VOLUME": 1}]).encode()) == [
        "new field `VOLUME` (number)",
        "`NAME` is missing",
    ]


def test_an_inline_schema_is_no_data() -> None:
    def with_zones(*zones: str) -> bytes:
        schema = "".join(f'<xs:element name="{zone}"/>' for zone in zones)
        values = "".join(f"<{zone}>1,5</{zone}>" for zone in zones)
        return (
            '<NewDataSet><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'
            f"{schema}</xs:schema><Prezzi><Data>20260329</Data><Ora>1</Ora>{values}</Prezzi>"
            "</NewDataSet>"
        ).encode()

    baseline = Baseline()
    for _ in range(ALWAYS + 1):
        see(baseline, with_zones("NORD", "SUD", "CNOR"))
    assert see(baseline, with_zones("NORD", "SUD", "CALA", "SICI")) == []


def test_accepting_widens_and_lets_go() -> None:
    baseline = settled(as_json)
    drifted = as_json([{"volume": "1,5", "start": "2026-03-29", "note": None, "price": 1}])
    assert len(see(baseline, drifted)) == 3
    baseline.accept(layouts_of(drifted))
    assert see(baseline, drifted) == []
    assert see(baseline, as_json([RECORD])) == [], "what was accepted before stays"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[" * 100_000, b"<a><b></a>", b"PK\x03\x04 no archive", b"GRIB\x00\x00\x00\x01",
        b"Application is not available, sorry", b"\xff\xfe\x00", b"[]", b"{}", b"null",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>' + b"<b>1</b>" * 60_000 + b"</a>",
    ],
)  # fmt: skip
def test_what_has_no_layout_has_none(body: bytes) -> None:
    assert layouts_of(body) == []


def test_of_a_large_body_the_beginning_is_held_against_what_is_known() -> None:
    baseline = settled(as_json)
    large = [RECORD | {"extra": 1}] * 20_000
    assert len(as_json(large)) > 1_000_000
    assert see(baseline, as_json(large)) == ["new field `data.extra` (number)"]
    assert see(baseline, as_json([RECORD] * 20_000)) == []
    of_xml = settled(as_xml)
    assert named(see(of_xml, as_xml(large))) == ["new field `extra` (number)"]
    assert see(of_xml, as_xml([RECORD] * 20_000)) == []


@pytest.mark.parametrize("source", market_sources())
def test_a_sources_own_cases_are_no_drift(source: str) -> None:
    """Every good case of a source after every other: what varies there is ordinary."""
    bodies = [payload.read_bytes() for payload in payloads_of_good_cases(source)]
    baseline = Baseline()
    baseline.learn(layout for body in bodies for layout in layouts_of(body))
    for body in bodies * ALWAYS:
        assert see(baseline, body) == []


@needs_recorded
@pytest.mark.parametrize(
    "pattern",
    ["ote/ote-elec*", "smard/*", "open_meteo/*archive*", "entsoe/hass_*", "dwd/*", "grib/*"],
)
def test_recorded_replies_are_no_drift(pattern: str) -> None:
    bodies = [file.read_bytes() for file in sorted(PAYLOADS.glob(pattern))]
    assert bodies
    baseline = Baseline()
    for body in bodies * ALWAYS:
        assert see(baseline, body) == []
