"""The BigQuery warehouse as the platform opens it."""

import polars as pl

from energy_platform.warehouse.bigquery import reads
from energy_platform.warehouse.bigquery.client import Clients
from energy_platform.warehouse.bigquery.queries import DEFAULT_BUDGET, ReadBudget
from energy_platform.warehouse.protocol import Table
from energy_platform.warehouse.question import Question


class BigQueryWarehouse:
    """A `Warehouse` of BigQuery tables in one dataset. Threads may share it.

    Args:
        clients: The ways to BigQuery.
        budget: What an answer may scan.
    """

    def __init__(self, clients: Clients, budget: ReadBudget = DEFAULT_BUDGET) -> None:
        self._clients = clients
        self._budget = budget

    def scan(self, table: Table) -> pl.LazyFrame:
        """Return every revision, lazily; filters and column choices are pushed down."""
        return reads.scan(self._clients, table)

    def answer(self, question: Question) -> pl.LazyFrame:
        """Return the one row per key that is asked for, lazily, found by a query.

        Collecting it raises `ReadTooLargeError` where it would scan more than the budget allows.
        """
        return reads.answer(self._clients, question, self._budget)
