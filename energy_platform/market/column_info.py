"""One column of a table, as the catalogue and the stores describe it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnInfo:
    """One column of a table: of a market source, or of a mart."""

    name: str
    type: str
    unit: str | None
    description: str | None
    nullable: bool

    @property
    def described(self) -> str:
        """The column's description, followed by its unit in brackets."""
        unit = f"[{self.unit}]" if self.unit else ""
        return " ".join(part for part in (self.description, unit) if part)
