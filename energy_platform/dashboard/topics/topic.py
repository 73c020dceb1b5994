"""What every kind of topic says of itself; `room` keeps its rows and tells viewers of changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from energy_platform.dashboard.frames import Changes, Row
from energy_platform.dashboard.live_rows import Listener
from energy_platform.errors import UsageError


class UnknownTopicError(UsageError):
    """There is no topic of this name."""


NewRows = Mapping[str, pl.DataFrame]
"""New rows by their source, in the order in which they came."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """All rows of a topic, as the stores have them.

    Attributes:
        rows: The rows.
        reached: Up to which landing offset of a source the rows are known to be complete.
    """

    rows: Sequence[Row]
    reached: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_provisional(self) -> bool:
        """Whether the warehouse does not know yet where some row came from."""
        return any(row.get("landing_offset", 0) is None for row in self.rows)


class Shared(Listener, Protocol):
    """Who takes the new rows of some sources for several topics at once."""

    @property
    def sources(self) -> Sequence[str]:
        """The sources."""


class Topic(Protocol):
    """One topic. `load` and `changed_by` are never called at the same time."""

    @property
    def sources(self) -> Sequence[str]:
        """The market sources that it shows, and whose new rows change it."""

    @property
    def every_seconds(self) -> float:
        """How often viewers are told of changes at most."""

    @property
    def refresh_seconds(self) -> float | None:
        """How often the stores are asked again; None if the live bus tells of every change."""

    @property
    def moment(self) -> str | None:
        """The column that dates a row: other values of the same moment are a revision."""

    @property
    def shared(self) -> Sequence["Shared"]:
        """Who takes new rows for several topics at once."""

    def load(self) -> Loaded:
        """Ask the stores. This may take a while, and runs in a thread.

        Raises:
            EnergyPlatformError: They don't answer.
        """

    def changed_by(self, new: NewRows) -> Changes:
        """Return what new rows change; it is quick and asks nobody."""
