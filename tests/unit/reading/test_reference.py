"""The reference pages name every public function, with what it takes, and every table."""

import re

import energy_platform as ep
from energy_platform.reading.dataset import datasets
from energy_platform.reading.reference import api_reference, data_dictionary


def test_every_public_name_has_its_place() -> None:
    described = re.findall(r"^## `(\w+)`$", api_reference(), re.MULTILINE)
    assert sorted(described) == sorted(set(ep.__all__) - {"__version__"})


def test_a_function_is_shown_with_arguments_answer_errors_and_example() -> None:
    page = api_reference()
    about_scan = page[page.index("## `scan`") : page.index("## `search`")]
    assert "ep.scan(name, *, start=None, end=None" in about_scan
    assert "- `as_of`: Only what was known by then; later rows" in about_scan
    assert "- `NeverStoredError`: The platform has never stored a row of it." in about_scan
    assert "```pycon\n>>> import energy_platform as ep\n" in about_scan
    assert "Args:" not in page


def test_every_error_is_told() -> None:
    assert "- `TooManyRowsError`: " in api_reference()


def test_every_column_of_every_table_has_its_line() -> None:
    page = data_dictionary(datasets().values())
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == datasets().keys()
    for name, about in datasets().items():
        assert re.findall(r"^\| `(\w+)` \|", sections[name], re.MULTILINE) == [
            column.name for column in about.columns
        ]
