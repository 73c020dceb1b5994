"""A Delta table in a local folder, whose files are named by their real paths.

delta-rs names a file as a URL would, `Gr%C3%BC%C3%9Fe` for `Grüße`, but without the scheme; polars
and DuckDB then look for a folder of that name.
"""

from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.table import FilePruningPredicateType, FilterType


class LocalDeltaTable(DeltaTable):
    """A Delta table whose files polars and DuckDB find, whatever the folder's name."""

    def file_uris(
        self,
        partition_filters: FilterType | None = None,
        *,
        file_pruning_predicate: FilePruningPredicateType | None = None,
    ) -> list[str]:
        """Return the path of every file of this version."""
        named = super().file_uris(partition_filters, file_pruning_predicate=file_pruning_predicate)
        return [unquote(uri) for uri in named]
