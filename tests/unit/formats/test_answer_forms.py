"""Forms are asked by the collector, which no answer may hold up or fill."""

import pytest

from energy_platform.encodings.answer_forms import json_form, xml_form
from energy_platform.encodings.json_reply import read_json
from energy_platform.encodings.xml_document import read_xml
from energy_platform.errors import OverBudgetError, ParseError
from tests.support import bombs
from tests.support.memory import A_FEW_HUNDRED_MEGABYTES, most_memory


@pytest.mark.parametrize("body", [b" " * 4_000 + b"x", b"<??>" * 900, b"<!---->" * 500])
def test_what_stands_before_a_root_is_tried_in_one_way_only(body: bytes) -> None:
    with pytest.raises(ParseError, match="no a"):
        xml_form("a")(body)


def test_a_reply_of_millions_of_nothings_is_no_answer() -> None:
    body = bombs.empty_objects(3_000_000)
    before = most_memory()
    with pytest.raises(ParseError, match="4,000,000 is the most"):
        json_form()(body)
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


def test_a_document_of_millions_of_nothings_is_refused_before_it_is_read() -> None:
    body = b"<a>%s</a>" % (b"<b/>" * 4_100_000)
    before = most_memory()
    with pytest.raises(OverBudgetError, match="4,000,000 is the most"):
        read_xml(body)
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES


@pytest.mark.parametrize("bomb", bombs.JSON)
def test_json_that_is_none_is_refused_whole_and_soon(bomb: str) -> None:
    try:
        read_json(bombs.JSON[bomb]())
    except ParseError:
        return
    assert bomb in ("a long number", "empty objects", "deep objects"), "these are JSON"


@pytest.mark.parametrize("bomb", bombs.XML)
def test_xml_does_not_grow(bomb: str) -> None:
    body = bombs.XML[bomb]()
    before = most_memory()
    with pytest.raises(ParseError):
        read_xml(body)
    assert most_memory() - before < A_FEW_HUNDRED_MEGABYTES
