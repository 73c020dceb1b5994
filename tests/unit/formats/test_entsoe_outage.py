"""An answer that was packed anew and says the same is told from one that says more."""

import io
import zipfile

from energy_platform.formats.entsoe.outages import essence


def packed(minute: int, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 3, 1, 12, minute, 0)), content)
    return buffer.getvalue()


def test_when_an_archive_was_packed_says_nothing() -> None:
    assert packed(1, a=b"<x/>") != packed(2, a=b"<x/>")
    assert essence(packed(1, a=b"<x/>")) == essence(packed(2, a=b"<x/>"))


def test_what_is_in_it_does() -> None:
    said = essence(packed(1, a=b"<x/>"))
    assert said != essence(packed(1, a=b"<y/>"))
    assert said != essence(packed(1, b=b"<x/>"))
    assert said != essence(packed(1, a=b"<x/>", b=b""))


def test_a_broken_archive_and_a_document_are_what_they_are() -> None:
    whole = packed(1, a=b"<x/>")
    for body in (whole[:-9], b"PK", b"<Unavailability_MarketDocument/>"):
        assert essence(body) == body
