"""How the SMARD sources ask: a file per series and local week, and an index of the weeks.

`energy_platform.formats.smard` reads the files; each source says which series to ask for.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from energy_platform.feeds.indexed_rest import IndexedRequest, IndexedRestFeed, weekly
from energy_platform.formats import smard

smard_feed = partial(
    IndexedRestFeed,
    provider=smard.SMARD,
    index=smard.index,
    length=smard.LONGEST_FILE,
    answers=smard.ANSWER,
    essence=smard.essence,
    every=timedelta(minutes=10),
    span=timedelta(days=9),
    overlap=timedelta(days=7),
    ahead=timedelta(days=1),
    history_chunk=timedelta(days=7),
)


def weeks(filters: Iterable[str], start: datetime, end: datetime) -> Sequence[IndexedRequest]:
    """Ask for the local weeks that the window touches, one file per week and filter."""
    series = (smard.urls(filter_, "DE", "quarterhour") for filter_ in filters)
    return [request for urls in series for request in weekly(*urls, start, end, smard.ZONE)]
