"""The files of a checkout that follow from the catalogue: their content, and which differ.

`marts.dbt_sources` writes dbt's files, `grafana` Grafana's, and `reading` the copy of what a reader
knows of each source and the reference pages, and `operations.terraform_catalogue` Terraform's
copy of the tables. This module collects them for one checkout, and adds the README's table.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from energy_platform.errors import UsageError
from energy_platform.grafana import files as grafana_files
from energy_platform.market.source import MarketGroup, MarketSource
from energy_platform.marts.dbt_sources import STAGING
from energy_platform.marts.dbt_sources import generated_files as dbt_files
from energy_platform.operations.terraform_catalogue import file_content as terraform_file
from energy_platform.reading.dataset import file_content
from energy_platform.reading.declared import declared_datasets
from energy_platform.reading.reference import api_reference, data_dictionary

_DBT: Final = Path("dbt_project")
_GRAFANA: Final = Path("deploy/grafana")
_README: Final = Path("README.md")
_DATASETS: Final = Path("energy_platform/reading/datasets.json")
_FUNCTIONS: Final = Path("docs/reading/functions.md")
_TERRAFORM: Final = Path("deploy/terraform/catalogue.json")
_TABLES: Final = Path("docs/reading/tables.md")
_TABLE: Final = re.compile(
    r"(?<=<!-- sources: written by `energy-platform generate` -->\n).*(?=<!-- end of sources -->)",
    re.DOTALL,
)
_GROUPS: Final = tuple(MarketGroup)


def generated_files(checkout: Path, sources: Iterable[MarketSource]) -> dict[Path, str]:
    """Return the content of each generated file, by its path in the checkout.

    Raises:
        UsageError: The folder is no checkout, or its README has no place for the table.
    """
    known = list(sources)
    declared = declared_datasets(known)
    return {
        _README: _readme(checkout, known),
        _DATASETS: file_content(declared),
        _FUNCTIONS: api_reference(),
        _TABLES: data_dictionary(declared.values()),
        _TERRAFORM: terraform_file(known),
        **{_DBT / path: text for path, text in dbt_files(known).items()},
        **{_GRAFANA / path: text for path, text in grafana_files(known).items()},
    }


def differing_files(checkout: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Return the generated files that are missing, left over, or different."""
    there = {file.relative_to(checkout) for file in _owned(checkout)}
    return sorted(
        path
        for path in wanted.keys() | there
        if path not in wanted
        or not (checkout / path).is_file()
        or (checkout / path).read_text("utf-8") != wanted[path]
    )


def write_files(checkout: Path, wanted: Mapping[Path, str]) -> list[Path]:
    """Write the files that differ, and remove those left over; return both."""
    changed = differing_files(checkout, wanted)
    for path in changed:
        file = checkout / path
        if path in wanted:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(wanted[path], "utf-8")
        else:
            file.unlink()
    return changed


def _owned(checkout: Path) -> Iterator[Path]:
    """Yield the files of the folders that hold only generated files."""
    yield from (checkout / _DBT / STAGING).glob("*.*")
    yield from (file for file in (checkout / _GRAFANA).rglob("*.*") if file.suffix != ".md")


def _readme(checkout: Path, sources: Iterable[MarketSource]) -> str:
    try:
        text = (checkout / _README).read_text("utf-8")
    except OSError as error:
        raise UsageError(f"{checkout} is no checkout of the project: {error.strerror}") from None
    table = _source_table(sources)
    written, places = _TABLE.subn(lambda _: table, text)
    if places != 1:
        raise UsageError(f"{checkout / _README} has {places} places for the table of sources")
    return written


def _source_table(sources: Iterable[MarketSource]) -> str:
    """Return the README's table: group by group, each in alphabetical order."""
    ordered = sorted(sources, key=lambda source: (_GROUPS.index(source.group), source.name))
    lines = [
        "| source | market group | protocol | what |",
        "| --- | --- | --- | --- |",
        *(
            f"| `{one.name}` | {one.group} | {one.feed.protocol} | {_cell(one.description)} |"
            for one in ordered
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())
