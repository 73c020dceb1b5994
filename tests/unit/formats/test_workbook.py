"""Workbooks are read within bounds: neither a far cell nor a bomb makes room for itself."""

import io
import zipfile

import pytest
import xlsxwriter

from energy_platform.encodings import workbook
from energy_platform.errors import ParseError
from tests.support import bombs


def a_workbook(*cells: tuple[int, int, object]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        for row, column, value in [(0, 0, "A"), (0, 1, "B"), *cells]:
            sheet.write(row, column, value)
    return file.getvalue()


def with_member(archive: bytes, name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(
        file, "w", zipfile.ZIP_DEFLATED
    ) as new:  # fmt: skip
        for member in old.namelist():
            new.writestr(member, content if member == name else old.read(member))
    return file.getvalue()


def with_another(archive: bytes, name: str, content: bytes) -> bytes:
    file = io.BytesIO(archive)
    with zipfile.ZipFile(file, "a") as opened:
        opened.writestr(name, content)
    return file.getvalue()


def member_of(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(name)


def test_every_cell_is_text() -> None:
    (sheet,) = workbook.sheets(a_workbook((1, 0, 12.5), (1, 1, "x"), (2, 0, 46_000)))
    assert sheet.rows() == [("12.5", "x"), ("46000", None)]


def test_a_formula_is_what_it_was_worked_out_to_be() -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "A")
        sheet.write_formula(1, 0, "=1+1", value=3)
    (read,) = workbook.sheets(file.getvalue())
    assert read.rows() == [("3",)]


@pytest.mark.parametrize(
    ("row", "column"), [(1_048_575, 0), (400_000, 3), (5, 16_383), (5, 52), (5, 702)]
)
def test_a_far_cell_is_refused_before_room_is_made(row: int, column: int) -> None:
    with pytest.raises(ParseError, match="too far to the right or down"):
        workbook.sheets(a_workbook((row, column, 1)))


@pytest.mark.parametrize("place", [b"zzzzzzA2", b"A99999999", b"", b"A", b"-1", b"A1A1"])
def test_a_cell_at_no_place_is_refused(place: bytes) -> None:
    name = "xl/worksheets/sheet1.xml"
    good = a_workbook((1, 0, 1))
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        sheet = archive.read(name).replace(b'r="A2"', b'r="' + place + b'"')
    with pytest.raises(ParseError, match="too far to the right or down"):
        workbook.sheets(with_member(good, name, sheet))


def test_a_wide_sheet_is_no_far_one() -> None:
    (sheet,) = workbook.sheets(a_workbook((299_998, 0, 1), (1, 51, 2)))
    assert sheet.shape == (299_998, 52)


def test_a_bomb_is_not_inflated() -> None:
    bomb = with_member(a_workbook(), "xl/sharedStrings.xml", bytes(129 << 20))
    assert len(bomb) < 1 << 20
    with pytest.raises(ParseError, match="too large"):
        workbook.sheets(bomb)


@pytest.mark.parametrize(
    "content", [b"", b"<worksheet", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
)
def test_a_broken_sheet_is_an_error_or_empty(content: bytes) -> None:
    broken = with_member(a_workbook(), "xl/worksheets/sheet1.xml", content)
    try:
        sheets = workbook.sheets(broken)
    except ParseError:
        return
    assert all(sheet.is_empty() for sheet in sheets)


def test_what_is_no_workbook_is_said() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(ParseError, match="not a workbook"):
        workbook.sheets(file.getvalue())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bombs.ods(), id="ODS"),
        pytest.param(
            with_another(a_workbook(), "content.xml", member_of(bombs.ods(), "content.xml")),
            id="ODS and XLSX in one",
        ),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + a_workbook(), id="behind an XLS"),
    ],
)
def test_no_other_format_of_workbooks_is_tried(body: bytes) -> None:
    with pytest.raises(ParseError, match="not a workbook"):
        workbook.sheets(body)
