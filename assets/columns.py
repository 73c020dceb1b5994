"""The columns of a market source or a mart in Dagster's catalogue."""

from collections.abc import Iterable

from dagster import TableColumn, TableColumnConstraints, TableSchema

from energy_platform.market.column_info import ColumnInfo


def column_schema(columns: Iterable[ColumnInfo]) -> TableSchema:
    """Return columns in the form of Dagster's catalogue, units included."""
    return TableSchema([_column(column) for column in columns])


def _column(column: ColumnInfo) -> TableColumn:
    return TableColumn(
        name=column.name,
        type=column.type,
        description=column.described,
        constraints=TableColumnConstraints(nullable=column.nullable),
        tags={"unit": column.unit} if column.unit else {},
    )
