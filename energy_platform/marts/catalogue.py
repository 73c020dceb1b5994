"""The marts, read from the YAML beside their SQL, which dbt reads too.

The processes that dbt starts import this module, so it imports neither the sources nor their feeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import polars as pl
import yaml

from energy_platform.market.column_info import ColumnInfo
from energy_platform.market.quantity import Quantity, quantity_of
from energy_platform.market.table import Table
from energy_platform.market.units import unit_of

TYPES: Final[Mapping[str, pl.DataType]] = {
    "timestamp": pl.Datetime("us", "UTC"),
    "string": pl.String(),
    "integer": pl.Int64(),
    "float": pl.Float64(),
    "boolean": pl.Boolean(),
}
"""The YAML's names of types, for both engines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MartTest:
    """A test that dbt runs on a mart after building it.

    Attributes:
        name: Its name in dbt and in Dagster.
        blocks: Whether a failure means that the mart is wrong, or only deserves a look.
    """

    name: str
    blocks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mart:
    """One mart.

    Attributes:
        name: Its name in the catalogue, in dbt and in Dagster.
        description: What it holds.
        key: Columns that tell one row from another.
        event_time: The instant by whose UTC day the mart is rebuilt and read.
        columns: Its columns with units and descriptions, in order.
        dtypes: Their polars types.
        upstream: The market sources that it is built from, and which of its days depend on a
            source's day: 0 the same, 1 the next.
        tests: The tests that dbt runs on it.
        vocabularies: The texts that columns are known to take, or the source's column that takes
            the same, `entsoe_load.bidding_zone`.
    """

    name: str
    description: str
    key: tuple[str, ...]
    event_time: str
    columns: tuple[ColumnInfo, ...]
    dtypes: Mapping[str, pl.DataType]
    upstream: Mapping[str, Sequence[int]]
    tests: tuple[MartTest, ...]
    vocabularies: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """The mart's table in the warehouse."""
        return Table(
            name=f"marts/{self.name}",
            dtypes=dict(self.dtypes),
            event_time=self.event_time,
            key=self.key,
        )


def project_folder() -> Path:
    """Return the dbt project: beside the library in a checkout, inside an installed library."""
    package = Path(__file__).resolve().parents[1]
    beside = package.parent / "dbt_project"
    return beside if beside.is_dir() else package / "dbt_project"


@cache
def marts() -> Mapping[str, Mart]:
    """Return every mart by name, in alphabetical order."""
    files = sorted((project_folder() / "models" / "marts").glob("*.yml"))
    found = [_mart(model) for file in files for model in _read(file)["models"]]
    return MappingProxyType({mart.name: mart for mart in found})


@cache
def source_tables() -> Mapping[str, Table]:
    """Return the market sources' tables in the warehouse, from the project's `sources.yml`."""
    (sources,) = _read(project_folder() / "models" / "staging" / "sources.yml")["sources"]
    return MappingProxyType({source["name"]: _source_table(source) for source in sources["tables"]})


def _read(file: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    return content


def _source_table(source: Mapping[str, Any]) -> Table:
    return Table(
        name=source["name"],
        dtypes={column["name"]: TYPES[column["data_type"]] for column in source["columns"]},
        event_time=source["config"]["meta"]["event_time"],
        key=tuple(source["config"]["meta"]["key"]),
    )


def _mart(model: Mapping[str, Any]) -> Mart:
    about, columns = model["config"]["meta"], model["columns"]
    dtypes = {column["name"]: TYPES[column["data_type"]] for column in columns}
    tests = [*model.get("data_tests", ())]
    tests += [test for column in columns for test in column.get("data_tests", ())]
    return Mart(
        name=model["name"],
        description=" ".join(model["description"].split()),
        key=tuple(about["key"]),
        event_time=about["event_time"],
        columns=tuple(
            ColumnInfo(
                name=column["name"],
                type=str(dtypes[column["name"]]),
                unit=unit_of(column["name"]),
                description=column["description"],
                nullable=column["name"] not in about["key"],
                quantity=_quantity(column, dtypes),
            )
            for column in columns
        ),
        dtypes=MappingProxyType(dtypes),
        upstream=MappingProxyType({**about["upstream"]}),
        tests=tuple(_test(said) for test in tests for said in test.values()),
        vocabularies=MappingProxyType({**about.get("vocabularies", {})}),
    )


def _quantity(column: Mapping[str, Any], dtypes: Mapping[str, pl.DataType]) -> Quantity:
    """Return the kind of quantity that a column declares, or that its name says.

    Raises:
        ValueError: Neither says it.
    """
    name = column["name"]
    declared = column.get("config", {}).get("meta", {}).get("quantity")
    if declared is not None:
        return Quantity(declared)
    said = quantity_of(name, dtypes[name], of_periods="delivery_end" in dtypes)
    if said is None:
        raise ValueError(f"column {name} may be of several kinds; say config: meta: quantity")
    return said


def _test(said: Mapping[str, Any]) -> MartTest:
    return MartTest(name=said["name"], blocks=said.get("config", {}).get("severity") != "warn")
