"""What all questions to a platform share: where its data are, and where answers are kept."""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from energy_platform.reading.cache import Cache
from energy_platform.reading.dataset import Dataset
from energy_platform.reading.place import Place


@dataclass(frozen=True)
class Connected:
    """A platform that questions can be put to; a value that can be pickled.

    Each family of questions is a class of its own that derives from this one, and
    `energy_platform.reading.platform.Platform` is all of them.
    """

    place: Place = field(default_factory=Place)
    cache: Cache | None = None

    def _once(
        self, about: Dataset, asked: object, read: Callable[[], pl.DataFrame]
    ) -> pl.DataFrame:
        """Return what is read of a table; from the cache, if its rows are what they were.

        Args:
            about: The table.
            asked: What is asked of it; its `repr` says all of it.
            read: Reads the answer.
        """
        if self.cache is None:
            return read()
        # The state is that of before the read: an answer is never taken for an older one.
        state = self.place.warehouse(missing="empty").state(about.table)
        return read() if state is None else self.cache.frame((state, asked), read)
