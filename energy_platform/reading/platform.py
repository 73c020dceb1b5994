"""A platform that is read, and the default one, which the environment names."""

from pathlib import Path
from typing import Final

from energy_platform.reading.changing import Changing
from energy_platform.reading.finding import Finding
from energy_platform.reading.frames import Frames
from energy_platform.reading.intraday import Intraday
from energy_platform.reading.operating import Operating
from energy_platform.reading.place import Place
from energy_platform.reading.places import Places
from energy_platform.reading.revisions import Revisions
from energy_platform.reading.runs import Runs
from energy_platform.reading.sql import Sql


class Platform(Finding, Sql, Frames, Intraday, Places, Runs, Revisions, Changing, Operating):
    """A platform's data: what there is, rows as of any moment, and what is new.

    Dagster need not be installed, and no process need run, except to follow.
    """


def connect(where: str | Path | None = None) -> Platform:
    """Return the platform whose data are there.

    Args:
        where: A platform's home folder; the one that the environment names, unless given.

    >>> connect().load("ote_day_ahead_price").is_empty()
    True
    """
    return Platform(Place(None if where is None else str(where)))


here: Final[Platform] = Platform()
"""The platform that the environment names."""
