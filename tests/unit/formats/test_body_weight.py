"""Which bodies are read in the limited process: those of which a look does not say all."""

import pytest

from energy_platform.encodings.body_weight import MOST_SEPARATORS, weight
from tests.support import bombs

DECLARED = b"<?xml version='1.0' encoding='%s'?><a/>"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"a;b\n1;2\n", id="a table"),
        pytest.param(b'{"a": [1, 2]}', id="JSON"),
        pytest.param(b"\xef\xbb\xbf<a/>", id="XML with a mark"),
        pytest.param(DECLARED % b"UTF-8", id="XML in UTF-8"),
        pytest.param(DECLARED % b"ISO-8859-1", id="XML in Latin"),
        pytest.param(b"<?xml version='1.0'?><a/>", id="XML that says no encoding"),
        pytest.param(b"," * MOST_SEPARATORS, id="as many as may be"),
    ],
)
def test_a_text_with_few_separators_is_light(body: bytes) -> None:
    assert weight(body) is not None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bombs.grib(2, 2), id="GRIB"),
        pytest.param(b"\r\n \r\n" + bombs.grib(2, 2), id="GRIB after blanks"),
        pytest.param(bombs.hdf5(1), id="HDF5"),
        pytest.param(bombs.ods(), id="a workbook"),
        pytest.param(b"{}\n" * 100 + bombs.ods(), id="a ZIP archive behind a text"),
        pytest.param("<a/>".encode("utf-16"), id="UTF-16"),
        pytest.param("<a/>".encode("utf-32-le"), id="UTF-32"),
        pytest.param(DECLARED % b"UTF-7", id="XML in an encoding that hides its elements"),
        pytest.param(b"Lo\xa7\x94" + b"x", id="XML in EBCDIC"),
        pytest.param(b"<?xml version='1.0'" + b" " * 300 + b"?><a/>", id="a long declaration"),
        pytest.param(b" " * 300 + b"GRIB", id="many blanks first"),
        pytest.param(b"," * (MOST_SEPARATORS + 1), id="many separators"),
        pytest.param(b"a" * (5 << 20), id="a very long text"),
    ],
)
def test_all_else_is_heavy(body: bytes) -> None:
    assert weight(body) is None
