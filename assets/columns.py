"""How Dagster's catalogue shows a column, whether of a market source or of a mart."""

from collections.abc import Iterable

from dagster import TableColumn, TableColumnConstraints, TableSchema

from energy_platform.market.column_info import ColumnInfo


def column_schema(columns: Iterable[ColumnInfo]) -> TableSchema:
    """Return columns as Dagster's catalogue shows them, units included."""
    return TableSchema([_column(column) for column in columns])


def _column(column: ColumnInfo) -> TableColumn:
    return TableColumn(
        name=column.name,
        type=column.type,
        description=column.described,
        constraints=TableColumnConstraints(nullable=column.nullable),
        tags={"unit": column.unit} if column.unit else {},
    )
