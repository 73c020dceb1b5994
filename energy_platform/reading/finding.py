"""What there is: the catalogue of market sources and marts."""

from dataclasses import asdict

import polars as pl

from energy_platform.reading.catalogue import catalogue
from energy_platform.reading.connected import Connected


class Finding(Connected):
    """Questions about what there is."""

    def catalog(self, search: str = "") -> pl.DataFrame:
        """Return one row per source and mart: name, kind, provider, group, key, columns, terms.

        Args:
            search: Only entries whose name, provider, description, columns or terms contain every
                word, the best first. A word may be the beginning of one; case and accents don't
                matter; a country may be named by its code.

        >>> import energy_platform as ep
        >>> ep.catalog("nord pool trade")["name"][0]
        'nord_pool_intraday_trade'
        """
        everything = pl.DataFrame([asdict(entry) for entry in catalogue()])
        found = pl.Series("name", [entry.name for entry in catalogue(search)], dtype=pl.String)
        return found.to_frame().join(everything, on="name", maintain_order="left")
