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

    The platform is a value: several may be asked side by side, and one may be sent to another
    process. Asking it creates nothing on disk.

    Args:
        where: A platform's home folder; the folder or bucket of its Delta tables,
            `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`; or a BigQuery
            dataset, `bigquery://project/dataset`. Unless given, what the environment names
            whenever a question is put: `ENERGY_PLATFORM_HOME`, or `.energy_platform`.

    Returns:
        A platform, whose methods are the functions of this package.

    Raises:
        NoPlatformError: There is no platform in this folder.
        UsageError: No platform can be at this address.
        MissingExtraError: BigQuery is asked, and the `bigquery` extra is not installed.

    >>> import os
    >>> desk = connect(os.environ["ENERGY_PLATFORM_HOME"])
    >>> desk.load("ote_day_ahead_price").height > 90
    True
    """
    place = Place.of(where)
    if where is not None:
        place.warehouse()
    return Platform(place)


here: Final[Platform] = Platform()
"""The platform that the environment names."""
