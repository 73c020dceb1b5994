"""What makes a message a whole list, so that items which it leaves out are withdrawn.

Bids of a tender, the stretches of an outage and the orders of a book are lists: a newer list
without one of its items withdraws the item. A time series is no list: a missing value is unknown.
`energy_platform.history.withdrawals` applies the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import polars as pl

WITHDRAWN: Final = "withdrawn"
"""The column that marks a row as no longer listed, in tables made of whole lists."""


@dataclass(frozen=True, kw_only=True)
class WholeList:
    """How a source's lists are told apart, and which of their rows can be withdrawn.

    Attributes:
        name: The parts of a list's name, each as text from the columns of the list's rows.
        asked: Which names of a message's context give the parts of the name. A message whose
            context has them all is that one list, even without rows; if it has a row of another
            list, it is no list.
        whole: Which rows belong to a whole list. Other rows change a list and leave nothing out.
        item: Columns that tell one item of a list from another; if None, the key's columns that are
            not in the name.
        number: The column in which the provider numbers its lists; if None, the list received later
            is the newer one.
        gone: Which rows say themselves that their item is no longer listed.
        reach: How long before a newer list's earliest row the withdrawn rows may begin; None for
            any time.
    """

    name: Mapping[str, pl.Expr]
    asked: Mapping[str, str] = field(default_factory=dict)
    whole: pl.Expr = field(default_factory=lambda: pl.lit(value=True))
    item: tuple[str, ...] | None = None
    number: str | None = None
    gone: pl.Expr = field(default_factory=lambda: pl.lit(value=False))
    reach: timedelta | None = None

    def items(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns that tell one item of a list from another, for a source's key."""
        return self.item or tuple(name for name in key if name not in self.name)

    def asked_for(self, context: Mapping[str, str]) -> tuple[str, ...] | None:
        """Return the name of the list that a message's context asks for, or None."""
        if not self.asked or not all(self.asked.get(part, "") in context for part in self.name):
            return None
        return tuple(context[self.asked[part]] for part in self.name)
