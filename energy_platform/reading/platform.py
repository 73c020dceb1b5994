"""A platform that is read, and the default one, which the environment names."""

from pathlib import Path
from typing import Final

from energy_platform.reading.cache import MOST_BYTES, Cache
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


def connect(
    where: str | Path | None = None,
    *,
    cache: str | Path | None = None,
    cache_bytes: int = MOST_BYTES,
) -> Platform:
    """Return the platform whose data are there.

    The platform is a value: several may be asked side by side, and one may be sent to another
    process. Asking it creates nothing on disk.

    Args:
        where: A platform's home folder; the folder or bucket of its Delta tables,
            `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`; or a BigQuery
            dataset, `bigquery://project/dataset`. Unless given, what the environment names
            whenever a question is put: `ENERGY_PLATFORM_HOME`, or `.energy_platform`.
        cache: A folder to keep what `load`, `aload`, `sql` and `frame` read, for as long as its
            table has no newer rows; processes and platforms may share it. None, unless given.
        cache_bytes: How much the folder may take; the answers used last stay.

    Returns:
        A platform, whose methods are the functions of this package.

    Raises:
        NoPlatformError: There is no platform in this folder.
        UsageError: No platform can be at this address, or no cache in this folder.
        MissingExtraError: BigQuery is asked, and the `bigquery` extra is not installed.

    >>> import os
    >>> desk = connect(os.environ["ENERGY_PLATFORM_HOME"])
    >>> desk.load("ote_day_ahead_price").height > 90
    True
    """
    place = Place.of(where)
    kept = None if cache is None else Cache.at(cache, cache_bytes)
    if where is not None:
        place.warehouse()
    return Platform(place, kept)


here: Final[Platform] = Platform()
"""The platform that the environment names."""
