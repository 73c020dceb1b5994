"""What a table is and has, as a card: HTML in a notebook, and plain text elsewhere."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Final

from energy_platform.reading.dataset import Dataset

_SHOWN: Final = 12
"""How many values of a column a card lists."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A table: what it is, and what is stored of it.

    Attributes:
        dataset: What is declared of it.
        rows: How many rows are stored, every revision counted.
        first_at: The event time of the oldest row; None if it is not known, or there is none.
        last_at: The event time of the newest row.
        received_at: When the newest row was received.
        resolution: How long a period usually is, or how far apart values are.
        late_since: Since when values have been missing that were due; None while it is on time.
        example: A call that reads the newest rows.
    """

    dataset: Dataset
    rows: int
    first_at: datetime | None
    last_at: datetime | None
    received_at: datetime | None
    resolution: timedelta | None
    late_since: datetime | None
    example: str

    @property
    def facts(self) -> dict[str, str]:
        """What the card says of the whole table, by its heading."""
        about = self.dataset
        late = "" if self.late_since is None else f", late since {_instant(self.late_since)}"
        coverage = f"{_instant(self.first_at)} to {_instant(self.last_at)}"
        return {
            "What": about.description,
            "Provider": f"{about.provider}, by {about.protocol}; {about.terms}",
            "Key": ", ".join(about.key),
            "Stored": f"{self.rows:,} rows, every revision counted" if self.rows else "nothing yet",
            "Coverage": coverage if self.rows else "none",
            "Resolution": str(self.resolution or "unknown"),
            "Received": f"{_instant(self.received_at)}{late}" if self.rows else "never",
            "Example": self.example,
        }

    @property
    def lines(self) -> list[tuple[str, str, str, str, str]]:
        """A line for each column: its name, type, unit, description and known values."""
        return [
            (
                column.name,
                column.type,
                column.unit or "",
                column.description or "",
                _values(column.values),
            )
            for column in self.dataset.columns
        ]

    def __repr__(self) -> str:
        """Return the card as plain text."""
        facts = "\n".join(f"{heading:<11}{fact}" for heading, fact in self.facts.items())
        columns = "\n".join(
            f"  {name} [{unit or kind}]  {text}{f'  ({values})' if values else ''}"
            for name, kind, unit, text, values in self.lines
        )
        return f"{self.dataset.name}\n{facts}\nColumns\n{columns}"

    def _repr_html_(self) -> str:
        """Return the card for a notebook; whatever a provider wrote is escaped."""
        facts = "".join(
            f"<tr><th style='text-align:left'>{escape(heading)}</th>"
            f"<td style='text-align:left'>{_code(fact) if heading == 'Example' else escape(fact)}"
            "</td></tr>"
            for heading, fact in self.facts.items()
        )
        headings = "".join(
            f"<th style='text-align:left'>{one}</th>"
            for one in ("Column", "Type", "Unit", "Description", "Values")
        )
        columns = "".join(
            "<tr>"
            + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in line)
            + "</tr>"
            for line in self.lines
        )
        return (
            f"<h4>{escape(self.dataset.name)}</h4><table>{facts}</table>"
            f"<table><tr>{headings}</tr>{columns}</table>"
        )


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _values(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more


def _instant(at: datetime | None) -> str:
    return "unknown" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
