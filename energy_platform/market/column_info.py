"""One column of a table, as the catalogue and the stores describe it."""

from dataclasses import dataclass

from energy_platform.market.quantity import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """One column of a table: of a market source, or of a mart.

    Attributes:
        name: Its name, which ends with the unit.
        type: Its polars type.
        unit: The unit of its numbers.
        description: What it holds.
        nullable: Whether a row may lack it.
        quantity: The kind of quantity, which says how values are summed up and split.
        values: The texts that it is known to take, in order; a table may hold others.
        codes: The provider's codes of these texts, in the same order; none if there are none.
    """

    name: str
    type: str
    unit: str | None
    description: str | None
    nullable: bool
    quantity: Quantity
    values: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """The column's description, followed by its unit in brackets."""
        unit = f"[{self.unit}]" if self.unit else ""
        return " ".join(part for part in (self.description, unit) if part)
