"""What makes a message a whole list, so that what it leaves out is withdrawn.

Bids of a tender, the stretches of an outage, the orders of a book: a newer list that no longer has
one of them takes it back. A value that is missing from a time series is unknown, and no list.
How rows are withdrawn is the business of `energy_platform.history.withdrawals`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import polars as pl

WITHDRAWN: Final = "withdrawn"
"""The column, of tables that are made of whole lists, which says that a row is no longer listed."""


@dataclass(frozen=True, kw_only=True)
class WholeList:
    """How the lists of one source are told apart, and what of a list can be withdrawn.

    Attributes:
        name: The parts of a list's name, each as text by the columns of the list's rows.
        asked: Where a message's context says the parts of the name. A message whose context says
            them all is that one list, also when it holds no row; if it holds a row of another
            list, it is no list.
        whole: Which rows are of a whole list. The others change a list, and leave nothing out.
        item: Columns that tell one item of a list from another; None for the key's columns that
            are no part of the name.
        number: The column in which the provider numbers its lists. Where it is None, the list that
            was received later is the newer one.
        gone: Which rows say themselves that their item is no longer listed.
        reach: How long before the earliest row of a newer list the rows may begin which it leaves
            out; None for any time.
    """

    name: Mapping[str, pl.Expr]
    asked: Mapping[str, str] = field(default_factory=dict)
    whole: pl.Expr = field(default_factory=lambda: pl.lit(value=True))
    item: tuple[str, ...] | None = None
    number: str | None = None
    gone: pl.Expr = field(default_factory=lambda: pl.lit(value=False))
    reach: timedelta | None = None

    def items(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns that tell one item of a list from another, given a source's key."""
        return self.item or tuple(name for name in key if name not in self.name)

    def asked_for(self, context: Mapping[str, str]) -> tuple[str, ...] | None:
        """Return the name of the list that a message's context asks for; None if it says none."""
        if not self.asked or not all(self.asked.get(part, "") in context for part in self.name):
            return None
        return tuple(context[self.asked[part]] for part in self.name)
