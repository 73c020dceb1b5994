"""ZIP archives from outside are read within bounds."""

import io
import zipfile
from random import Random

import pytest

from energy_platform.encodings import zip_archive
from energy_platform.encodings.zip_archive import is_whole, only_member, opened_member
from energy_platform.errors import ParseError


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def test_the_one_member_that_fits() -> None:
    assert only_member(archive(produkt_a=b"rows", about=b"no"), "produkt_*") == b"rows"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not a whole ZIP archive"),
        (b"PK\x03\x04 and no more", "not a whole ZIP archive"),
        (archive(about=b"no"), r"no member like produkt_\* in the archive: about"),
        (archive(produkt_a=b"1", produkt_b=b"2"), r"2 members like produkt_\*"),
    ],
)
def test_what_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        only_member(body, "produkt_*")


def test_a_bomb_is_refused_before_it_is_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = archive(produkt_a=bytes(10_000_000))
    assert len(bomb) < 20_000
    monkeypatch.setattr(zip_archive, "_INFLATED_BYTES", 1_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(ParseError, match="10000000 bytes is too large"):
        only_member(bomb, "produkt_*")
    assert not is_whole(bomb)


def test_a_member_never_inflates_beyond_what_it_declares() -> None:
    lying = bytearray(archive(produkt_a=bytes(100_000)))
    for header, size_at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = lying.index(header) + size_at
        lying[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(ParseError, match="CRC"):
        only_member(bytes(lying), "produkt_*")


def test_whole_is_to_the_last_byte() -> None:
    whole = archive(produkt_a=b"rows " * 500)
    assert is_whole(whole)
    assert not any(is_whole(whole[:end]) for end in range(len(whole)))
    flipped = bytearray(whole)
    flipped[45] ^= 0xFF
    assert not is_whole(bytes(flipped))


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_whatever_is_broken_is_said_not_raised(packing: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as opened:
        opened.writestr("produkt_a", b"rows;" * 50)
    whole, random = buffer.getvalue(), Random(1)
    for _ in range(500):
        broken = bytearray(whole)
        broken[random.randrange(len(whole))] ^= random.randrange(1, 256)
        is_whole(bytes(broken))


def test_a_member_is_read_piece_by_piece_within_a_bound_of_its_own() -> None:
    large = archive(document=b"0" * 10_000)
    with opened_member(large, "doc*", max_bytes=10_000) as member:
        assert member.read(4) == b"0000"
    with (
        pytest.raises(ParseError, match="too large"),
        opened_member(large, "doc*", max_bytes=9_999),
    ):
        pytest.fail("it must not be opened")
