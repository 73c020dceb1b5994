"""SQL over the platform's tables, by DuckDB in this process."""

import json
from typing import TYPE_CHECKING, Any, Final, Unpack

import polars as pl
import polars.selectors as cs

from energy_platform.errors import MissingExtraError, UsageError
from energy_platform.reading.asking import Asked, taking_all_of
from energy_platform.reading.loading import Loading

if TYPE_CHECKING:
    import duckdb

_MOST_ROWS: Final = 50_000_000
_SAFE: Final[dict[str, str | bool | int | float | list[str]]] = {
    "enable_external_access": "false",
    "lock_configuration": "true",
}
"""A query reads the tables that it names, and no file or address."""

_NAIVE: Final = cs.datetime(time_zone="*").dt.convert_time_zone("UTC").dt.replace_time_zone(None)
"""Instants as DuckDB computes with them alone: without an extension it knows no time zones."""


class Sql(Loading):
    """Questions in SQL."""

    @taking_all_of(Loading.scan)
    def sql(self, text: str, *, max_rows: int = _MOST_ROWS, **asked: Unpack[Asked]) -> pl.DataFrame:
        """Return what a query says of the platform's tables.

        A table has the name of its source or mart, and the rows that `load` would return. They are
        read into memory: bound the time with `start` and `end`. Instants are UTC.

        Args:
            text: One `SELECT` in DuckDB's SQL.
            max_rows: Read nothing if a table has more rows than that in the window.
            asked: The arguments of `scan`, for every table: `start`, `end`, `as_of` and the others.

        Returns:
            The query's columns.

        Raises:
            UsageError: The text is no query, or names no table of the catalogue.
            MissingExtraError: DuckDB is not installed; the extra `notebook` has it.
            TooManyRowsError: A table has more than `max_rows` rows.

        >>> import energy_platform as ep
        >>> night = {"start": "2025-01-15 00:00", "end": "2025-01-15 02:00"}
        >>> highest = "select max(price_eur_per_mwh) from energy_charts_price"
        >>> ep.sql(highest, zone="Europe/Berlin", **night).rows()
        [(95.0,)]
        """
        try:
            import duckdb
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "duckdb", "notebook") from error
        if not isinstance(text, str):
            raise UsageError(f"`sql` takes the text of one SELECT, not {text!r}")
        with duckdb.connect(config=_SAFE) as connection:
            try:
                _require_query(connection, text)
                for name in sorted(_tables(connection, text)):
                    frame = self.load(name, max_rows=max_rows, progress=False, **asked)
                    connection.register(name, frame.with_columns(_NAIVE).to_arrow())
                return _frame(connection.sql(text))
            except duckdb.Error as error:
                raise UsageError(f"DuckDB says: {error}") from error


def _require_query(connection: "duckdb.DuckDBPyConnection", text: str) -> None:
    import duckdb

    statements = connection.extract_statements(text)
    if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
        raise UsageError("`sql` takes one SELECT, and nothing that writes")


def _tables(connection: "duckdb.DuckDBPyConnection", text: str) -> set[str]:
    """Return the tables that a query names, those of its own `with` left out."""
    found = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchall()
    named: set[str] = set()
    own: set[str] = set()
    nodes: list[Any] = [json.loads(found[0][0])]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                named.add(node["table_name"])
            own.update(one["key"] for one in node.get("cte_map", {}).get("map", ()))
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node
    return named - own


def _frame(answer: "duckdb.DuckDBPyRelation") -> pl.DataFrame:
    found = pl.DataFrame(answer.to_arrow_table())
    return found.with_columns(cs.datetime().dt.replace_time_zone("UTC"))
